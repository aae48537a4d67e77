/*
 * vip_sync.h - vips, endpoints and rings of a snapshot into their maps (dataplane/ only).
 *
 * Remembers what it wrote, by identity, so that numbers and rows stay; reads back what an older
 * daemon left in the maps. Control thread.
 */
#pragma once
#include "userspace/dataplane/mapped.h"
#include "userspace/dataplane/pinned.h"
#include "userspace/net/neighbour.h"
#include "userspace/snapshot/snapshot.h"

struct vip_sync;

struct vip_sync *vip_sync_create(const struct pinned *pinned, const struct mapped *mapped,
				 struct neighbours *neighbours);
void vip_sync_destroy(struct vip_sync *sync);
/* settings.hash_seed is set. All of it takes the place of what was in one write. */
bool vip_sync_apply(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err);
/* Next hops of endpoints may have changed. */
void vip_sync_refresh(struct vip_sync *sync);
/* Once a second with the new epoch: ages the table of flows, lets rings settle. */
void vip_sync_tick(struct vip_sync *sync, uint32_t epoch);
/* Number of the tally of a listener at one of its addresses, or SAMPLE_NONE. */
uint32_t vip_sync_tally(struct vip_sync *sync, const struct listener *listener,
			const struct addr *address);
/* Id of an endpoint that L4 listeners send to, or SAMPLE_NONE. */
uint32_t vip_sync_endpoint(struct vip_sync *sync, const struct endpoint *endpoint);
/* See endpoint_ids.h; by the number that vip_sync_endpoint says. */
void vip_sync_drain(struct vip_sync *sync, uint32_t id, bool drain);
uint32_t vip_sync_hop(const struct vip_sync *sync, uint32_t id);
uint32_t vip_sync_row(struct vip_sync *sync, const struct addr *address);
void vip_sync_press(struct vip_sync *sync, const struct addr *address, bool pressed);
/* Whether packets of splices to this address are looked at. Any thread. */
bool vip_sync_expects(const struct vip_sync *sync, const struct addr *address);
/* Whether connections of ours come from this address. Any thread. */
bool vip_sync_is_own(const struct vip_sync *sync, const struct addr *address);
