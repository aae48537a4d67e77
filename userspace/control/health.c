#include "userspace/control/health.h"

#include <jansson.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/health_way.h"
#include "userspace/upstream/health_checker.h"
#include "userspace/upstream/upstream_state.h"

struct health_watch {
	struct loop *loop;
	struct fast_path *fast_path;
	struct snapshot *snapshot; /* NULL: none yet */
	struct health_checker *checker;
};

static bool find_way(void *context, const struct upstream *u, const struct endpoint *e,
		     struct health_way *out_way, struct err *err)
{
	struct health_watch *w = context;

	return health_way_find(w->fast_path, w->snapshot, u, e, out_way, err);
}

static void say_change(const struct upstream *u, const struct endpoint *e,
		       const struct health_state *state)
{
	struct addr_text at = addr_print(&e->address);
	const char *in = e->vpc ? " in vpc " : "", *vpc = e->vpc ? e->vpc->name : "";

	if (state->down)
		log_line(LOG_WARNING, "upstream %s: endpoint %s%s%s is down (%s): %s", u->name,
			 at.text, in, vpc, health_layer_names[state->last.layer],
			 state->last.detail);
	else if (state->probes > 1) /* as it was taken to be */
		log_line(LOG_NOTICE, "upstream %s: endpoint %s%s%s is up", u->name, at.text, in,
			 vpc);
}

/* On the fast path: by what was found, or as an operator wants it. */
static void drain(const struct health_watch *w, const struct upstream *u, const struct endpoint *e,
		  bool down)
{
	if (health_way_listener(w->fast_path, w->snapshot, u))
		fast_path_drain(w->fast_path, e, down || snapshot_is_away(w->snapshot, e));
}

/* Before workers see that it is back. */
static void turn(const struct health_watch *w, const struct upstream *u, const struct endpoint *e,
		 bool down)
{
	if (u->slow_start_ms > 0)
		upstream_state_turn(u, e,
				    down || w->snapshot->orders[e->index].service != SERVICE_ON,
				    loop_now_ms(w->loop));
}

static void on_change(void *context, const struct upstream *u, const struct endpoint *e,
		      const struct health_state *state)
{
	struct health_watch *w = context;

	if (state->since_ms == loop_now_ms(w->loop)) /* else it is only said again */
		say_change(u, e, state);
	turn(w, u, e, state->down);
	atomic_store_explicit(&w->snapshot->down[e->index], state->down, memory_order_relaxed);
	drain(w, u, e, state->down);
}

struct health_watch *health_watch_create(struct loop *loop, struct fast_path *fast_path)
{
	struct health_watch *w = must_alloc(sizeof(*w));
	struct health_hooks hooks = { find_way, on_change, w };

	w->loop = loop;
	w->fast_path = fast_path;
	w->checker = health_checker_create(loop, &hooks, (uint32_t)clock_ns(CLOCK_MONOTONIC));
	return w;
}

void health_watch_destroy(struct health_watch *w)
{
	if (!w)
		return;
	health_checker_destroy(w->checker);
	snapshot_unref(w->snapshot);
	free(w);
}

/* Who is not checked is fit; who will be stays what the process before has found. */
static void drain_all(const struct health_watch *w, const struct upstream *u)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];
		const struct health_state *state = health_checker_find(w->checker, e->index);

		if (!state || state->known || snapshot_is_away(w->snapshot, e))
			drain(w, u, e, state && state->down);
	}
}

/* Other orders: who is put back into service. */
static void turn_all(const struct health_watch *w, const struct upstream *u)
{
	const atomic_bool *down = w->snapshot->down;

	for (uint32_t i = 0; u->slow_start_ms > 0 && i < u->endpoint_count; i++)
		turn(w, u, &u->endpoints[i],
		     atomic_load_explicit(&down[u->endpoints[i].index], memory_order_relaxed));
}

void health_watch_foretell(const struct health_watch *w, struct snapshot *snapshot)
{
	const struct model *model = snapshot->model;

	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];

		for (uint32_t k = 0; u->health.kind && k < u->endpoint_count; k++) {
			const struct endpoint *e = &u->endpoints[k];
			const struct health_state *known = health_checker_recall(w->checker, u, e);

			atomic_store_explicit(&snapshot->down[e->index], known && known->down,
					      memory_order_relaxed);
		}
	}
}

void health_watch_follow(struct health_watch *w, struct snapshot *snapshot)
{
	struct snapshot *before = w->snapshot;

	w->snapshot = snapshot_ref(snapshot);
	/* Other orders alone are no reason to begin to check anew. */
	if (!before || before->model != snapshot->model)
		health_checker_follow(w->checker, snapshot);
	for (uint32_t i = 0; i < snapshot->model->upstream_count; i++) {
		drain_all(w, &snapshot->model->upstreams[i]);
		turn_all(w, &snapshot->model->upstreams[i]);
	}
	snapshot_unref(before);
}

static json_t *state_of(const struct health_watch *w, const struct upstream *u,
			const struct endpoint *e, const struct health_state *state)
{
	json_t *one = json_object();
	uint64_t now_ms = loop_now_ms(w->loop);

	json_object_set_new(one, "upstream", json_string(u->name));
	json_object_set_new(one, "endpoint", json_string(addr_print(&e->address).text));
	json_object_set_new(one, "vpc", e->vpc ? json_string(e->vpc->name) : json_null());
	json_object_set_new(one, "state",
			    json_string(!state->known ? "unknown"
					: state->down ? "down"
						      : "up"));
	json_object_set_new(one, "for_ms",
			    state->known ? json_integer((json_int_t)(now_ms - state->since_ms))
					 : json_null());
	json_object_set_new(one, "layer",
			    state->known ? json_string(health_layer_names[state->last.layer])
					 : json_null());
	json_object_set_new(one, "detail", json_string(state->last.detail));
	json_object_set_new(one, "took_ms", json_integer(state->last.took_ms));
	json_object_set_new(one, "probes", json_integer((json_int_t)state->probes));
	json_object_set_new(one, "flaps", json_integer(state->flaps));
	json_object_set_new(one, "failures", json_integer((json_int_t)state->failures));
	return one;
}

char *health_watch_print(const struct health_watch *w)
{
	json_t *all = json_array();
	char *text;

	for (uint32_t i = 0; w->snapshot && i < w->snapshot->model->upstream_count; i++) {
		const struct upstream *u = &w->snapshot->model->upstreams[i];

		for (uint32_t k = 0; k < u->endpoint_count; k++) {
			const struct endpoint *e = &u->endpoints[k];
			const struct health_state *state =
				health_checker_find(w->checker, e->index);

			if (state)
				json_array_append_new(all, state_of(w, u, e, state));
		}
	}
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
}
