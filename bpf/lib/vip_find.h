/*
 * vip_find.h - is it for one of our vips? Only then is it judged.
 */
#pragma once
#include "bpf/lib/echo.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/syn_cookie.h"
#include "bpf/lib/table.h"

static __always_inline bool is_martian(const struct flow_key *flow, bool v6)
{
	const __be32 *src = flow->src;
	__u8 first;

	if (v6)
		return *(const __u8 *)src == 0xff || /* multicast */
		       (!src[0] && !src[1] && !src[2] && (!src[3] || src[3] == bpf_htonl(1)));
	first = bpf_ntohl(src[3]) >> 24;
	return first == 127 || first == 0 || first >= 224;
}

/* The same address at both ends (the "land" attack). */
static __always_inline bool is_land(const struct flow_key *flow)
{
	const __be32 *src = flow->src, *dst = flow->dst;

	return src[0] == dst[0] && src[1] == dst[1] && src[2] == dst[2] && src[3] == dst[3];
}

/* To a vip, but from nobody who could have an answer. */
static __always_inline enum verdict judge_source(struct pkt *p)
{
	if (is_land(&p->flow))
		return pkt_end(p, DROP, COUNT_LAND);
	if (is_martian(&p->flow, p->flags & PKT_V6))
		return pkt_end(p, DROP, COUNT_MARTIAN);
	return NEXT;
}

/* needs: flow, flags; sets: addr. What is for nobody we know ends here, at next to no cost. */
static __always_inline enum verdict addressee_find(struct pkt *p, const struct settings *s)
{
	p->addr = addr_find(s, p->flow.dst);
	if (p->addr && p->addr->vni && p->addr->vni != p->vni)
		return pkt_end(p, DROP, COUNT_TUNNEL_FOREIGN); /* tenants' addresses are alike */
	if (p->addr)
		return NEXT;
	return pkt_end(p, PASS, p->flags & PKT_UNWRAPPED ? COUNT_DECAP_TO_STACK : COUNT_NOT_OURS);
}

/* Addressed to a vip, but to no port that we know: the stack decides, unless it is broken. */
static __always_inline enum verdict judge_odd(struct pkt *p)
{
	enum verdict v;

	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	v = judge_source(p) ?: echo(p, p->addr->flags);
	if (v)
		return v;
	/* Only a listener of the proxy has a stack that could put it together. */
	if (p->flags & PKT_LATER && !(p->addr->flags & ADDR_STACK))
		return pkt_end(p, DROP, COUNT_FRAGMENT_LOST);
	return pkt_end(p, PASS, COUNT_ODD_TO_STACK);
}

/* needs: addr, flow, flags; sets: vip where there is a listener. Always NEXT: nothing is judged. */
static __always_inline enum verdict vip_find(struct pkt *p, const struct settings *s)
{
	if (!(p->flags & PKT_LATER))
		p->vip = port_find(s, p->addr->number, p->flow.dport, p->flow.proto);
	return NEXT;
}

/* needs: addr, vip, flow, flags; NEXT where it is for an L4 listener */
static __always_inline enum verdict vip_judge(struct pkt *p)
{
	enum verdict v;

	if (!(p->addr->flags & ADDR_VIP))
		return pkt_end(p, PASS,
			       p->flags & PKT_UNWRAPPED ? COUNT_DECAP_TO_STACK : COUNT_NOT_OURS);
	if (!p->vip || p->flags & PKT_ODD)
		return judge_odd(p);
	v = judge_source(p);
	if (v)
		return v;
	if (p->vip->kind == VIP_L7)
		return syn_cookie(p) ?: pkt_end(p, PASS, COUNT_TO_STACK);
	return NEXT;
}
