/*
 * neighbour.h - from an address to the next hop's MAC, kept current.
 *
 * Hops are shared: all addresses behind one gateway have one hop, under a number that stays. Knows
 * nothing of where the result is put; on_hop is told of every new or changed one. Any thread may
 * find; a lock is held meanwhile, on_hop runs under it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/net/netlink.h"

struct neighbours;

struct hop {
	uint32_t ifindex; /* where the kernel has its neighbour */
	uint32_t out;     /* where packets leave: the trunk, where ifindex is a VLAN of it */
	uint16_t vlan;    /* tag that they need there; 0: none */
	struct addr via;
	bool ready;
	uint8_t dst_mac[6], src_mac[6];
	uint16_t mtu;
};

struct neighbours *neighbours_create(uint32_t hops_max,
				     void (*on_hop)(void *context, uint32_t index,
						    const struct hop *hop),
				     void *context, struct err *err);
void neighbours_destroy(struct neighbours *neighbours);

/* A hop as an earlier process numbered it: before anything is found. out and vlan as in struct hop.
 * False: no room, or taken. */
bool neighbours_restore(struct neighbours *neighbours, uint32_t index, uint32_t out, uint16_t vlan,
			const struct addr *via);

/* Number of the hop towards an address; false: there is no route, or no more room. *out_ready:
 * whether it is resolved; where not, the kernel has been asked to look for it. */
bool neighbours_find(struct neighbours *neighbours, const struct addr *to, uint32_t *out_index,
		     bool *out_ready);
/* While held no number is given anew: another process may be giving them. */
void neighbours_hold(struct neighbours *neighbours, bool hold);
uint32_t neighbours_ifindex(struct neighbours *neighbours, uint32_t index);

/* To be watched for reading; dispatch then: what may have changed. */
int neighbours_fd(const struct neighbours *neighbours);
enum netlink_news neighbours_dispatch(struct neighbours *neighbours);
/* Looks at all hops anew; about once a second has the kernel ask those of which it has not heard
 * for long, since it does not see that XDP uses them: they may have another MAC by now. */
void neighbours_refresh(struct neighbours *neighbours);
