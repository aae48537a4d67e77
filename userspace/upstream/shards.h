/*
 * shards.h - counts that each worker keeps for itself, and anybody may add up.
 *
 * A shard is written by the worker alone that has taken it, and fills a line of memory: counting
 * costs no more than in memory of its own. Sums are of a moment, give or take what is being
 * counted just then. Who counts has no lock, nor has who adds up.
 */
#pragma once
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SHARD_BYTES = 64 /* a line of memory */ };

struct shard {
	alignas(SHARD_BYTES) atomic_uint active; /* exchanges with endpoints, now */
	atomic_uint pending;                     /* without a connection yet, now */
	/* What came of them, since there is such a shard. All of these wrap. */
	atomic_uint tried, failed, answered;
	atomic_uint_fast64_t answered_ms; /* took all of these together */
	atomic_bool taken;
	struct shard *next;
};

/* All zero: none. Shards stay where they are until the end: who adds up needs no lock. */
struct shards {
	_Atomic(struct shard *) first;
};

struct counts {
	uint32_t active, pending, tried, failed, answered;
	uint64_t answered_ms;
};

/* What others have counted there before stays; as many as there were takers at once. */
struct shard *shards_take(struct shards *all);
void shards_give(struct shard *shard); /* accepts NULL */
void shards_fini(struct shards *all);  /* all were given back */

struct counts shards_sum(const struct shards *all);
/* What came of them since then; what is under way now is not in it. */
struct counts counts_since(const struct counts *now, const struct counts *then);

/* By who has it, so that no locked instruction is needed. */
static inline void shard_add(atomic_uint *count, uint32_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void shard_add_ms(atomic_uint_fast64_t *count, uint64_t ms)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + ms,
			      memory_order_relaxed);
}
