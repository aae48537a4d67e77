#include "userspace/upstream/upstream_state.h"

#include "userspace/upstream/roster_parts.h"

struct upstream_state upstream_state_of(const struct upstream *u, uint64_t now_ms)
{
	struct tally *t = tally_take(roster_name(u), NULL);
	struct breaker_use use = {
		&t->court->breaker, &u->breaker, &t->shards, NULL, now_ms, now_ms
	};
	struct counts counts = shards_sum(&t->shards);
	struct upstream_state state = { .breaker = breaker_look(&use),
					.breaker_left_ms = breaker_left_ms(use.of, now_ms),
					.active = counts.active,
					.pending = counts.pending,
					.waiting = atomic_load(&t->waiting),
					.retrying = atomic_load(&t->retrying),
					.has_ejected = court_has_away(t->court, now_ms) };

	if (state.breaker != BREAKER_OPEN)
		state.breaker_left_ms = 0;
	tally_give(t);
	return state;
}

uint64_t upstream_state_ejected_ms(const struct upstream *u, const struct endpoint *e,
				   uint64_t now_ms)
{
	struct tally *of = tally_take(roster_name(u), NULL);
	struct tally *t = tally_take(roster_place_name(u, e), of);
	uint64_t until_ms = standing_until_ms(&t->standing);

	tally_give(t);
	tally_give(of);
	return now_ms < until_ms ? until_ms - now_ms : 0;
}

void upstream_state_turn(const struct upstream *u, const struct endpoint *e, bool away,
			 uint64_t now_ms)
{
	struct tally *of = tally_take(roster_name(u), NULL);
	struct tally *t = tally_take(roster_place_name(u, e), of);

	standing_turn(&t->standing, away, now_ms);
	tally_give(t);
	tally_give(of);
}
