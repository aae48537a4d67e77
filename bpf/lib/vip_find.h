/*
 * vip_find.h - is it for one of our vips? Only then is it judged.
 */
#pragma once
#include "bpf/lib/echo.h"
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

/* To a vip, but from nobody who could have an answer. */
static __always_inline enum verdict judge_source(struct pkt *p)
{
	if (is_land(p))
		return pkt_end(p, DROP, COUNT_LAND);
	if (is_martian(p))
		return pkt_end(p, DROP, COUNT_MARTIAN);
	return NEXT;
}

/* Addressed to a vip, but to no port that we know: the stack decides, unless it is broken. */
static __always_inline enum verdict judge_odd(struct pkt *p)
{
	const __u32 *flags;
	struct vip_addr addr;
	enum verdict v;

	__builtin_memcpy(addr.addr, p->flow.dst, sizeof(addr.addr));
	flags = bpf_map_lookup_elem(&shunt_vip_addrs, &addr);
	if (!flags)
		return pkt_end(p, PASS,
			       p->flags & PKT_UNWRAPPED ? COUNT_DECAP_TO_STACK : COUNT_NOT_OURS);
	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	v = judge_source(p) ?: echo(p, *flags);
	if (v)
		return v;
	/* Only a listener of the proxy has a stack that could put it together. */
	if (p->flags & PKT_LATER && !(*flags & VIP_ADDR_STACK))
		return pkt_end(p, DROP, COUNT_FRAGMENT_LOST);
	return pkt_end(p, PASS, COUNT_ODD_TO_STACK);
}

/* needs: flow, flags; sets: vip */
static __always_inline enum verdict vip_find(struct pkt *p)
{
	struct vip_key key = { .port = p->flow.dport, .proto = p->flow.proto };
	enum verdict v;

	__builtin_memcpy(key.addr, p->flow.dst, sizeof(key.addr));
	p->vip = bpf_map_lookup_elem(&shunt_vips, &key);
	if (!p->vip || p->flags & PKT_LATER)
		return judge_odd(p);
	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	v = judge_source(p);
	if (v)
		return v;
	if (p->vip->kind == VIP_L7)
		return pkt_end(p, PASS, COUNT_TO_STACK);
	return NEXT;
}
