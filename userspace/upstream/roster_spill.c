/* What others bear who are further away: other zones, and upstreams that stand in for one. */
#include <string.h>

#include "userspace/upstream/roster_parts.h"

#define SIDE UINT64_C(0x7a6f6e652d6f776e)

static bool is_own(const struct roster *r, uint32_t place)
{
	const char *own = r->snapshot->model->node.zone;
	const char *its = r->upstream->endpoints[place].zone;

	return own && its && strcmp(own, its) == 0;
}

void roster_spill_count(const struct roster *r, uint32_t place, bool fit, struct census *census)
{
	uint32_t weight;

	if (!r->upstream->own_zone_first || !is_own(r, place))
		return;
	weight = roster_whole_weight(r, place);
	census->own += weight;
	census->own_fit += fit ? weight : 0;
}

/* Whether anybody may be chosen on that side. */
static bool has(const struct roster *r, bool own)
{
	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++)
		if (r->list[i].weight > 0 && is_own(r, i) == own)
			return true;
	return false;
}

/*
 * The own zone bears all while so much of it is fit that, stretched by overprovision, it makes a
 * whole; below that its part, and the rest spills over (as Envoy does with its 1.4).
 */
void roster_spill(struct roster *r, const struct roster_ask *ask, const struct census *census)
{
	bool keyed = ask->keyed || r->upstream->balance == BALANCE_MAGLEV;
	/* Not the bits by which it is chosen whom on that side it is. */
	uint64_t percent, state = (keyed ? ask->hash : ask->random) ^ SIDE;
	bool own;

	if (!r->upstream->own_zone_first || census->own == 0)
		return;
	percent = census->own_fit * r->upstream->overprovision / census->own;
	own = balance_below(&state, 100) < percent;
	if (!has(r, own))
		return; /* all that are left are on the other side */
	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++)
		if (is_own(r, i) != own)
			r->list[i].weight = 0;
}

bool roster_place_is_own(const struct roster *r, uint32_t place)
{
	return is_own(r, place);
}

/* What an upstream bears of its own, in percent: all of it, unless whoever is fit warms up still.
 */
static uint32_t able(const struct roster *r, uint64_t now_ms)
{
	struct breaker_use breaker = roster_breaker(r, now_ms);
	uint32_t most = 0;

	if (!breaker_may(&breaker))
		return 0;
	for (uint32_t i = 0; i < r->upstream->endpoint_count; i++) {
		uint32_t whole = roster_whole_weight(r, i), now;

		if (whole == 0 || roster_is_down(r, i, now_ms) || roster_is_ejected(r, i, now_ms))
			continue;
		if (r->upstream->slow_start_ms == 0)
			return 100;
		now = roster_weight_now(r, i, now_ms) * 100 / (whole * RAMP);
		most = now > most ? now : most > 0 ? most : 1;
	}
	return most;
}

const struct upstream *rosters_fail_over(struct rosters *all, const struct snapshot *snapshot,
					 const struct upstream *upstream, uint64_t now_ms,
					 uint64_t random)
{
	const struct upstream *some = NULL;

	if (!upstream->failover)
		return upstream;
	for (const struct upstream *u = upstream; u; u = u->failover) {
		struct roster *r = roster_take(all, snapshot, u, now_ms);
		uint32_t percent = able(r, now_ms);

		roster_give(all, r);
		if (balance_below(&random, 100) < percent)
			return u;
		some = some ? some : percent > 0 ? u : NULL;
	}
	return some ? some : upstream;
}
