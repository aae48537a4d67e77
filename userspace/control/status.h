/*
 * status.h - the state of a daemon as one struct, and that as JSON. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/counter.h"
#include "userspace/proxy/stats.h"
#include "userspace/splice/splicer.h"

struct status {
	uint64_t snapshot; /* number */
	const char *node;  /* NULL: has no name */
	uint32_t workers;
	uint64_t sessions; /* open now */
	bool fast_path;    /* else counters and splices are zero */
	uint64_t counters[COUNTERS];
	struct stats stats; /* of all workers */
	struct splicer_stats splices;
	uint32_t accept_pressed; /* listeners whose accept queue fills now: see accept_watch.h */
	uint64_t accept_pressed_times; /* that one began to, since start */
	uint64_t reloads_refused;      /* since start */
	uint64_t access_lines_lost;
};

void status_add_stats(struct stats *sum, const struct stats *part);
char *status_print(const struct status *status); /* JSON, malloc'ed; NULL without memory */
