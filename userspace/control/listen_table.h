/*
 * listen_table.h - which addresses are listened on, and the sockets there: one a worker.
 *
 * A reload plans a new table beside the old one: places that stay keep their sockets, new ones are
 * opened at once, so that a failure changes nothing. Workers may become more or fewer. An upgrade
 * plans beside the table of the old process, which may have had more workers or fewer: no socket is
 * closed for that, as its queue would be lost; some workers then have several sockets of a place,
 * or share one. Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/control/worker.h"
#include "userspace/snapshot/snapshot.h"

struct listen_place {
	struct addr address;     /* with port */
	uint32_t listener_index; /* of the snapshot that the table was planned for */
	bool is_new;             /* not in the table before */
	uint32_t fd_count;       /* at least one a worker; socket i belongs to worker i % workers */
	int *fds;                /* the worker owns it once the table is in effect */
	bool *opened;            /* by number of the socket: not in the table before */
};

struct listen_table {
	struct listen_place *places;
	uint32_t count;
	uint32_t workers;
};

struct listen_options {
	uint32_t workers;
	bool free_bind;       /* addresses come by the fast path */
	uint32_t max_segment; /* 0: leave it */
	bool share;           /* no socket beside those of a place: see place_keep */
};

/* L7 listeners of the snapshot. before: NULL at start. Both are freed by listen_table_free. */
struct listen_table *listen_table_plan(const struct listen_table *before,
				       const struct snapshot *snapshot,
				       const struct listen_options *options, struct err *err);
/* The plan is not to take effect: closes what it opened, and frees. */
void listen_table_abandon(struct listen_table *table);
void listen_table_free(struct listen_table *table); /* closes nothing; accepts NULL */
/* The table of another process, of sockets that were inherited; filled by listen_table_inherit. */
struct listen_table *listen_table_create(uint32_t workers);
/* Takes the sockets over; false where the table is full or has that address. */
bool listen_table_inherit(struct listen_table *table, const struct addr *address, const int *fds,
			  uint32_t fd_count);
/* Closes the sockets of places that next has not. */
void listen_table_close_missing(const struct listen_table *table, const struct listen_table *next);
bool listen_table_has(const struct listen_table *table, const struct addr *address);
uint32_t listen_table_fds(const struct listen_table *table); /* of all places and workers */
/* Returns how many the worker has; out_sockets has room for listen_table_fds. */
uint32_t listen_table_sockets(const struct listen_table *table, uint32_t worker,
			      struct worker_socket *out_sockets);
bool listen_protocol_is_proxied(enum listener_protocol protocol);
