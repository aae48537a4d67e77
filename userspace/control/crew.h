/*
 * crew.h - the workers: those that serve, and those that a reload has dismissed and that end.
 *
 * Knows how many there are and who is on the way out; what they listen on, serving says. Control
 * thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/control/status.h"
#include "userspace/control/worker.h"

struct crew;

struct crew_options {
	struct loop *loop;
	struct log_sink *log;          /* borrowed */
	struct splicer *splicer;       /* borrowed; NULL: never splice */
	void (*on_end)(void *context); /* all workers have ended */
	void *context;
};

struct crew *crew_create(const struct crew_options *options);
/* Ends those that run at once, without on_end; joins; accepts NULL. */
void crew_destroy(struct crew *crew);

/* There are so many at least from now on. All or nothing; more only where that is false. */
bool crew_grow(struct crew *crew, uint32_t count, struct err *err);
/* Those beyond count serve what they have, for drain_ms at most, and are gone then. */
void crew_shrink(struct crew *crew, uint32_t count, uint32_t drain_ms);
/* Starts the threads; on failure those that run are ended by crew_destroy. */
bool crew_start(struct crew *crew, struct err *err);

uint32_t crew_count(const struct crew *crew); /* that serve */
struct worker *crew_worker(struct crew *crew, uint32_t index);
void crew_drain(struct crew *crew, uint32_t drain_ms, bool patiently);
bool crew_is_well(struct crew *crew);                            /* see worker.h */
void crew_add_stats(const struct crew *crew, struct stats *sum); /* also of those that are gone */
