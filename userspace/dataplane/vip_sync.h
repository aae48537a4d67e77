/*
 * vip_sync.h - vips, endpoints and rings of a snapshot into their maps (dataplane/ only).
 *
 * Remembers what it wrote, by identity, so that ids and rows stay; reads back what an older daemon
 * left in the maps.
 */
#pragma once
#include "userspace/dataplane/pinned.h"
#include "userspace/net/neighbour.h"
#include "userspace/snapshot/snapshot.h"

struct vip_sync;

struct vip_sync *vip_sync_create(const struct pinned *pinned, struct neighbours *neighbours);
void vip_sync_destroy(struct vip_sync *sync);
bool vip_sync_apply(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err);
/* Next hops of endpoints may have changed. */
void vip_sync_refresh(struct vip_sync *sync);
/* Number of the tally of a listener at one of its addresses, or SAMPLE_NONE. */
uint32_t vip_sync_tally(struct vip_sync *sync, const struct listener *listener,
			const struct addr *address);
/* Id of an endpoint that L4 listeners send to, or SAMPLE_NONE. */
uint32_t vip_sync_endpoint(struct vip_sync *sync, const struct endpoint *endpoint);
uint32_t vip_sync_row(struct vip_sync *sync, const struct addr *address);
