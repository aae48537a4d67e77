/*
 * vxlan.h - wrap and unwrap (RFC 7348).
 */
#pragma once
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/link.h"
#include "bpf/lib/mss_clamp.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/too_big.h"
#include "bpf/lib/vxlan_headers.h"

/* needs: addr, flow, l4, flags; AGAIN: the frame is what was inside */
static __always_inline enum verdict unwrap(struct pkt *p)
{
	struct vtep_key key;
	struct vxlanhdr *vx;

	if (!(p->addr->flags & ADDR_TUNNEL) || p->flow.proto != IPPROTO_UDP ||
	    p->flow.dport != bpf_htons(VXLAN_PORT))
		return NEXT;
	if (p->flags & (PKT_ODD | PKT_FRAGMENT))
		return pkt_end(p, DROP, COUNT_TUNNEL_BAD);
	p->at = p->l4 + sizeof(struct udphdr);
	vx = pkt_pull(p, sizeof(*vx));
	if (!vx || !(vx->flags & bpf_htonl(VXLAN_HAS_VNI)))
		return pkt_end(p, DROP, COUNT_TUNNEL_BAD);
	__builtin_memcpy(key.addr, p->flow.src, sizeof(key.addr));
	key.vni = bpf_ntohl(vx->vni) >> 8;
	if (!bpf_map_lookup_elem(&shunt_vteps, &key))
		return pkt_end(p, DROP, COUNT_TUNNEL_UNKNOWN);
	if (p->l4_off + sizeof(struct udphdr) + sizeof(*vx) + ETH_HLEN > p->l3_len)
		return pkt_end(p, DROP, COUNT_TUNNEL_BAD);
	p->vni = key.vni;
	return frame_unwrap(p) ? AGAIN : pkt_end(p, DROP, COUNT_TUNNEL_BAD);
}

static __always_inline enum verdict wrap_write(struct pkt *p, const struct next_hop *hop,
					       const struct settings *s, const struct tunnel *to,
					       bool v6)
{
	void *at;

	frame_reload(p);
	at = put_link(p, hop, v6);
	if (!at)
		return pkt_end(p, DROP, COUNT_SHORT);
	if (v6) {
		if (at + WRAP_V6_BYTES > p->end)
			return pkt_end(p, DROP, COUNT_SHORT);
		put_ipv6(at, p, s, to);
		put_vxlan(at + sizeof(struct ipv6hdr), p, to);
	} else {
		if (at + WRAP_V4_BYTES > p->end)
			return pkt_end(p, DROP, COUNT_SHORT);
		put_ipv4(at, p, s, to);
		put_vxlan(at + sizeof(struct iphdr), p, to);
	}
	return link_send(p, hop);
}

/* RFC 6691: what fits, less the headers without options. */
static __always_inline __u32 mss_of(__u32 mtu, bool v6)
{
	__u32 heads = sizeof(struct tcphdr) + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));

	return mtu > heads + 1 ? mtu - heads : 1;
}

/* needs: to, hash, l3, l3_len, why; the last step: the packet leaves wrapped */
static __always_inline enum verdict endpoint_send(struct pkt *p, const struct settings *s)
{
	__u32 index = p->to->next_hop;
	const struct next_hop *hop = array_at(&shunt_next_hops, index);
	bool v6 = tunnel_is_v6(&p->to->tunnel);
	__u32 wrap = v6 ? WRAP_V6_BYTES : WRAP_V4_BYTES;
	__u32 l2 = (__u32)((long)p->l3 - (long)p->start);
	enum verdict v;

	if (!hop || !hop->ready)
		return pkt_end(p, DROP, COUNT_UNRESOLVED); /* its sender tries again */
	v = judge_ttl(p);
	if (v)
		return v;
	if (frame_wire_bytes(p) + wrap > hop->mtu)
		return too_big(p, hop->mtu - wrap);
	v = ttl_decrement(p);
	if (v)
		return v;
	if (starts_connection(p))
		mss_clamp(p->ctx, l2 + p->l4_off, mss_of(hop->mtu - wrap, p->flags & PKT_V6));
	if (!frame_trim(p, l2))
		return pkt_end(p, DROP, COUNT_BAD_LENGTH);
	if (!frame_wrap(p, l2, hop->vlan, wrap, v6))
		return pkt_end(p, DROP, COUNT_NO_HEADROOM);
	return wrap_write(p, hop, s, &p->to->tunnel, v6);
}
