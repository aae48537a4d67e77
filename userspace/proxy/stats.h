/*
 * stats.h - what a worker counts. Each worker writes its own, any thread may add them up.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "userspace/splice/splice_reason.h"

/* A table: */
/* clang-format off */
#define STAT_LIST(X) \
	X(sessions_opened) \
	X(sessions_closed) \
	X(exchanges) \
	X(replies_own) \
	X(bytes_in) \
	X(bytes_out) \
	X(asked) \
	X(upstream_connects) \
	X(upstream_connect_errors) \
	X(upstream_reused) \
	X(endpoints_ejected) \
	X(persistence_kept) \
	X(persistence_moved) \
	X(persistence_foreign) \
	X(persistence_given) \
	X(endpoints_ejected_rate) \
	X(endpoints_ejected_slow) \
	X(breaker_opened) \
	X(breaker_closed) \
	X(breaker_refused) \
	X(failovers) \
	X(zone_own) \
	X(zone_other) \
	X(retries) \
	X(retries_queued) \
	X(retries_refused_attempts) \
	X(retries_refused_method) \
	X(retries_refused_body) \
	X(retries_refused_budget) \
	X(retries_refused_nobody) \
	X(queued) \
	X(queue_served) \
	X(queue_full) \
	X(queue_timeouts) \
	X(queue_left) \
	X(limited_body) \
	X(limited_requests) \
	X(limited_source_requests) \
	X(limited_rate) \
	X(limited_source_rate) \
	X(timeouts) \
	X(slow_clients) \
	X(slow_endpoints) \
	X(bad_requests) \
	X(bad_responses) \
	X(tunnels) \
	X(bodies_spliced) \
	X(bytes_spliced) \
	X(accept_errors) \
	X(sessions_shed) \
	X(requests_shed) \
	X(accept_waits) \
	X(sessions_over_source) \
	X(handshakes) \
	X(handshake_steps_aside) \
	X(handshakes_failed)
/* clang-format on */

struct stats {
#define X(name) atomic_uint_fast64_t name;
	STAT_LIST(X)
#undef X
	atomic_uint_fast64_t splice[SPLICE_REASONS];
};

/* Only the owning thread writes, so no locked instruction is needed. */
static inline void stat_add(atomic_uint_fast64_t *stat, uint64_t n)
{
	atomic_store_explicit(stat, atomic_load_explicit(stat, memory_order_relaxed) + n,
			      memory_order_relaxed);
}
