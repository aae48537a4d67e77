/*
 * inherited.h - the new process's part of an upgrade: what the old one gives, and when it lets go.
 *
 * Received whole at start, before anything is opened. Knows the protocol; what the sockets and maps
 * are used for, others know. Everything may be asked with NULL: nothing was inherited.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/control/listen_table.h"
#include "userspace/net/loop.h"

struct inherited;

/* NULL in *out_inherited where nobody gives anything. False: what came cannot be used. */
bool inherited_receive(struct inherited **out_inherited, struct err *err);

const struct listen_table *inherited_table(const struct inherited *inherited);
int inherited_admin(const struct inherited *inherited); /* listening; -1: none */
/* Descriptors of maps, in no order; 0: the old process had no fast path. */
uint32_t inherited_maps(const struct inherited *inherited, const int **out_maps);

struct inherited_hooks {
	/* It is our turn to accept. Each of these comes once, in this order. */
	void (*on_turn)(void *context);
	/* The old process splices no more: what is spliced is ours. */
	void (*on_yours)(void *context);
	/* It has ended. */
	void (*on_gone)(void *context);
	void *context;
};

/* Everything is open: tells the old process, and which of its places are in table. */
bool inherited_ready(struct inherited *inherited, struct loop *loop,
		     const struct listen_table *table, const struct inherited_hooks *hooks,
		     struct err *err);
/* Closes nothing that was given, and not what the old process waits at: that ends with ours. */
void inherited_destroy(struct inherited *inherited);
