/*
 * serving.h - what is in effect: one snapshot, its listen table, and the workers that follow it.
 *
 * Start and reload take the same way. Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/control/admin_request.h"
#include "userspace/control/ceilings.h"
#include "userspace/control/fast_path.h"
#include "userspace/model/model.h"
#include "userspace/net/loop.h"

struct log_sink;
struct serving;

struct serving_options {
	struct loop *loop;
	struct log_sink *log;                 /* borrowed */
	struct fast_path *fast_path;          /* borrowed; NULL: plain proxy */
	const struct listen_table *inherited; /* of the process before; NULL: there is none */
	uint64_t files_max;
	const char *config;            /* the file or directory that snapshots are read from */
	void (*on_end)(void *context); /* all workers have ended */
	void *context;
};

/*
 * Takes the first snapshot into effect, without starting a thread; inherited sockets that it has no
 * use for are closed. NULL and *err on failure.
 */
struct serving *serving_create(const struct serving_options *options, struct snapshot *first,
			       uint32_t workers, struct err *err);
/* Starts the workers. On failure those that run are ended by serving_destroy. */
bool serving_start(struct serving *serving, struct err *err);
/* They begin to accept. */
void serving_accept(struct serving *serving);
/* A process that has inherited the places of `table` for which taken[i] serves them from now on. */
void serving_let_go(struct serving *serving, const bool *taken);
/* What another process wrote over in the kernel's tables is ours again. */
void serving_restore(struct serving *serving);
const struct listen_table *serving_table(const struct serving *serving);
/* Have all workers turned their loops since the last call? */
bool serving_is_well(struct serving *serving);
/* All or nothing; takes a reference of its own. Workers that are too many end when they have
 * drained. */
bool serving_apply(struct serving *serving, struct snapshot *snapshot, uint32_t workers,
		   struct err *err);
void serving_drain_patiently(struct serving *serving, uint32_t drain_ms); /* see worker.h */
void serving_drain(struct serving *serving, uint32_t drain_ms);
uint32_t serving_drain_ms(const struct serving *serving); /* the longest of all listeners */
const struct snapshot *serving_snapshot(const struct serving *serving);
const struct ceilings *serving_ceilings(const struct serving *serving);
/* What is posted to the admin socket: see admin.h. */
char *serving_post(struct serving *serving, const struct admin_request *request,
		   uint32_t *out_status);
void serving_status(const struct serving *serving, struct status *status);
void serving_destroy(struct serving *serving); /* joins the workers; accepts NULL */
