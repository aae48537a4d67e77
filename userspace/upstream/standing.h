/*
 * standing.h - how an endpoint stands with all workers of this process, and where that is judged.
 *
 * Good results, and asking whether an endpoint is left alone, cost loads of memory that hardly ever
 * changes. Failures in a row are counted without a lock; who ejects, or compares endpoints when a
 * window is over, has the court's. Who is to be ejected is roster_eject.c's to say. Any thread;
 * time comes as an argument, and the clocks of threads may differ a little.
 */
#pragma once
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/upstream/breaker.h"
#include "userspace/upstream/shards.h"

/* Of an endpoint. All zero: nothing is held against it. */
struct standing {
	atomic_uint_fast64_t until_ms; /* it is left alone; 0: never was */
	atomic_uint_fast64_t fit_ms;   /* since when it serves again; 0: always did */
	atomic_bool away;              /* down, or not to serve, as who looked last saw it */
	atomic_uint_fast64_t row;      /* failures in a row; above, how often it was ejected */
	/* Under the court's lock: */
	uint32_t ejections;   /* that each lasted longer than the one before */
	struct counts then;   /* what was counted when the window began */
	struct counts window; /* in the last one that is over */
};

/* Of an upstream. */
struct court {
	atomic_uint_fast64_t away_until_ms; /* by then all that were ejected are back */
	atomic_uint_fast64_t window_ms;     /* since when results are compared */
	struct breaker breaker;
	alignas(SHARD_BYTES) pthread_mutex_t lock;
	/* Under it: */
	bool compares;     /* a window is over, and its endpoints are looked at: */
	uint32_t looked;   /* so many, so far */
	struct counts all; /* together, in the window that is over */
};

struct court *court_create(void);        /* aborts without memory */
void court_destroy(struct court *court); /* accepts NULL */

/* One more, that was sent there then. How many failed in a row; 0 where it was left alone since:
 * what was under way by then is not held against it, however late it fails. */
uint32_t standing_failed(struct standing *s, uint64_t sent_ms);
void standing_served(struct standing *s);
uint32_t standing_failures(const struct standing *s);
/* By who notices a change; of all who notice that it is back, the first counts. */
void standing_turn(struct standing *s, bool away, uint64_t now_ms);
/* Since when it warms up, after whatever it was; 0: it need not. */
uint64_t standing_fit_ms(const struct standing *s);

/* Under the lock. Longer each time, the first so long. */
void court_eject(struct court *court, struct standing *s, uint64_t now_ms, uint64_t time_ms);

static inline bool court_has_away(const struct court *court, uint64_t now_ms)
{
	return now_ms < atomic_load_explicit(&court->away_until_ms, memory_order_relaxed);
}

static inline uint64_t standing_until_ms(const struct standing *s)
{
	return atomic_load_explicit(&s->until_ms, memory_order_relaxed);
}
