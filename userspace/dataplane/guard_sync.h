/*
 * guard_sync.h - the guards of a snapshot, for XDP (bpf/abi/guard.h).
 *
 * Knows which index a vip's guard has. Does not know what packets become of it. What is staged is
 * in effect once the tables of vips lead to it; what was before stays until then.
 */
#pragma once
#include "bpf/abi/guard.h"
#include "userspace/dataplane/pinned.h"
#include "userspace/model/model.h"

/* Writes the half that is not in use, whatever is there. On failure nothing that is in use has
 * changed. */
bool guard_sync_stage(const struct pinned *maps, struct guard_entry *guards, uint32_t half,
		      const struct model *model, struct err *err);
/* Whether what guards it may answer SYNs. */
bool guard_sync_has_cookies(const struct model *model, const struct vip *vip);
/* Index of what guards a vip, in the half that was staged; 0: nothing. */
uint32_t guard_sync_of(const struct model *model, uint32_t half, const struct vip *vip);
/* The other half is in use: this one forgets its networks. */
void guard_sync_retire(const struct pinned *maps, uint32_t half);

/* In parts of a jiffy, of which there are hz in a second; burst: at once, after a rest. */
struct guard_rate guard_rate_of(uint32_t per_second, uint32_t burst, uint32_t hz);
