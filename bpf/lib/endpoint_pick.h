/*
 * endpoint_pick.h - a new connection takes its endpoint from the vip's ring.
 */
#pragma once
#include "bpf/lib/flow_table.h"
#include "bpf/lib/hash.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"

static __always_inline const struct settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shunt_settings, &zero);
}

/* needs: flow, vip, hash; sets: to, endpoint */
static __always_inline enum verdict endpoint_pick(struct pkt *p)
{
	__u32 index = p->vip->index, slot;
	struct sticky keep;
	const __u32 *id;
	void *ring;

	if (p->to)
		return NEXT;
	ring = bpf_map_lookup_elem(&shunt_rings, &index);
	if (!ring)
		return pkt_end(p, DROP, COUNT_NO_ENDPOINT);
	slot = (__u32)(((p->hash >> 32) * p->vip->slots) >> 32);
	p->ring_slot = slot;
	id = bpf_map_lookup_elem(ring, &slot);
	if (!id)
		return pkt_end(p, DROP, COUNT_NO_ENDPOINT);
	p->endpoint = *id;
	p->to = endpoint_usable(p->endpoint);
	if (!p->to)
		return pkt_end(p, DROP, COUNT_NO_ENDPOINT);
	keep.endpoint = p->endpoint;
	keep.generation = p->to->generation;
	/* A full table evicts the least recent; failing otherwise only costs stickiness. */
	/* What only follows a connection makes none. */
	if (!(p->flags & (PKT_EXPLAINED | PKT_BORROWED)))
		bpf_map_update_elem(&shunt_sticky, &p->flow, &keep, BPF_ANY);
	p->why = COUNT_FORWARDED;
	return NEXT;
}
