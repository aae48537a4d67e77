/*
 * breaker.h - whether an upstream as a whole is worth asking: the judgement of all workers.
 *
 * Closed, all may pass. Where too great a share of what was tried in a window has failed, it opens,
 * and nobody is asked for a while. Then a few are let through one by one on trial: once so many
 * have gone well in a row it closes, and one that fails opens it for twice as long.
 *
 * Any thread; time comes as an argument, and the clocks of threads may differ a little. While it is
 * closed, good results are counted in the worker's own shard; while it is open, who is refused only
 * reads. A lock is for what is rare: failures that may be enough, ends of windows, and trials.
 */
#pragma once
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/model.h"
#include "userspace/upstream/shards.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	atomic_uint state;                   /* enum breaker_state */
	atomic_uint trials;                  /* under way */
	atomic_uint_fast64_t since_ms;       /* of a window, while it is closed */
	atomic_uint_fast64_t closed_ms;      /* the last time; 0: never */
	atomic_uint_fast64_t until_ms;       /* while it is open */
	atomic_uint then_tried, then_failed; /* what was counted when the window began */
	alignas(SHARD_BYTES) pthread_mutex_t lock;
	/* Under it: */
	uint32_t openings; /* that each lasted longer than the one before */
	uint32_t good;     /* trials that went well, in a row */
};

enum breaker_pass { BREAKER_PASS, BREAKER_TRIAL, BREAKER_REFUSED };
enum breaker_change { BREAKER_STAYS, BREAKER_OPENS, BREAKER_CLOSES };

/* Closed. Aborts without memory, at start only. */
void breaker_init(struct breaker *b);
void breaker_fini(struct breaker *b);

/* A worker at a breaker, now. */
struct breaker_use {
	struct breaker *of;
	const struct breaker_rules *rules;
	const struct shards *all;
	struct shard *own; /* of all */
	uint64_t now_ms;
	uint64_t sent_ms; /* when what is noted was sent */
};

/* Whether breaker_ask would let one pass now. */
bool breaker_may(const struct breaker_use *use);
/* One more wants to pass. BREAKER_TRIAL: breaker_note or breaker_drop says what came of it. */
enum breaker_pass breaker_ask(const struct breaker_use *use);
/* What this has changed: of all who note at once, one is told. What was sent before it closed says
 * nothing new, however late it fails. */
enum breaker_change breaker_note(const struct breaker_use *use, bool trial, bool failed);
/* What was noted as good has broken off later. */
enum breaker_change breaker_spoil(const struct breaker_use *use);
void breaker_drop(struct breaker *b); /* a trial that has ended without a result */
/* Until it may be asked again; 0: now. */
uint64_t breaker_left_ms(const struct breaker *b, uint64_t now_ms);
/* BREAKER_HALF_OPEN also where its time is over and nobody has tried yet. */
enum breaker_state breaker_look(const struct breaker_use *use);
