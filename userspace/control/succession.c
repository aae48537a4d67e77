#include "userspace/control/succession.h"

#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/notify.h"
#include "userspace/control/upgrade.h"

enum { RELEASE_LOOK_MS = 1, RELEASE_LOOKS = 1000 };

struct succession {
	struct loop *loop;
	struct succession_hooks hooks;
	struct succession_parts parts;
	struct inherited *inherited; /* NULL: nobody was before us */
	struct upgrade *upgrade;     /* NULL once cancelled */
	bool serves;                 /* it has been our turn */
	bool leaves;                 /* a new one is ready: there is no way back */
	struct timer release;
	uint32_t looks;
};

/* --- the new process --------------------------------------------------------------------- */

static void on_turn(void *context)
{
	struct succession *s = context;

	s->serves = true;
	admin_own(s->parts.admin);
	s->hooks.on_turn(s->hooks.context);
}

static void on_yours(void *context)
{
	struct succession *s = context;

	fast_path_take_over(s->parts.fast_path);
}

static void on_gone(void *context)
{
	struct succession *s = context;

	fast_path_is_alone(s->parts.fast_path);
	log_line(LOG_NOTICE, "the shuntd before this one has ended");
}

bool succession_ready(struct succession *s, const struct succession_parts *parts, struct err *err)
{
	struct inherited_hooks hooks = { on_turn, on_yours, on_gone, s };

	s->parts = *parts;
	if (s->inherited)
		return inherited_ready(s->inherited, s->loop, serving_table(parts->serving), &hooks,
				       err);
	on_turn(s);
	return true;
}

/* --- the old process --------------------------------------------------------------------- */

/* Before the new one is told, so that it may speak for the service when it begins. */
static void leave(struct succession *s)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d", (int)upgrade_pid(s->upgrade));
	notify_send(text);
	admin_leave(s->parts.admin);
	upgrade_yours(s->upgrade);
	log_line(LOG_NOTICE, "process %d serves in the place of this one",
		 (int)upgrade_pid(s->upgrade));
	s->hooks.on_leave(s->hooks.context);
}

/* Workers may be entering a splice; not for longer than a few instructions. */
static void on_release_look(void *context)
{
	struct succession *s = context;

	if (fast_path_release(s->parts.fast_path) || ++s->looks == RELEASE_LOOKS)
		leave(s);
	else
		timer_start(&s->release, RELEASE_LOOK_MS);
}

static void on_ready(void *context, const bool *taken)
{
	struct succession *s = context;

	s->leaves = true;
	serving_let_go(s->parts.serving, taken);
	on_release_look(s);
}

/* The service manager learns of it when we, its parent, have ended too. */
static void on_lost(void *context, const char *why)
{
	struct succession *s = context;

	timer_stop(&s->release);
	log_line(LOG_ERROR,
		 "the shuntd in the place of this one %s; this one ends at once, so that the "
		 "service is started anew",
		 why);
	s->hooks.on_lost(s->hooks.context);
}

/* The new one may have written its configuration into the kernel's tables before it failed. */
static void on_failed(void *context, const char *why)
{
	struct succession *s = context;

	fast_path_hold(s->parts.fast_path, false);
	serving_restore(s->parts.serving);
	log_line(LOG_ERROR, "the upgrade failed: the new shuntd %s; this one goes on serving", why);
	s->hooks.on_stay(s->hooks.context);
}

void succession_begin(struct succession *s)
{
	struct upgrade_goods goods = { .admin = admin_fd(s->parts.admin) };
	struct err err;

	if (!s->serves || !s->upgrade || s->leaves) {
		log_line(LOG_WARNING, "no upgrade: another upgrade is under way");
		return;
	}
	goods.table = serving_table(s->parts.serving);
	goods.maps = fast_path_maps(s->parts.fast_path, &goods.map_count);
	fast_path_hold(s->parts.fast_path, true);
	if (upgrade_begin(s->upgrade, &goods, &err)) {
		log_line(LOG_NOTICE, "upgrade: %s is started as process %d",
			 upgrade_program(s->upgrade), (int)upgrade_pid(s->upgrade));
		return;
	}
	if (!succession_is_under_way(s))
		fast_path_hold(s->parts.fast_path, false);
	log_line(LOG_ERROR, "no upgrade: %s", err.text);
}

/* --- both -------------------------------------------------------------------------------- */

bool succession_is_under_way(const struct succession *s)
{
	return !s->serves || s->leaves || (s->upgrade && upgrade_is_under_way(s->upgrade));
}

void succession_pass_on(const struct succession *s, int signal)
{
	if (s->leaves && s->upgrade)
		upgrade_signal(s->upgrade, signal);
}

struct succession *succession_create(struct loop *loop, char *const *argv,
				     const struct succession_hooks *hooks, struct err *err)
{
	struct succession *s = must_alloc(sizeof(*s));

	s->loop = loop;
	s->hooks = *hooks;
	if (!inherited_receive(&s->inherited, err)) {
		free(s);
		return NULL;
	}
	s->upgrade = upgrade_create(&(struct upgrade_options){ .loop = loop,
							       .argv = argv,
							       .patience_ms = UPGRADE_PATIENCE_MS,
							       .on_ready = on_ready,
							       .on_lost = on_lost,
							       .on_failed = on_failed,
							       .context = s });
	timer_init(&s->release, loop, on_release_look, s);
	return s;
}

struct inherited *succession_inherited(const struct succession *s)
{
	return s->inherited;
}

void succession_cancel(struct succession *s)
{
	if (!s || !s->upgrade || !upgrade_is_under_way(s->upgrade))
		return;
	upgrade_destroy(s->upgrade);
	s->upgrade = NULL;
}

void succession_destroy(struct succession *s)
{
	if (!s)
		return;
	timer_stop(&s->release);
	inherited_destroy(s->inherited);
	upgrade_destroy(s->upgrade);
	free(s);
}
