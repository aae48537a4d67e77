/*
 * serving.h - what is in effect: one snapshot, its listen table, and the workers that follow it.
 *
 * Start and reload take the same way. Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/control/fast_path.h"
#include "userspace/model/model.h"
#include "userspace/net/loop.h"

struct access_log;
struct serving;

struct serving_options {
	struct loop *loop;
	struct access_log *log;      /* borrowed */
	struct fast_path *fast_path; /* borrowed; NULL: plain proxy */
	uint32_t workers;
	uint64_t files_max;
	void (*on_end)(void *context); /* all workers have ended */
	void *context;
};

/* Takes the first snapshot into effect, without starting a thread. NULL and *err on failure. */
struct serving *serving_create(const struct serving_options *options, struct snapshot *first,
			       struct err *err);
/* Starts the workers. On failure those that run are ended by serving_destroy. */
bool serving_start(struct serving *serving, struct err *err);
/* All or nothing; takes a reference of its own. */
bool serving_apply(struct serving *serving, struct snapshot *snapshot, struct err *err);
void serving_drain(struct serving *serving, uint32_t drain_ms);
uint32_t serving_drain_ms(const struct serving *serving); /* the longest of all listeners */
const struct snapshot *serving_snapshot(const struct serving *serving);
uint32_t serving_sessions_max(const struct serving *serving);
void serving_status(const struct serving *serving, struct status *status);
void serving_destroy(struct serving *serving); /* joins the workers; accepts NULL */
