/*
 * tallies.h - the per-CPU counters of the programs, summed (dataplane/ only).
 */
#pragma once
#include "userspace/dataplane/pinned.h"
#include "userspace/dataplane/traffic.h"
#include "userspace/dataplane/vip_sync.h"

void tallies_reasons(const struct pinned *maps, struct tally out_reasons[COUNTERS]);
/* Those that the snapshot names and the maps have. */
void tallies_read(const struct pinned *maps, struct vip_sync *sync, const struct snapshot *snapshot,
		  struct traffic *out_traffic);
/* The number has another owner from now on. */
void tallies_reset_vip(const struct pinned *maps, uint32_t vip);
void tallies_reset_endpoint(const struct pinned *maps, uint32_t id);
