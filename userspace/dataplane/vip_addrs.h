/*
 * vip_addrs.h - what shunt_addrs says of addresses besides their listeners.
 *
 * Knows the node's own addresses, those of splices and the guards of vips; nothing of listeners.
 * Both add to the tables that are being written, and false is for err.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/dataplane/mapped.h"
#include "userspace/dataplane/pinned.h"
#include "userspace/dataplane/vip_table.h"
#include "userspace/model/model.h"

/* Addresses that are no vips. */
bool vip_addrs_add(struct vip_table *table, const struct mapped *mapped, const struct model *model,
		   struct err *err);
/* The guards of all vips; their addresses have been added. */
bool vip_addrs_guard(struct vip_table *table, const struct pinned *pinned,
		     const struct mapped *mapped, const struct model *model, struct err *err);
