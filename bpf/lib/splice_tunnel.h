/*
 * splice_tunnel.h - a segment of a spliced connection goes to an endpoint in a vpc: wrapped.
 */
#pragma once
#include "bpf/lib/maps.h"
#include "bpf/lib/table.h"
#include "bpf/lib/vxlan.h"

/* A verdict and what is counted, in one word; what the packet is, in another. */
#define TUNNEL_END(verdict, why) ((__u32)(verdict) | (__u32)(why) << 8)
#define TUNNEL_PKT(l2, tags, v6, l3_len)                                                           \
	((__u32)(l2) | (__u32)(tags) << 8 | ((v6) ? 1u << 15 : 0) | (__u32)(l3_len) << 16)

/* The segment is rewritten. A function of its own, with a packet of its own: whatever was found out
 * before is nothing to the verifier then. */
__noinline __u32 tunnel_send(PKT_CTX *ctx, const struct splice *sp, __u32 what, __u32 hash)
{
	const struct settings *s = settings_get();
	struct pkt p = { .ctx = ctx, .settings = s, .hash = hash };
	__u32 l2 = what & LINK_BYTES_MASK, index;
	const struct next_hop *hop;
	enum verdict v;
	bool v6;

	if (!sp || !s)
		return TUNNEL_END(DROP, COUNT_UNRESOLVED);
	index = sp->dir[0].next_hop;
	hop = array_at(&shunt_next_hops, index);
	if (!hop || !hop->ready)
		return TUNNEL_END(DROP, COUNT_UNRESOLVED);
	barrier_var(l2); /* as in tell_sender */
	p.vlan_tags = (what >> 8) & 0xf;
	p.flags = what & 1u << 15 ? PKT_V6 : 0;
	p.l3_len = (__u16)(what >> 16);
	v6 = tunnel_is_v6(&sp->tunnel);
	frame_reload(&p);
	p.l3 = p.start + l2;
	if (!frame_trim(&p, l2))
		return TUNNEL_END(DROP, COUNT_BAD_LENGTH);
	if (!frame_wrap(&p, l2, hop->vlan, v6 ? WRAP_V6_BYTES : WRAP_V4_BYTES, v6))
		return TUNNEL_END(DROP, COUNT_NO_HEADROOM);
	v = wrap_write(&p, hop, s, &sp->tunnel, v6);
	return TUNNEL_END(v, v == DROP ? p.why : COUNT_SPLICED);
}

static __always_inline enum verdict splice_wrap(struct pkt *p, const struct splice *sp,
						const struct next_hop *hop)
{
	__u32 l2 = (__u32)((long)p->l3 - (long)p->start);
	__u32 end =
		tunnel_send(p->ctx, sp, TUNNEL_PKT(l2, p->vlan_tags, p->flags & PKT_V6, p->l3_len),
			    (__u32)p->hash);

	p->out_ifindex = hop->ifindex;
	p->why = end >> 8;
	/* Never NEXT: the verifier knows no more of a function than its type. */
	end &= 0xff;
	return end == REDIRECT || end == SEND_BACK ? (enum verdict)end : DROP;
}
