#include "userspace/upstream/health_checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/upstream/health_stream.h"
#include "userspace/upstream/health_wheel.h"

/* Of those that have begun since one or two times YOUNG_MS no more are under way: answers set the
 * pace, since queues of devices are short, and who is dropped there seems silent. Who is silent for
 * longer holds up nobody. */
enum { YOUNG_MAX = 128, YOUNG_MS = 30 };

struct checked {
	struct health_checker *checker;
	const struct upstream *upstream;
	const struct endpoint *endpoint; /* NULL: this one is not checked */
	struct health_state state;
	struct health_turn turn;
	uint64_t due_ms;
	bool gathered;              /* its first one came soon, as those of all others */
	struct health_probe *probe; /* NULL: none is under way */
	struct snapshot *asked_by;  /* whose rules probe goes by */
	struct checked *next;       /* while it waits for its turn */
	bool waits;
	uint64_t began_ms;
	uint32_t generation; /* of the checker's, in which probe began */
};

struct health_checker {
	struct loop *loop;
	struct health_streams *streams;
	struct health_wheel *wheel;
	struct timer tick;
	uint64_t tick_ms; /* when it rings; 0: it does not */
	struct health_hooks hooks;
	uint32_t random;
	struct snapshot *snapshot;
	struct checked *all; /* by endpoint.index */
	uint32_t count;
	uint32_t under_way;
	uint32_t generation; /* since generation_ms */
	uint64_t generation_ms;
	uint32_t young[2]; /* under way, of this generation and the one before: by its last bit */
	struct timer next_generation;
	bool paused; /* until next_generation */
	struct checked *first_waiting, **last_waiting;
};

/* xorshift: only so that not all are asked at once. */
static uint32_t random_next(struct health_checker *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 17;
	h->random ^= h->random << 5;
	return h->random;
}

static void begin_waiting(struct health_checker *h);

static void tick_start(struct health_checker *h)
{
	uint64_t next_ms = health_wheel_next_ms(h->wheel), now_ms = loop_now_ms(h->loop);

	if (next_ms == h->tick_ms)
		return;
	h->tick_ms = next_ms;
	if (next_ms)
		timer_start(&h->tick, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void plan(struct checked *c, uint64_t after_ms)
{
	uint64_t now_ms = loop_now_ms(c->checker->loop);

	c->due_ms = now_ms + after_ms;
	health_wheel_put(c->checker->wheel, &c->turn, now_ms, after_ms);
	tick_start(c->checker);
}

/* The second one is anywhere in the interval, so that not all come together ever after. */
static void plan_next(struct checked *c)
{
	const struct health *rules = &c->upstream->health;
	uint64_t spent = loop_now_ms(c->checker->loop) - c->began_ms;
	uint32_t pause = health_state_pause_ms(&c->state, rules, random_next(c->checker));

	if (c->gathered)
		pause = (uint32_t)((uint64_t)pause * (random_next(c->checker) >> 8) >> 24);
	c->gathered = false;
	plan(c, spent < pause ? pause - spent : 0);
}

static void take_result(struct checked *c, const struct health_result *result)
{
	struct health_checker *h = c->checker;
	bool first = !c->state.known;

	if (health_state_take(&c->state, &c->upstream->health, result, loop_now_ms(h->loop)) ||
	    first)
		h->hooks.on_change(h->hooks.context, c->upstream, c->endpoint, &c->state);
	plan_next(c);
}

static void count_begin(struct checked *c)
{
	struct health_checker *h = c->checker;

	h->under_way++;
	c->generation = h->generation;
	h->young[c->generation % 2]++;
}

static void count_end(const struct checked *c)
{
	struct health_checker *h = c->checker;

	h->under_way--;
	if (h->generation - c->generation < 2)
		h->young[c->generation % 2]--;
}

static void on_probe_end(void *context, const struct health_result *result)
{
	struct checked *c = context;

	c->probe = NULL;
	snapshot_unref(c->asked_by);
	c->asked_by = NULL;
	count_end(c);
	take_result(c, result);
	begin_waiting(c->checker);
}

static void begin(struct checked *c)
{
	struct health_checker *h = c->checker;
	const struct health *rules = &c->upstream->health;
	struct health_result result = { .layer = HEALTH_WAY };
	struct health_way way = { 0 };
	struct err err = { "" };

	c->began_ms = loop_now_ms(h->loop);
	if (!h->hooks.way(h->hooks.context, c->upstream, c->endpoint, &way, &err)) {
		snprintf(result.detail, sizeof(result.detail), "%.*s", HEALTH_DETAIL_MAX - 1,
			 err.text);
		take_result(c, &result);
		return;
	}
	count_begin(c);
	c->asked_by = snapshot_ref(h->snapshot);
	c->probe = health_probe_begin(h->streams, rules, h->snapshot->probers[c->upstream->index],
				      &way, health_state_wants_full(&c->state, rules), on_probe_end,
				      c);
}

static bool may_begin(struct health_checker *h)
{
	uint64_t now_ms = loop_now_ms(h->loop);

	if (now_ms - h->generation_ms >= YOUNG_MS) {
		h->generation_ms = now_ms;
		h->generation++;
		h->young[h->generation % 2] = 0;
	}
	return h->under_way < HEALTH_PROBES_MAX && h->young[0] + h->young[1] < YOUNG_MAX;
}

static void begin_waiting(struct health_checker *h)
{
	while (h->first_waiting && may_begin(h)) {
		struct checked *c = h->first_waiting;

		h->first_waiting = c->next;
		if (!h->first_waiting)
			h->last_waiting = &h->first_waiting;
		c->waits = false;
		begin(c);
	}
	if (!h->first_waiting || h->paused)
		return;
	h->paused = true;
	timer_start(&h->next_generation, YOUNG_MS);
}

static void on_next_generation(void *context)
{
	struct health_checker *h = context;

	h->paused = false;
	begin_waiting(h);
}

static void on_turn(struct health_turn *turn)
{
	struct checked *c = CONTAINER_OF(turn, struct checked, turn);
	struct health_checker *h = c->checker;

	c->waits = true;
	c->next = NULL;
	*h->last_waiting = c;
	h->last_waiting = &c->next;
	begin_waiting(h);
}

/* The clock of the loop may be some milliseconds behind its timers. */
static void on_tick(void *context)
{
	struct health_checker *h = context;
	uint64_t now_ms = loop_now_ms(h->loop);

	health_wheel_turn(h->wheel, now_ms > h->tick_ms ? now_ms : h->tick_ms, on_turn);
	h->tick_ms = 0;
	tick_start(h);
}

struct health_checker *health_checker_create(struct loop *loop, const struct health_hooks *hooks,
					     uint32_t seed)
{
	struct health_checker *h = must_alloc(sizeof(*h));

	h->loop = loop;
	h->streams = health_streams_create(loop, HEALTH_PROBES_MAX);
	h->wheel = health_wheel_create(loop_now_ms(loop));
	timer_init(&h->tick, loop, on_tick, h);
	timer_init(&h->next_generation, loop, on_next_generation, h);
	h->hooks = *hooks;
	h->random = seed | 1;
	h->last_waiting = &h->first_waiting;
	return h;
}

static void forget_all(struct health_checker *h, struct checked *all, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		health_wheel_remove(&all[i].turn);
		if (all[i].probe)
			count_end(&all[i]);
		health_probe_cancel(all[i].probe);
		snapshot_unref(all[i].asked_by);
	}
	h->first_waiting = NULL;
	h->last_waiting = &h->first_waiting;
	free(all);
}

void health_checker_destroy(struct health_checker *h)
{
	if (!h)
		return;
	forget_all(h, h->all, h->count);
	health_streams_destroy(h->streams);
	timer_stop(&h->tick);
	timer_stop(&h->next_generation);
	health_wheel_destroy(h->wheel);
	snapshot_unref(h->snapshot);
	free(h);
}

static bool is_same(const struct checked *a, const struct upstream *u, const struct endpoint *e)
{
	return a->endpoint && strcmp(a->upstream->name, u->name) == 0 &&
	       a->upstream->health.kind == u->health.kind &&
	       addr_is(&a->endpoint->address, &e->address) &&
	       addr_is_ip(&a->endpoint->host, &e->host) &&
	       (a->endpoint->vpc ? a->endpoint->vpc->vni : 0) == (e->vpc ? e->vpc->vni : 0);
}

/* Of the same upstream, since most of a configuration stays in its order: near its old place. */
static struct checked *find_same(struct checked *all, uint32_t count, const struct upstream *u,
				 const struct endpoint *e)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t far = (i + 1) / 2, at = i % 2 ? e->index + far : e->index + count - far;
		struct checked *c = &all[at % count];

		if (is_same(c, u, e))
			return c;
	}
	return NULL;
}

/* Goes on where it was: names may change more often than a probe lasts. */
static void go_on(struct checked *c, struct checked *same)
{
	uint64_t now_ms = loop_now_ms(c->checker->loop);

	c->began_ms = same->began_ms;
	c->gathered = same->gathered;
	if (!same->probe) {
		plan(c, same->due_ms > now_ms ? same->due_ms - now_ms : 0);
		return;
	}
	c->probe = same->probe;
	c->generation = same->generation;
	c->asked_by = same->asked_by;
	health_probe_pass_on(c->probe, c);
	same->probe = NULL;
	same->asked_by = NULL;
}

static void gather(struct checked *c)
{
	c->gathered = true;
	plan(c, health_state_first_ms(&c->upstream->health, random_next(c->checker)));
}

/* again: by the same rules as before. */
static void add(struct health_checker *h, const struct upstream *u, const struct endpoint *e,
		struct checked *same, bool again)
{
	struct checked *c = &h->all[e->index];

	c->checker = h;
	c->upstream = u;
	c->endpoint = e;
	if (same)
		c->state = same->state;
	if (c->state.known)
		h->hooks.on_change(h->hooks.context, u, e, &c->state);
	if (same && again)
		go_on(c, same);
	else
		gather(c);
}

void health_checker_follow(struct health_checker *h, struct snapshot *snapshot)
{
	const struct model *model = snapshot->model;
	struct snapshot *before = h->snapshot;
	struct checked *old = h->all;
	uint32_t old_count = h->count;

	h->snapshot = snapshot_ref(snapshot);
	h->count = model->endpoint_count;
	h->all = must_alloc(h->count * sizeof(*h->all));
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];

		for (uint32_t k = 0; u->health.kind && k < u->endpoint_count; k++)
			add(h, u, &u->endpoints[k], find_same(old, old_count, u, &u->endpoints[k]),
			    before && !model->read);
	}
	forget_all(h, old, old_count);
	snapshot_unref(before);
}

const struct health_state *health_checker_recall(const struct health_checker *h,
						 const struct upstream *u, const struct endpoint *e)
{
	const struct checked *c = find_same(h->all, h->count, u, e);

	return c && c->state.known ? &c->state : NULL;
}

const struct health_state *health_checker_find(const struct health_checker *h, uint32_t endpoint)
{
	return endpoint < h->count && h->all[endpoint].endpoint ? &h->all[endpoint].state : NULL;
}
