/*
 * endpoint_ids.h - numbers of endpoints in shunt_endpoints, and their entries (dataplane/ only).
 *
 * An endpoint keeps its number as long as somebody names it. A number that is given to another
 * endpoint gets another generation, and is not given while a ring still names the old one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/dataplane/pinned.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/net/neighbour.h"
#include "userspace/snapshot/snapshot.h"

struct endpoint_ids;

/* Reads back what an older daemon left. max: entries of the map. */
struct endpoint_ids *endpoint_ids_create(const struct pinned *maps, struct neighbours *neighbours,
					 struct ring_store *rings, uint32_t max);
void endpoint_ids_destroy(struct endpoint_ids *ids);
/* A new snapshot begins to name its endpoints. */
void endpoint_ids_begin(struct endpoint_ids *ids);
/* The number of an endpoint, its entry written; 0: there are too many. over: it serves nobody, and
 * what is established there goes elsewhere, where nobody knows it. */
uint32_t endpoint_ids_take(struct endpoint_ids *ids, const struct endpoint *endpoint, bool over);
/* The snapshot is in use: what it did not name may be given to others. The entry stays, for
 * connections that are established. */
void endpoint_ids_end(struct endpoint_ids *ids);
/* Its number, without taking it; 0: none. */
uint32_t endpoint_ids_find(const struct endpoint_ids *ids, const struct endpoint *endpoint);
/* While it drains it gets nothing new; what it had, and what went elsewhere meanwhile, stays. */
void endpoint_ids_drain(struct endpoint_ids *ids, uint32_t id, bool drain, uint32_t now_s);
/* Index of its next hop, NEXT_HOPS_MAX or more where there is none. */
uint32_t endpoint_ids_hop(const struct endpoint_ids *ids, uint32_t id);
/* Next hops may have changed. */
void endpoint_ids_refresh(struct endpoint_ids *ids);

/* What makes it the same endpoint in every snapshot and on every node; never 0. */
uint64_t endpoint_identity(const struct endpoint *endpoint);
