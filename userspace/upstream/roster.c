#include "userspace/upstream/roster.h"
#include "userspace/upstream/roster_parts.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { TABLE = 4096 /* of members, a power of two */ };

struct rosters {
	struct member *table[TABLE];
	struct crowd *crowds[TABLE];
	struct roster **present; /* by upstream.index of snapshot */
	uint32_t count;
	const struct snapshot *snapshot; /* only compared */
	uint64_t apart;                  /* changes names */
};

uint64_t roster_name(const struct upstream *u)
{
	return XXH3_64bits(u->name, strlen(u->name));
}

uint64_t roster_place_name(const struct upstream *u, const struct endpoint *e)
{
	struct {
		uint64_t upstream;
		struct addr address;
		uint32_t vni;
	} id;

	memset(&id, 0, sizeof(id)); /* padding is hashed too */
	id.upstream = roster_name(u);
	id.address = e->address;
	id.vni = e->vpc ? e->vpc->vni : 0;
	return XXH3_64bits(&id, sizeof(id));
}

static struct member *member_take(struct rosters *all, uint64_t name, struct tally *of,
				  uint64_t since_ms)
{
	struct member **at = &all->table[name % TABLE];

	while (*at && (*at)->name != name)
		at = &(*at)->next;
	if (!*at) {
		*at = must_alloc(sizeof(**at));
		(*at)->name = name;
		(*at)->since_ms = since_ms;
		(*at)->tally = tally_take(name ^ all->apart, of);
	}
	(*at)->refs++;
	return *at;
}

static void member_give(struct rosters *all, struct member *m)
{
	struct member **at = &all->table[m->name % TABLE];

	if (--m->refs > 0)
		return;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	shards_give(m->shard);
	tally_give(m->tally);
	free(m);
}

static struct crowd *crowd_take(struct rosters *all, uint64_t name)
{
	struct crowd **at = &all->crowds[name % TABLE];

	while (*at && (*at)->name != name)
		at = &(*at)->next;
	if (!*at) {
		*at = must_alloc(sizeof(**at));
		(*at)->name = name;
		(*at)->tally = tally_take(name ^ all->apart, NULL);
		(*at)->shard = shards_take(&(*at)->tally->shards);
	}
	(*at)->refs++;
	return *at;
}

static void crowd_give(struct rosters *all, struct crowd *c)
{
	struct crowd **at = &all->crowds[c->name % TABLE];

	if (--c->refs > 0)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	shards_give(c->shard);
	tally_give(c->tally);
	free(c);
}

/* since_ms: of endpoints that nobody has seen before. */
static struct roster *roster_create(struct rosters *all, const struct snapshot *snapshot,
				    const struct upstream *upstream, uint64_t since_ms)
{
	struct roster *r = must_alloc(sizeof(*r));

	r->upstream = upstream;
	r->snapshot = snapshot;
	r->refs = 1;
	r->past = snapshot != all->snapshot;
	r->crowd = crowd_take(all, roster_name(upstream));
	r->members = must_alloc((upstream->endpoint_count + 1) * sizeof(r->members[0]));
	r->list = must_alloc(upstream->endpoint_count * sizeof(r->list[0]));
	for (uint32_t i = 0; i < upstream->endpoint_count; i++) {
		struct member *m =
			member_take(all, roster_place_name(upstream, &upstream->endpoints[i]),
				    r->crowd->tally, since_ms);

		if (!m->shard && (upstream->eject.rate > 0 || upstream->eject.slow > 0))
			m->shard = shards_take(&m->tally->shards);
		r->members[i] = m;
	}
	return r;
}

void roster_give(struct rosters *all, struct roster *r)
{
	if (!r || --r->refs > 0)
		return;
	/* The upstream may be gone by now: the last exchange gives its snapshot back before. */
	for (struct member **m = r->members; *m; m++)
		member_give(all, *m);
	crowd_give(all, r->crowd);
	free(r->members);
	free(r->list);
	free(r);
}

void rosters_keep_apart(struct rosters *rosters)
{
	rosters->apart = 0x9e3779b97f4a7c15ull;
}

struct rosters *rosters_create(void)
{
	return must_alloc(sizeof(struct rosters));
}

static void forget(struct rosters *all, struct roster **present, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		present[i]->past = true;
		roster_give(all, present[i]);
	}
	free(present);
}

void rosters_destroy(struct rosters *all)
{
	if (!all)
		return;
	forget(all, all->present, all->count);
	free(all);
}

void rosters_renew(struct rosters *all, const struct snapshot *snapshot, uint64_t now_ms)
{
	struct roster **before = all->present;
	uint32_t count = all->count;
	uint64_t since_ms = before ? now_ms : 0; /* at the start all are as warm as they will be */

	all->count = snapshot->model->upstream_count;
	all->present = must_alloc(all->count * sizeof(all->present[0]));
	all->snapshot = snapshot;
	for (uint32_t i = 0; i < all->count; i++)
		all->present[i] =
			roster_create(all, snapshot, &snapshot->model->upstreams[i], since_ms);
	forget(all, before, count);
}

struct roster *roster_take(struct rosters *all, const struct snapshot *snapshot,
			   const struct upstream *upstream, uint64_t now_ms)
{
	struct roster *r;

	/* A session that began before the last reload. */
	if (snapshot != all->snapshot)
		return roster_create(all, snapshot, upstream, now_ms);
	r = all->present[upstream->index];
	r->refs++;
	return r;
}

bool roster_is_tried(const struct roster_ask *ask, uint32_t place)
{
	for (uint32_t i = 0; i < ask->tried_count; i++)
		if (ask->tried[i] == place)
			return true;
	return false;
}

/* Notices who has come back; the control thread writes what is read here. */
bool roster_is_down(const struct roster *r, uint32_t place, uint64_t now_ms)
{
	const struct endpoint *e = &r->upstream->endpoints[place];
	struct member *m = r->members[place];
	bool down = r->snapshot->down &&
		    atomic_load_explicit(&r->snapshot->down[e->index], memory_order_relaxed);
	bool away = down || r->snapshot->orders[e->index].service != SERVICE_ON;

	if (m->was_away != away && !r->past) {
		standing_turn(&m->tally->standing, away, now_ms);
		m->was_away = away;
	}
	return down;
}

bool roster_is_ejected(const struct roster *r, uint32_t place, uint64_t now_ms)
{
	return court_has_away(r->crowd->tally->court, now_ms) &&
	       now_ms < standing_until_ms(&r->members[place]->tally->standing);
}

/* Of what is new; before it warms up. */
uint32_t roster_whole_weight(const struct roster *r, uint32_t place)
{
	return snapshot_weight(r->snapshot, &r->upstream->endpoints[place]);
}

/* Its share of what is new, while it warms up: after it was away, or left alone by all workers. */
uint32_t roster_weight_now(const struct roster *r, uint32_t place, uint64_t now_ms)
{
	const struct member *m = r->members[place];
	uint64_t whole_ms = r->upstream->slow_start_ms, since_ms, gone_ms;
	uint32_t weight = roster_whole_weight(r, place);

	if (whole_ms == 0)
		return weight;
	since_ms = standing_fit_ms(&m->tally->standing);
	since_ms = since_ms > m->since_ms ? since_ms : m->since_ms;
	gone_ms = now_ms - since_ms; /* beyond all where it is asked though it is left alone */
	if (since_ms == 0 || gone_ms >= whole_ms)
		return weight * RAMP;
	return weight * (uint32_t)(1 + gone_ms * (RAMP - 1) / whole_ms);
}

/* In all workers; a connection that is at hand here is none that would come to the others. */
static bool is_full(const struct roster *r, const struct roster_ask *ask, uint32_t place)
{
	const struct endpoint *e = &r->upstream->endpoints[place];
	struct tally *t = r->members[place]->tally;

	if (e->max_requests > 0 &&
	    atomic_load_explicit(&t->active, memory_order_relaxed) >= e->max_requests)
		return true;
	return e->max_connections > 0 &&
	       atomic_load_explicit(&t->connections, memory_order_relaxed) >= e->max_connections &&
	       !(ask->has_idle && ask->has_idle(ask->context, place));
}

/* any: also those that seem unfit. Only of that priority. */
static struct census fill(struct roster *r, const struct roster_ask *ask, uint32_t priority,
			  bool any)
{
	const struct upstream *u = r->upstream;
	struct census got = { 0 };

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		bool fit =
			!roster_is_down(r, i, ask->now_ms) && !roster_is_ejected(r, i, ask->now_ms);
		struct member *m = r->members[i];

		r->list[i] = (struct candidate){ .active = m->active, .credit = m->credit };
		if (u->endpoints[i].priority != priority)
			continue;
		if (roster_whole_weight(r, i) == 0) {
			roster_unfit_note(ask->unfit, i, UNFIT_UNWANTED);
			continue;
		}
		got.all++;
		got.sound += fit;
		roster_spill_count(r, i, fit || any, &got);
		if (!fit)
			roster_unfit_ask(r, ask, i);
		if (roster_is_tried(ask, i) || !(fit || any))
			continue;
		got.left++;
		if (is_full(r, ask, i)) {
			roster_unfit_note(ask->unfit, i, UNFIT_FULL);
			got.full++;
		} else {
			r->list[i].weight = roster_weight_now(r, i, ask->now_ms);
		}
	}
	return got;
}

static uint32_t next_priority(const struct upstream *u, uint32_t from)
{
	uint32_t next = UINT32_MAX;

	for (uint32_t i = 0; i < u->endpoint_count; i++)
		if (u->endpoints[i].priority >= from && u->endpoints[i].priority < next)
			next = u->endpoints[i].priority;
	return next;
}

/* By the list as it is filled. */
static bool choose(struct roster *r, const struct roster_ask *ask, uint32_t *out_place)
{
	const struct upstream *u = r->upstream;
	struct balancing b = { .list = r->list,
			       .count = u->endpoint_count,
			       .random = ask->random,
			       .hash = ask->hash };
	uint32_t place;

	if (r->snapshot->rings && r->snapshot->rings[u->index].slots) {
		b.ring = r->snapshot->rings[u->index].places;
		b.slots = r->snapshot->rings[u->index].slots;
	}
	place = balance_kinds[ask->keyed && b.ring ? BALANCE_MAGLEV : u->balance]->pick(&b);
	if (place == BALANCE_NOBODY)
		return false;
	for (uint32_t i = 0; i < u->endpoint_count && !ask->look; i++)
		r->members[i]->credit = r->list[i].credit;
	*out_place = place;
	return true;
}

/* The first priority that has anybody. */
static enum roster_answer pick_among(struct roster *r, const struct roster_ask *ask, bool any,
				     uint32_t *out_place)
{
	uint32_t all = 0, sound = 0, full = 0, p = next_priority(r->upstream, 0);

	for (; p != UINT32_MAX; p = next_priority(r->upstream, p + 1)) {
		struct census got = fill(r, ask, p, any);

		if ((uint64_t)got.sound * 100 < (uint64_t)got.all * r->upstream->panic && !any) {
			roster_unfit_any(ask->unfit);
			got = fill(r, ask, p, true);
		}
		roster_spill(r, ask, &got);
		if (got.left > got.full && choose(r, ask, out_place))
			return ROSTER_FOUND;
		all += got.all;
		sound += got.sound;
		full += got.full;
	}
	if (full > 0)
		return ROSTER_FULL;
	return all > 0 && sound == 0 ? ROSTER_UNFIT : ROSTER_EMPTY;
}

/* Who had the client before: neither weight nor priority counts, as they are for what is new. */
static bool keep(const struct roster *r, const struct roster_ask *ask, bool any,
		 uint32_t *out_place)
{
	uint32_t at = ask->kept;
	enum unfit_cause cause;

	if (!ask->keeps || at >= r->upstream->endpoint_count || roster_is_tried(ask, at))
		return false;
	if (r->snapshot->orders[r->upstream->endpoints[at].index].service == SERVICE_OFF)
		cause = UNFIT_UNWANTED;
	else if (is_full(r, ask, at))
		cause = UNFIT_FULL;
	else if (!any && roster_is_down(r, at, ask->now_ms))
		cause = UNFIT_DOWN;
	else if (!any && roster_is_ejected(r, at, ask->now_ms))
		cause = UNFIT_EJECTED;
	else {
		*out_place = at;
		return true;
	}
	roster_unfit_note(ask->unfit, at, cause);
	return false;
}

enum roster_answer roster_pick(struct roster *r, const struct roster_ask *ask, uint32_t *out_place)
{
	enum roster_answer got;

	if (ask->unfit)
		*ask->unfit = (struct roster_unfit){ 0 };
	if (keep(r, ask, false, out_place))
		return ROSTER_FOUND;
	got = pick_among(r, ask, false, out_place);
	if (got != ROSTER_UNFIT || r->upstream->fail_closed)
		return got;
	roster_unfit_any(ask->unfit);
	return keep(r, ask, true, out_place) ? ROSTER_FOUND : pick_among(r, ask, true, out_place);
}

bool roster_enter(struct roster *r, uint32_t place)
{
	uint32_t most = r->upstream->endpoints[place].max_requests;

	if (most > 0 && !tally_enter(&r->members[place]->tally->active, most))
		return false;
	r->members[place]->active++;
	shard_add(&r->crowd->shard->active, 1);
	return true;
}

void roster_leave(struct roster *r, uint32_t place)
{
	MUST(r->members[place]->active > 0);
	if (r->upstream->endpoints[place].max_requests > 0)
		tally_leave(&r->members[place]->tally->active);
	r->members[place]->active--;
	shard_add(&r->crowd->shard->active, UINT32_MAX);
}

void roster_pending(struct roster *r, bool more)
{
	shard_add(&r->crowd->shard->pending, more ? 1 : UINT32_MAX);
}

/* How many may be in a retry now. */
static uint32_t retries_most(const struct roster *r, uint32_t percent, uint32_t least)
{
	uint64_t share = (uint64_t)shards_sum(&r->crowd->tally->shards).active * percent / 100;

	return share > least ? (uint32_t)share : least;
}

bool roster_may_retry(const struct roster *r, uint32_t percent, uint32_t least)
{
	return atomic_load(&r->crowd->tally->retrying) <= retries_most(r, percent, least);
}

bool roster_retry_begin(struct roster *r, uint32_t percent, uint32_t least)
{
	atomic_uint *retrying = &r->crowd->tally->retrying;
	uint32_t most = retries_most(r, percent, least), now = atomic_load(retrying);

	do
		if (now >= most)
			return false;
	while (!atomic_compare_exchange_weak(retrying, &now, now + 1));
	return true;
}

void roster_retry_end(struct roster *r)
{
	tally_leave(&r->crowd->tally->retrying);
}

struct tally *roster_tally(const struct roster *r)
{
	return r->crowd->tally;
}

struct breaker_use roster_breaker(const struct roster *r, uint64_t now_ms)
{
	struct tally *t = r->crowd->tally;

	return (struct breaker_use){ &t->court->breaker,
				     &r->upstream->breaker,
				     &t->shards,
				     r->crowd->shard,
				     now_ms,
				     now_ms };
}

struct tally *roster_place_tally(const struct roster *r, uint32_t place)
{
	return r->members[place]->tally;
}

struct roster_state roster_look(struct roster *r, uint32_t place, const struct roster_ask *ask)
{
	uint64_t now_ms = ask->now_ms;
	const struct member *m = r->members[place];
	uint64_t until_ms = standing_until_ms(&m->tally->standing);
	uint32_t weight = roster_whole_weight(r, place);
	struct roster_state state = {
		.down = roster_is_down(r, place, now_ms),
		.full = is_full(r, ask, place),
		.active = m->active,
		.failures = standing_failures(&m->tally->standing),
		.percent = 100,
		.order = r->snapshot->orders[r->upstream->endpoints[place].index]
	};

	state.lent = !state.full && is_full(r, &(struct roster_ask){ 0 }, place);
	if (now_ms < until_ms)
		state.ejected_ms = until_ms - now_ms;
	if (weight > 0 && r->upstream->slow_start_ms > 0)
		state.percent = roster_weight_now(r, place, now_ms) * 100 / (weight * RAMP);
	return state;
}
