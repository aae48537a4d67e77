/* From one snapshot to the next: files that changed, names that stand for something else, orders.
 */
#include <sched.h>
#include <string.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/log.h"
#include "userspace/control/config_watch.h"
#include "userspace/control/daemon_parts.h"
#include "userspace/control/endpoint_control.h"
#include "userspace/control/file_watch.h"
#include "userspace/control/health.h"
#include "userspace/control/log_control.h"
#include "userspace/control/notify.h"
#include "userspace/control/reload.h"
#include "userspace/control/succession.h"
#include "userspace/upstream/resolver.h"

uint32_t daemon_workers(const struct arguments *a, const struct node *node)
{
	cpu_set_t cpus;
	uint32_t n = a->workers ? a->workers : node->workers;

	if (!n && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (uint32_t)CPU_COUNT(&cpus);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

static struct reload_way reload_way(const struct daemon *d, uint64_t number)
{
	return (struct reload_way){ .state = d->arguments->state,
				    .resolution = resolver_resolution(d->names),
				    .number = number };
}

/* As operators want its endpoints. Takes over read, which may be NULL. */
static struct snapshot *order(const struct daemon *d, struct snapshot *read)
{
	struct snapshot *next =
		read ? endpoint_control_order(d->endpoints, read, read->number) : NULL;

	snapshot_unref(read);
	return next;
}

static bool apply(struct daemon *d, struct snapshot *next, struct err *err)
{
	return serving_apply(d->serving, next, daemon_workers(d->arguments, &next->model->node),
			     err);
}

bool daemon_on_orders(void *context, struct err *err)
{
	struct daemon *d = context;
	struct snapshot *now, *next;
	bool ok;

	if (d->stopping || !d->health || succession_is_under_way(d->succession))
		return err_set(err, "this shuntd begins or ends to serve; ask again in a moment");
	now = (struct snapshot *)serving_snapshot(d->serving);
	next = endpoint_control_order(d->endpoints, now, d->number + 1);
	ok = apply(d, next, err);
	if (ok) {
		d->number++;
		health_watch_follow(d->health, next);
	}
	snapshot_unref(next);
	return ok;
}

static void take_effect(struct daemon *d, struct snapshot *next,
			const struct proxy_ceilings *before)
{
	log_line(LOG_NOTICE, "snapshot %llu is in effect", (unsigned long long)++d->number);
	file_watch_follow(d->files, next->model);
	health_watch_follow(d->health, next);
	log_control_follow(d->log, &next->model->log);
	if (memcmp(before, &serving_ceilings(d->serving)->each, sizeof(*before)) != 0)
		ceilings_say(serving_ceilings(d->serving));
}

/* Takes over next; NULL: there were findings. */
static void take(struct daemon *d, struct snapshot *next)
{
	struct proxy_ceilings before = serving_ceilings(d->serving)->each;
	const struct model *now;
	struct err err;

	notify_send("RELOADING=1");
	if (next) {
		reload_warn_fixed(&serving_snapshot(d->serving)->model->node, &next->model->node);
		health_watch_foretell(d->health, next);
	}
	if (next && apply(d, next, &err)) {
		take_effect(d, next, &before);
	} else {
		if (next)
			log_line(LOG_ERROR, "%s", err.text);
		d->refused++;
		log_line(LOG_WARNING, "the configuration was not taken; snapshot %llu goes on",
			 (unsigned long long)d->number);
	}
	snapshot_unref(next);
	/* Where it was refused, this asks for the names of the old one, as that wants it. */
	now = serving_snapshot(d->serving)->model;
	resolver_want(d->names, now, &err);
	resolver_follow(d->names, now);
	notify_send("READY=1");
}

/* Whether there is nothing to wait for; on_names_ready comes where there is. */
static bool names_are_known(struct daemon *d, const struct model *model)
{
	struct err err;
	bool known = resolver_want(d->names, model, &err);

	if (!known && err.text[0])
		log_line(LOG_ERROR, "%s", err.text);
	return known || err.text[0];
}

void daemon_reload(struct daemon *d)
{
	struct reload_way way;
	struct snapshot *read;

	if (d->stopping)
		return;
	if (succession_is_under_way(d->succession)) {
		d->reload_later = true;
		return;
	}
	way = reload_way(d, d->number + 1);
	config_watch_seen(d->config); /* before reading: a change in between is an event more */
	read = reload_read(d->arguments->config, &way);
	if (read && !names_are_known(d, read->model))
		snapshot_unref(read); /* on_names_ready reads it again */
	else
		take(d, order(d, read));
}

static void on_names_ready(void *context)
{
	struct daemon *d = context;

	if (d->serving)
		daemon_reload(d);
	else
		loop_stop(d->loop); /* daemon_first goes on */
}

static void on_names_change(void *context)
{
	struct daemon *d = context;
	struct reload_way way = reload_way(d, d->number + 1);

	if (d->stopping)
		return;
	/* It is told once only: who does not serve yet, or not alone, remembers that. */
	if (!d->health || succession_is_under_way(d->succession))
		d->reload_later = true;
	else if (serving_snapshot(d->serving)->model->name_count > 0)
		take(d, order(d, reload_again(serving_snapshot(d->serving), &way)));
}

static bool is_meant(const struct endpoint *e, enum name_kind kind, const char *name,
		     const struct name_answer *answer)
{
	struct addr address = e->address;

	if (kind == NAME_HOST)
		address.port = answer->address.port; /* which only the configuration says */
	return addr_is(&address, &answer->address) && e->name && e->name_kind == kind &&
	       strcmp(e->name, name) == 0;
}

/* Those that checks have not found to be down; of who is not checked nobody knows. */
static bool may_hold(void *context, enum name_kind kind, const char *name,
		     const struct name_answer *answer)
{
	const struct daemon *d = context;
	const struct snapshot *s = d->serving ? serving_snapshot(d->serving) : NULL;

	for (uint32_t i = 0; s && i < s->model->upstream_count; i++) {
		const struct upstream *u = &s->model->upstreams[i];

		for (uint32_t k = 0; u->has_names && u->health.kind && k < u->endpoint_count; k++)
			if (is_meant(&u->endpoints[k], kind, name, answer) &&
			    !atomic_load_explicit(&s->down[u->endpoints[k].index],
						  memory_order_relaxed))
				return true;
	}
	return false;
}

struct snapshot *daemon_first(struct daemon *d)
{
	struct resolver_hooks hooks = { on_names_ready, on_names_change, may_hold, d };
	struct snapshot *first, *again;
	struct reload_way way;

	d->names = resolver_create(d->loop, &hooks);
	way = reload_way(d, d->number);
	first = reload_read(d->arguments->config, &way);
	if (!first || first->model->name_count == 0)
		return order(d, first);
	if (!names_are_known(d, first->model))
		loop_run(d->loop);
	loop_again(d->loop);
	resolver_follow(d->names, first->model);
	again = reload_again(first, &way);
	/* Whoever answers for names cannot keep us from starting. */
	if (!again) {
		log_line(LOG_ERROR, "what names stand for cannot be used: they have no endpoints "
				    "until that changes");
		return order(d, first);
	}
	snapshot_unref(first);
	return order(d, again);
}
