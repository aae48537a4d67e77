/*
 * fast_path.h - the kernel's half as the control thread sees it: dataplane and splicer on its loop.
 *
 * Everything here may be asked with NULL, which is a plain proxy without the fast path.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/control/listen_table.h"
#include "userspace/control/status.h"
#include "userspace/net/loop.h"
#include "userspace/snapshot/snapshot.h"

struct fast_path;
struct splicer;
struct splice_choice;

struct fast_path_options {
	struct loop *loop;
	const char *pin_dir;  /* borrowed */
	const char *cgroup;   /* borrowed; NULL: splicing is off, sockets cannot be read */
	struct log_sink *log; /* for ends of splices; NULL: nobody reads */
	const int *maps; /* inherited from the process whose place we take, which splices still */
	uint32_t map_count;
};

/* Opens what is pinned, or loads and attaches. first is referenced until another is applied. */
struct fast_path *fast_path_open(const struct fast_path_options *options, struct snapshot *first,
				 struct err *err);
/* Attached programs, maps and splices stay: packets go on. */
void fast_path_close(struct fast_path *fast_path);
/* The start has failed: detaches too, where it was this process that attached. */
void fast_path_abandon(struct fast_path *fast_path);

/* For the next process. */
const int *fast_path_maps(const struct fast_path *fast_path, uint32_t *out_count);
/* The old process's part of an upgrade: holds while the new one starts, and in the end releases:
 * splices, events and next hops are the new one's. False: ask again at once. */
void fast_path_hold(struct fast_path *fast_path, bool hold);
bool fast_path_release(struct fast_path *fast_path);
/* The new process's part: when the old one has released, and when it has ended. */
void fast_path_take_over(struct fast_path *fast_path);
void fast_path_is_alone(struct fast_path *fast_path);

bool fast_path_apply(struct fast_path *fast_path, struct snapshot *snapshot, uint32_t workers,
		     struct err *err);
/* Gives connections for each place to the workers' sockets. After fast_path_apply. */
bool fast_path_steer(struct fast_path *fast_path, const struct listen_table *table,
		     struct err *err);
/* See dataplane.h; of a fast path that is there. */
struct dataplane_way;
bool fast_path_way(const struct fast_path *fast_path, const struct endpoint *endpoint, bool direct,
		   struct dataplane_way *out_way, struct err *err);
void fast_path_drain(struct fast_path *fast_path, const struct endpoint *endpoint, bool drain);
void fast_path_press(struct fast_path *fast_path, const struct addr *address, bool pressed);
struct splicer *fast_path_splicer(const struct fast_path *fast_path); /* NULL: never splice */
/* Cuts splices, as splicer_cut does; false: there is nobody here who splices. */
bool fast_path_cut(struct fast_path *fast_path, const struct splice_choice *choice,
		   uint32_t *out_cut, uint32_t *out_later);
/* Who exports and imports splices (splicer_move.h), on the control thread; NULL: nobody here. */
struct splicer *fast_path_mover(const struct fast_path *fast_path);
/* Packets by reason, listener and endpoint as JSON, malloc'ed; NULL: there is no fast path. */
char *fast_path_traffic(const struct fast_path *fast_path, const struct snapshot *snapshot);
void fast_path_status(const struct fast_path *fast_path, struct status *status);
