/*
 * vip_mode.h - what a listener is in shunt_vips: its key, and how it treats packets.
 *
 * Knows a listener and nothing of what is in the maps.
 */
#pragma once
#include "userspace/dataplane/vip_table.h"
#include "userspace/model/model.h"

/* Whether packets of it are forwarded here; else the stack has them. */
bool vip_mode_is_l4(const struct listener *listener);
struct vip_key vip_mode_key(const struct listener *listener, const struct addr *address);
/* enum vip_flag, but for VIP_SETTLED. */
uint32_t vip_mode_flags(const struct listener *listener);
/* enum addr_flag of an address: whether it has a listener of the proxy, and which of enum
 * ping_policy its vips want. */
uint32_t vip_mode_addr(bool proxy, const bool *wanted);
/* Number in shunt_vip_tallies. */
uint32_t vip_mode_tally(const struct vip_entry *vip);
/* Whole seconds that a flow of datagrams may be silent for. */
uint32_t vip_mode_udp_idle_s(const struct listener *listener);
