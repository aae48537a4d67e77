/*
 * snapshot.h - a model compiled: immutable, numbered, counted.
 *
 * Sessions, exchanges and tunnels hold a reference for as long as they last, so a new snapshot
 * never disturbs them. References may be taken and dropped by any thread.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"

struct snapshot {
	uint64_t number;
	const struct model *model;
	const struct listener **listeners; /* by listener.index; model.listener_count of them */
	const struct endpoint **endpoints; /* by endpoint.index */
};

/* Takes the model over; the first reference belongs to the caller. Aborts without memory. */
struct snapshot *snapshot_create(struct model *model, uint64_t number);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
