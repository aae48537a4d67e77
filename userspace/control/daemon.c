#include "userspace/control/daemon_parts.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/admin.h"
#include "userspace/control/config_watch.h"
#include "userspace/control/endpoint_control.h"
#include "userspace/control/file_watch.h"
#include "userspace/control/flows.h"
#include "userspace/control/health.h"
#include "userspace/control/layout.h"
#include "userspace/control/log_control.h"
#include "userspace/control/names.h"
#include "userspace/control/notify.h"
#include "userspace/control/privileges.h"
#include "userspace/control/reload.h"
#include "userspace/control/signals.h"
#include "userspace/control/state_dir.h"
#include "userspace/control/succession.h"
#include "userspace/control/upstreams.h"
#include "userspace/control/watchdog.h"
#include "userspace/upstream/resolver.h"

/* --- while it runs ----------------------------------------------------------------------- */

static void on_config_change(void *context)
{
	daemon_reload(context);
}

static void stop(struct daemon *d)
{
	uint32_t drain_ms = serving_drain_ms(d->serving);

	if (d->cutting)
		return;
	if (!d->succeeded)
		notify_send("STOPPING=1");
	succession_cancel(d->succession);
	if (d->stopping) {
		d->cutting = true;
		log_line(LOG_NOTICE, "stopping at once");
		serving_drain(d->serving, 0);
		return;
	}
	d->stopping = true;
	log_line(LOG_NOTICE, "stopping; sessions have %u ms to end", drain_ms);
	serving_drain(d->serving, drain_ms);
}

static void upgrade(struct daemon *d)
{
	if (d->stopping)
		log_line(LOG_WARNING, "no upgrade: this process is about to end");
	else
		succession_begin(d->succession);
}

/* A new process has opened its log by itself, perhaps before it was renamed. */
static void reopen_log(struct daemon *d, int signal)
{
	log_control_reopen(d->log);
	d->reopen_later = succession_is_under_way(d->succession);
	if (d->succeeded) /* who asks does not know yet */
		succession_pass_on(d->succession, signal);
}

static void on_signal(void *context, int number)
{
	struct daemon *d = context;

	switch (number) {
	case SIGHUP:
		reopen_log(d, SIGHUP);
		daemon_reload(d);
		break;
	case SIGUSR1:
		reopen_log(d, SIGUSR1);
		break;
	case SIGUSR2:
		upgrade(d);
		break;
	default:
		stop(d);
	}
}

static void on_all_ended(void *context)
{
	struct daemon *d = context;

	loop_stop(d->loop);
}

static char *on_get(void *context, struct span path)
{
	struct daemon *d = context;
	struct status *status;
	char *text;

	if (span_is(path, SPAN("/flows")))
		return flows_print(d->arguments->pin_dir, false, NULL);
	if (span_is(path, SPAN("/traffic")) && d->serving && d->fast_path)
		return fast_path_traffic(d->fast_path, serving_snapshot(d->serving));
	if (span_is(path, SPAN("/layout")) && d->serving)
		return layout_print(serving_snapshot(d->serving)->model);
	if (span_is(path, SPAN("/names")) && d->names)
		return names_print(d->names, loop_now_ms(d->loop));
	if (span_is(path, SPAN("/health")) && d->health)
		return health_watch_print(d->health);
	if (span_is(path, SPAN("/upstreams")) && d->serving)
		return upstreams_print(serving_snapshot(d->serving), loop_now_ms(d->loop));
	if (span_is(path, SPAN("/endpoints")) && d->serving)
		return endpoint_control_print(d->endpoints, serving_snapshot(d->serving));
	if (span_is(path, SPAN("/overrides")))
		return endpoint_control_overrides(d->endpoints);
	if (!span_is(path, SPAN("/status")))
		return NULL;
	status = must_alloc(sizeof(*status));
	if (d->serving)
		serving_status(d->serving, status);
	status->reloads_refused = d->refused;
	status->access_lines_lost = log_control_lost(d->log);
	text = status_print(status);
	free(status);
	return text;
}

static char *on_post(void *context, const struct admin_request *request, uint32_t *out_status)
{
	struct daemon *d = context;
	char *text = NULL;

	if (d->serving)
		text = endpoint_control_post(d->endpoints, serving_snapshot(d->serving), request,
					     out_status);
	return text || !d->serving ? text : serving_post(d->serving, request, out_status);
}

static bool is_well(void *context)
{
	struct daemon *d = context;

	return serving_is_well(d->serving);
}

static void say_ready(const struct daemon *d)
{
	const struct snapshot *now = serving_snapshot(d->serving);

	log_line(LOG_NOTICE, "%u vips, %u listeners", now->model->vip_count,
		 now->model->listener_count);
	ceilings_say(serving_ceilings(d->serving));
	log_line(LOG_NOTICE, "ready");
	notify_send("READY=1");
}

/* What was asked for while it was open who serves. */
static void catch_up(struct daemon *d)
{
	bool asked = d->reload_later;

	d->reload_later = false;
	if (asked)
		daemon_reload(d);
}

static void on_turn(void *context)
{
	struct daemon *d = context;

	if (d->stopping)
		return;
	serving_accept(d->serving);
	file_watch_follow(d->files, serving_snapshot(d->serving)->model);
	d->health = health_watch_create(d->loop, d->fast_path);
	health_watch_follow(d->health, (struct snapshot *)serving_snapshot(d->serving));
	say_ready(d);
	d->watchdog = watchdog_create(d->loop, is_well, d);
	catch_up(d);
}

static void on_stay(void *context)
{
	catch_up(context);
}

static void on_leave(void *context)
{
	struct daemon *d = context;
	uint32_t drain_ms = serving_drain_ms(d->serving);

	/* What was asked of us while it came may be what it has read already, or not. */
	if (d->reload_later)
		succession_pass_on(d->succession, SIGHUP);
	else if (d->reopen_later)
		succession_pass_on(d->succession, SIGUSR1);
	d->stopping = d->succeeded = true;
	watchdog_destroy(d->watchdog);
	d->watchdog = NULL;
	health_watch_destroy(d->health);
	d->health = NULL;
	resolver_destroy(d->names);
	d->names = NULL;
	log_line(LOG_NOTICE, "sessions of this process have %u ms to end", drain_ms);
	serving_drain_patiently(d->serving, drain_ms);
}

static void on_lost(void *context)
{
	struct daemon *d = context;

	d->stopping = d->cutting = true;
	serving_drain(d->serving, 0);
}

/* --- start ------------------------------------------------------------------------------- */

static bool succession_open(struct daemon *d, struct err *err)
{
	struct succession_hooks hooks = { on_turn, on_stay, on_leave, on_lost, d };

	d->succession = succession_create(d->loop, d->arguments->argv, &hooks, err);
	return d->succession != NULL;
}

/* Of the process before us, where it is at the same path. */
static bool admin_take(struct daemon *d, const struct admin_hooks *hooks)
{
	int fd = inherited_admin(succession_inherited(d->succession));

	if (fd < 0)
		return false;
	d->admin = admin_inherit(d->loop, d->arguments->admin, fd, hooks);
	if (!d->admin)
		close(fd);
	return d->admin != NULL;
}

static bool admin_open(struct daemon *d, struct err *err)
{
	const struct arguments *a = d->arguments;
	struct admin_hooks hooks = { on_get, on_post, d };

	if (admin_take(d, &hooks))
		return true;
	if (admin_is_answered(a->admin))
		return err_set(err,
			       "another shuntd answers at %s; stop it first, or give another "
			       "path with --admin",
			       a->admin);
	d->admin = admin_create(d->loop, a->admin, &hooks, err);
	if (d->admin || a->admin_given)
		return d->admin != NULL;
	log_line(LOG_WARNING,
		 "no admin socket, so shuntctl status cannot ask (give another path with --admin): "
		 "%s",
		 err->text);
	return true;
}

/* With devices it is the operator's wish: a failure is one, but for who may not have it at all. */
static bool fast_path_start(struct daemon *d, struct snapshot *first, struct err *err)
{
	const struct model *model = first->model;
	struct fast_path_options options = { .loop = d->loop,
					     .pin_dir = d->arguments->pin_dir,
					     .log = log_control_sink(d->log),
					     .cgroup = d->arguments->cgroup };

	options.map_count = inherited_maps(succession_inherited(d->succession), &options.maps);
	if (model->node.device_count == 0)
		log_line(LOG_NOTICE,
			 "no node.devices: plain proxy; L4 listeners and splicing are off");
	else if (!privileges_have_fast_path())
		log_line(LOG_NOTICE,
			 "no privileges for node.devices (CAP_NET_ADMIN, CAP_BPF): plain "
			 "proxy; L4 listeners and splicing are off");
	else
		return (d->fast_path = fast_path_open(&options, first, err)) != NULL;
	reload_warn_unserved(model);
	return true;
}

static bool serving_open(struct daemon *d, struct snapshot *first, struct err *err)
{
	uint32_t workers = daemon_workers(d->arguments, &first->model->node);
	const struct inherited *inherited = succession_inherited(d->succession);
	struct serving_options options = { .loop = d->loop,
					   .log = log_control_sink(d->log),
					   .inherited = inherited_table(inherited),
					   .files_max = privileges_raise_files(),
					   .config = d->arguments->config,
					   .on_end = on_all_ended,
					   .context = d };

	if (d->arguments->cgroup && !inherited /* else we were born there */ &&
	    !privileges_join_cgroup(d->arguments->cgroup, err))
		return false;
	if (!fast_path_start(d, first, err))
		return false;
	options.fast_path = d->fast_path;
	d->serving = serving_create(&options, first, workers, err);
	return d->serving != NULL;
}

/* One line a step; the first that fails explains itself in *err. */
static bool start(struct daemon *d, struct snapshot *first, struct err *err)
{
	const struct arguments *a = d->arguments;

	return (d->signals = signals_create(d->loop, on_signal, d, err)) != NULL &&
	       succession_open(d, err) && admin_open(d, err) &&
	       (d->log = log_control_create(d->loop, a, &first->model->log, err)) != NULL &&
	       serving_open(d, first, err) &&
	       (d->config = config_watch_create(d->loop, a->config, on_config_change, d, err)) !=
		       NULL &&
	       (d->files = file_watch_create(d->loop, on_config_change, d)) != NULL &&
	       admin_hand_over(d->admin, a->user, err) &&
	       log_control_hand_over(d->log, a->user, err) &&
	       state_dir_hand_over(a->state, a->user, err) &&
	       privileges_drop(a->user, d->fast_path != NULL, err) &&
	       log_control_start(d->log, err) && serving_start(d->serving, err);
}

/* Whatever was reached is undone, in reverse order. */
static void finish(struct daemon *d, bool started)
{
	file_watch_destroy(d->files);
	config_watch_destroy(d->config);
	watchdog_destroy(d->watchdog);
	health_watch_destroy(d->health);
	endpoint_control_destroy(d->endpoints);
	resolver_destroy(d->names);
	serving_destroy(d->serving);
	succession_destroy(d->succession); /* tells the next process that nothing of ours is open */
	if (d->fast_path && started)
		fast_path_close(d->fast_path);
	else if (d->fast_path)
		fast_path_abandon(d->fast_path);
	log_control_destroy(d->log);
	admin_destroy(d->admin);
	signals_destroy(d->signals);
	loop_destroy(d->loop);
}

static bool ready(struct daemon *d, struct err *err)
{
	struct succession_parts parts = { d->serving, d->fast_path, d->admin };

	return succession_ready(d->succession, &parts, err);
}

int daemon_run(const struct arguments *arguments)
{
	struct daemon d = { .arguments = arguments, .number = 1 };
	struct endpoint_control_hooks hooks = { daemon_on_orders, &d };
	struct snapshot *first;
	bool fast, ok;
	struct err err;

	d.loop = loop_create();
	d.endpoints = endpoint_control_create(d.loop, arguments->state, &hooks);
	first = daemon_first(&d);
	if (!first) {
		endpoint_control_destroy(d.endpoints);
		resolver_destroy(d.names);
		loop_destroy(d.loop);
		return 1;
	}
	ok = start(&d, first, &err) && ready(&d, &err);
	snapshot_unref(first);
	if (ok)
		loop_run(d.loop);
	else
		log_line(LOG_ERROR, "%s", err.text);
	fast = d.fast_path != NULL;
	finish(&d, ok);
	if (ok)
		log_line(LOG_NOTICE,
			 fast ? "stopped; L4 listeners and spliced connections go on in the "
				"kernel (shunt-loader detach ends them)"
			      : "stopped");
	return ok ? 0 : 1;
}

int daemon_check(const struct arguments *arguments)
{
	struct reload_way way = { .number = 1, .strict = true };
	struct snapshot *read = reload_read(arguments->config, &way);
	struct ceilings ceilings;

	if (!read)
		return 1;
	ceilings_foresee(read->model, &ceilings);
	ceilings_say(&ceilings);
	log_line(LOG_NOTICE, "%s is good: %u vips, %u listeners, %u endpoints", arguments->config,
		 read->model->vip_count, read->model->listener_count, read->model->endpoint_count);
	snapshot_unref(read);
	return 0;
}
