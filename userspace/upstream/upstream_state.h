/*
 * upstream_state.h - what all workers have under way with an upstream, and how it stands with them.
 *
 * For who is no worker: any thread. Of a moment; numbers of several workers may not quite agree.
 */
#pragma once
#include "userspace/upstream/breaker.h"
#include "userspace/upstream/tally.h"

struct upstream_state {
	enum breaker_state breaker;
	uint64_t breaker_left_ms; /* while it is open */
	uint32_t active;          /* exchanges and tunnels with its endpoints */
	uint32_t pending;         /* requests without a connection yet */
	uint32_t waiting;         /* in line */
	uint32_t retrying;
	bool has_ejected; /* perhaps: else nobody is */
};

struct upstream_state upstream_state_of(const struct upstream *upstream, uint64_t now_ms);
/* How long the endpoint is left alone still; 0: it is not. */
uint64_t upstream_state_ejected_ms(const struct upstream *upstream, const struct endpoint *endpoint,
				   uint64_t now_ms);
/* That it is away, or back: workers notice only while somebody asks them for the upstream, and who
 * comes back unnoticed would not warm up. */
void upstream_state_turn(const struct upstream *upstream, const struct endpoint *endpoint,
			 bool away, uint64_t now_ms);
