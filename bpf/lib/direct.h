/*
 * direct.h - forward: dsr, to endpoints on a link of ours: only the frame's addresses change.
 *
 * The endpoint has the vip and answers by itself. A router between us would send the packet back
 * to us, so there must be none.
 */
#pragma once
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/splice_rewrite.h"
#include "bpf/lib/table.h"
#include "bpf/lib/too_big.h"

/* needs: to, l3, l3_len, why, ttl; the last step: the packet leaves to `to` itself */
static __always_inline enum verdict direct_send(struct pkt *p)
{
	__u32 index = p->to->next_hop;
	const struct next_hop *hop = array_at(&shunt_next_hops, index);
	enum verdict v;

	if (!hop || !hop->ready)
		return pkt_end(p, DROP, COUNT_UNRESOLVED);
	if (!is_same_ip(hop->via, p->to->vtep))
		return pkt_end(p, DROP, COUNT_NOT_NEAR);
	v = judge_ttl(p);
	if (v)
		return v;
	if (frame_wire_bytes(p) > hop->mtu)
		return too_big(p, hop->mtu);
	return ttl_decrement(p) ?: change_link(p, hop);
}
