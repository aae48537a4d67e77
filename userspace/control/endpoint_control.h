/*
 * endpoint_control.h - `shuntctl endpoint`: what operators want of endpoints, asked for, kept, and
 * taken into effect.
 *
 * Knows the requests, the file in the state directory and the clock; how a snapshot gets into
 * effect, the hook knows. Control thread.
 */
#pragma once
#include <stdbool.h>

#include "userspace/control/admin_request.h"
#include "userspace/net/loop.h"
#include "userspace/snapshot/snapshot.h"

struct endpoint_control;

struct endpoint_control_hooks {
	/* Others are wanted than are in effect: endpoint_control_order says which. False: they are
	 * not taken, and *err says why. */
	bool (*on_change)(void *context, struct err *err);
	void *context;
};

/* Reads what was kept in the folder `state`; NULL: nothing is kept beyond this process. */
struct endpoint_control *endpoint_control_create(struct loop *loop, const char *state,
						 const struct endpoint_control_hooks *hooks);
void endpoint_control_destroy(struct endpoint_control *control); /* accepts NULL */
/* The snapshot as operators want it: another reference, or a new one of that number. */
struct snapshot *endpoint_control_order(const struct endpoint_control *control, struct snapshot *of,
					uint64_t number);
/* All endpoints of the snapshot, as JSON, malloc'ed; and only what is overridden. */
char *endpoint_control_print(const struct endpoint_control *control, const struct snapshot *now);
char *endpoint_control_overrides(const struct endpoint_control *control);
/* What POST does; NULL: no such path. */
char *endpoint_control_post(struct endpoint_control *control, const struct snapshot *now,
			    const struct admin_request *request, uint32_t *out_status);
