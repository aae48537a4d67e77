#include "userspace/upstream/health_state.h"

enum {
	FULL_EVERY = 10, /* rounds: ways change seldom, and each is a large packet */
	FIRST_MS_MAX = 1000,
	SPREAD_PERCENT = 10,
	FLAPS_MAX = 6
};

const char *const health_layer_names[HEALTH_LAYERS] = {
	[HEALTH_OK] = "ok",         [HEALTH_WAY] = "way",   [HEALTH_HOST] = "host",
	[HEALTH_TUNNEL] = "tunnel", [HEALTH_PORT] = "port", [HEALTH_ANSWER] = "answer",
	[HEALTH_MTU] = "mtu",
};

uint32_t health_state_rise(const struct health_state *state, const struct health *rules)
{
	return rules->rise << state->flaps;
}

/* It was up and is about to be down: since since_ms. */
static void count_flap(struct health_state *state, const struct health *rules, uint64_t now_ms)
{
	if (!rules->damping_ms || now_ms - state->since_ms >= rules->damping_ms)
		state->flaps = 0;
	else if (state->came_back && state->flaps < FLAPS_MAX)
		state->flaps++;
}

bool health_state_take(struct health_state *state, const struct health *rules,
		       const struct health_result *result, uint64_t now_ms)
{
	bool failed = result->layer != HEALTH_OK, first = !state->known;

	state->last = *result;
	state->probes++;
	state->failures += failed;
	state->known = true;
	if (first)
		state->since_ms = now_ms;
	if (failed == state->down) {
		state->streak = 0;
		return false;
	}
	state->streak++;
	if (!first && state->streak < (failed ? rules->fall : health_state_rise(state, rules)))
		return false;
	if (failed && !first)
		count_flap(state, rules, now_ms);
	state->streak = 0;
	state->came_back = !failed && !first;
	state->down = failed;
	state->since_ms = now_ms;
	return true;
}

bool health_state_wants_full(const struct health_state *state, const struct health *rules)
{
	return rules->mtu && (state->last.layer == HEALTH_MTU || state->probes % FULL_EVERY == 0);
}

uint32_t health_state_pause_ms(const struct health_state *state, const struct health *rules,
			       uint32_t random)
{
	bool fast = state->streak && rules->fast_interval_ms;
	uint32_t interval_ms = fast ? rules->fast_interval_ms : rules->interval_ms;
	uint64_t spread = (uint64_t)interval_ms * SPREAD_PERCENT / 100;

	return interval_ms - (uint32_t)(spread * (random >> 8) >> 24);
}

uint32_t health_state_first_ms(const struct health *rules, uint32_t random)
{
	uint64_t most = rules->interval_ms < FIRST_MS_MAX ? rules->interval_ms : FIRST_MS_MAX;

	return (uint32_t)(most * (random >> 8) >> 24);
}

static enum health_step done(enum health_layer layer, enum health_layer *out_layer)
{
	*out_layer = layer;
	return HEALTH_STEP_DONE;
}

static enum health_step after_main(enum health_outcome outcome, bool tunnel, bool wants_full,
				   enum health_layer *out_layer)
{
	switch (outcome) {
	case HEALTH_ANSWERED:
		return tunnel && wants_full ? HEALTH_STEP_FULL : done(HEALTH_OK, out_layer);
	case HEALTH_REFUSED:
		return done(HEALTH_PORT, out_layer);
	case HEALTH_WRONG:
		return done(HEALTH_ANSWER, out_layer);
	default:
		return tunnel ? HEALTH_STEP_INNER : HEALTH_STEP_OUTER;
	}
}

enum health_step health_step_after(enum health_step step, enum health_outcome outcome, bool tunnel,
				   bool wants_full, enum health_layer *out_layer)
{
	bool answered = outcome == HEALTH_ANSWERED;

	switch (step) {
	case HEALTH_STEP_MAIN:
		return after_main(outcome, tunnel, wants_full, out_layer);
	case HEALTH_STEP_FULL:
		return answered ? done(HEALTH_OK, out_layer) : HEALTH_STEP_SMALL;
	case HEALTH_STEP_SMALL: /* who answers no echo at all is not asked about sizes */
		return done(answered ? HEALTH_MTU : HEALTH_OK, out_layer);
	case HEALTH_STEP_INNER:
		return answered ? done(HEALTH_PORT, out_layer) : HEALTH_STEP_OUTER;
	default:
		return done(!answered ? HEALTH_HOST
			    : tunnel  ? HEALTH_TUNNEL
				      : HEALTH_PORT,
			    out_layer);
	}
}
