/*
 * vip_find.h - is it for one of our vips? Only then is it judged.
 */
#pragma once
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"

static __always_inline bool is_martian(const struct pkt *p)
{
	const __be32 *src = p->flow.src;
	__u8 first;

	if (p->flags & PKT_V6)
		return *(const __u8 *)src == 0xff || /* multicast */
		       (!src[0] && !src[1] && !src[2] && (!src[3] || src[3] == bpf_htonl(1)));
	first = bpf_ntohl(src[3]) >> 24;
	return first == 127 || first == 0 || first >= 224;
}

/* The same address at both ends (the "land" attack). */
static __always_inline bool is_land(const struct pkt *p)
{
	const __be32 *src = p->flow.src, *dst = p->flow.dst;

	return src[0] == dst[0] && src[1] == dst[1] && src[2] == dst[2] && src[3] == dst[3];
}

/* Addressed to a vip, but to no port that we know: the stack decides, unless it is broken. */
static __always_inline enum verdict judge_odd(struct pkt *p)
{
	struct vip_addr addr;

	__builtin_memcpy(addr.addr, p->flow.dst, sizeof(addr.addr));
	if (!bpf_map_lookup_elem(&shunt_vip_addrs, &addr))
		return pkt_end(p, PASS,
			       p->flags & PKT_UNWRAPPED ? COUNT_DECAP_TO_STACK : COUNT_NOT_OURS);
	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	if (is_land(p) || is_martian(p))
		return pkt_end(p, DROP, COUNT_BAD_HEADER);
	return pkt_end(p, PASS, COUNT_ODD_TO_STACK);
}

/* needs: flow, flags; sets: vip */
static __always_inline enum verdict vip_find(struct pkt *p)
{
	struct vip_key key = { .port = p->flow.dport, .proto = p->flow.proto };

	__builtin_memcpy(key.addr, p->flow.dst, sizeof(key.addr));
	p->vip = bpf_map_lookup_elem(&shunt_vips, &key);
	/* A later fragment has no ports: whether its vip is L4 cannot be known, the stack has it.
	 */
	if (!p->vip || p->flags & PKT_LATER)
		return judge_odd(p);
	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	if (is_land(p) || is_martian(p))
		return pkt_end(p, DROP, COUNT_BAD_HEADER);
	if (p->vip->kind == VIP_L7)
		return pkt_end(p, PASS, COUNT_TO_STACK);
	/* Its later fragments could not follow it to the endpoint. */
	if (p->flags & PKT_FRAGMENT)
		return pkt_end(p, DROP, COUNT_FRAGMENT);
	return NEXT;
}
