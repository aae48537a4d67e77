/*
 * stats.h - what a worker counts. Each worker writes its own, any thread may add them up.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

/* Why a session was not spliced, or how it was; X(name, text in log and metrics). */
#define SPLICE_REASON_LIST(X)                                                                      \
	X(NONE, "")                                                                                \
	X(DONE, "spliced")                                                                         \
	X(NOT_A_TUNNEL, "the exchange stays HTTP")                                                 \
	X(OFF, "switched off by configuration")                                                    \
	X(NO_DATAPLANE, "no device has the fast path")                                             \
	X(NO_QUERY, "socket state cannot be read")                                                 \
	X(TIMESTAMPS, "timestamps on one leg only")                                                \
	X(ECN, "ECN is in use")                                                                    \
	X(OUT_OF_ORDER, "segments out of order were waiting")                                      \
	X(MSS, "segment sizes differ")                                                             \
	X(FAMILY, "address families differ")                                                       \
	X(FINISHED, "one end had finished")                                                        \
	X(NO_PORT, "no reserved source port was free")                                             \
	X(NO_SLOT, "the table of splices is full")                                                 \
	X(UNRESOLVED, "a next hop is not resolved")                                                \
	X(OFF_PATH, "an end is not behind a device with the fast path")                            \
	X(COUNT_MISMATCH, "byte counts and sequence numbers disagree")                             \
	X(SYSTEM, "a system call failed")

enum splice_reason {
#define X(name, text) SPLICE_REASON_##name,
	SPLICE_REASON_LIST(X)
#undef X
		SPLICE_REASONS
};

extern const char *const splice_reason_names[SPLICE_REASONS]; /* lower case, as in metrics */
extern const char *const splice_reason_texts[SPLICE_REASONS];

#define STAT_LIST(X)                                                                               \
	X(sessions_opened) X(sessions_closed) X(exchanges) X(replies_own) X(bytes_in) X(bytes_out) \
	X(upstream_connects) X(upstream_connect_errors) X(upstream_reused) X(timeouts)             \
	X(bad_requests) X(bad_responses) X(tunnels) X(accept_errors) X(sessions_shed)

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
