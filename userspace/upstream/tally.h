/*
 * tally.h - what all workers of this process have under way with one endpoint, or one upstream, and
 * what they hold against it.
 *
 * Found by name, so it outlives snapshots; another process begins anew. Any thread; the counts need
 * no lock, finding and forgetting does.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/upstream/standing.h"

struct tally {
	/* Workers write these all the time: */
	atomic_uint active;         /* exchanges; of endpoints only where they are limited */
	atomic_uint connections;    /* of an endpoint: those that are open, idle ones too */
	atomic_uint pending;        /* of an upstream: without a connection yet; where limited */
	atomic_uint waiting;        /* of an upstream: exchanges in the lines of all workers */
	atomic_uint picky;          /* of those: who cannot use every place */
	atomic_uint turn;           /* the worker that was called last */
	atomic_uint_fast64_t lines; /* bits of the workers that have some waiting */
	atomic_uint refs;
	atomic_uint retrying; /* of an upstream: exchanges */
	uint64_t name;
	struct tally *of; /* of an endpoint: its upstream's */
	struct tally *next;
	/* And these hardly ever: */
	alignas(SHARD_BYTES) struct shards shards; /* what each worker counts for itself */
	struct standing standing;                  /* an endpoint's */
	struct court *court; /* an upstream's, where it is judged; else NULL */
};

/* The one of that name; made where there is none. of: NULL, or whose part it is. */
struct tally *tally_take(uint64_t name, struct tally *of);
struct tally *tally_ref(struct tally *tally); /* by who has one */
void tally_give(struct tally *tally);         /* accepts NULL */

/* One more, or false where there are that many; most 0: any. */
bool tally_enter(atomic_uint *count, uint32_t most);
void tally_leave(atomic_uint *count);
