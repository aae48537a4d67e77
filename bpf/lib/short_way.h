/*
 * short_way.h - most packets at once: plain TCP or UDP to a slot of a ring that keeps its endpoint,
 * segments of spliced connections, and what is for nobody we know.
 *
 * The steps are those of ingress.h, but here no function that is not inlined gets the packet's
 * address: so the compiler holds it in registers, where there it lies on the stack. What is
 * peculiar in any way goes the long way; until then nothing is changed and nothing counted.
 */
#pragma once
#include "bpf/lib/count.h"
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/finish.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/short_splice.h"
#include "bpf/lib/table.h"
#include "bpf/lib/vip_find.h"
#include "bpf/lib/vxlan.h"

enum { LONG_WAY = -1 };

#ifdef PKT_TC
#define LONG_WAY_FUNCTION static __always_inline
/* Frames of tc have their tags beside them and may be in parts. */
static __always_inline int short_way(PKT_CTX *ctx)
{
	return LONG_WAY;
}
#else
/* Verified on its own, not once for each state in which the short way is left. */
#define LONG_WAY_FUNCTION __noinline

/* What a whole IPv4 header without options says; false: it is peculiar. needs: l3, within end */
static __always_inline bool plain_ipv4(struct pkt *p)
{
	const struct iphdr *ip = p->l3;
	const __u32 *word = p->l3;

	if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE))
		return false;
	addr_from_v4(p->flow.src, ip->saddr);
	p->flow.proto = ip->protocol;
	p->ttl = ip->ttl;
	p->l3_len = bpf_ntohs(ip->tot_len);
	p->l4_off = sizeof(*ip);
	return sum_fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]) == 0xffff;
}

static __always_inline bool plain_ipv6(struct pkt *p)
{
	const struct ipv6hdr *ip = p->l3;
	__u32 total = sizeof(*ip) + bpf_ntohs(ip->payload_len);

	if (ip->version != 6 || total > 0xffff)
		return false;
	__builtin_memcpy(p->flow.src, &ip->saddr, sizeof(p->flow.src));
	p->flow.proto = ip->nexthdr;
	p->ttl = ip->hop_limit;
	p->l3_len = (__u16)total;
	p->l4_off = sizeof(*ip);
	return true;
}

/* needs: l4, l4_off, l3_len; the same judgement as parse_tcp and parse_udp */
static __always_inline bool plain_ports(struct pkt *p)
{
	const struct tcphdr *tcp = p->l4;
	const struct udphdr *udp = p->l4;
	__u32 len;

	/* Of UDP there may be less; but no frame from a wire is so short. */
	if ((void *)(tcp + 1) > p->end || !frame_holds(p, p->l3, p->l3_len))
		return false;
	p->flow.sport = tcp->source;
	p->flow.dport = tcp->dest;
	if (p->flow.proto == IPPROTO_UDP) {
		len = bpf_ntohs(udp->len);
		return len >= sizeof(*udp) && p->l4_off + len <= p->l3_len;
	}
	p->tcp_flags = ((const __u8 *)tcp)[13];
	if (p->flow.proto != IPPROTO_TCP || tcp->doff < 5 ||
	    p->l4_off + tcp->doff * 4 > p->l3_len || !(p->tcp_flags & TCP_FLAGS))
		return false;
	return !(p->tcp_flags & TCP_SYN && p->tcp_flags & (TCP_FIN | TCP_RST));
}

/* needs: addr, l3; sets: flow, ttl, l3_len, l4, l4_off, tcp_flags, vip, hash */
static __always_inline bool plain_packet(struct pkt *p, const struct settings *s, bool v6)
{
	if (p->addr->flags & (ADDR_GUARDED | ADDR_TUNNEL) || (v6 ? !plain_ipv6(p) : !plain_ipv4(p)))
		return false;
	p->l4 = p->l3 + p->l4_off;
	if (!plain_ports(p))
		return false;
	if (p->addr->flags & ADDR_VIP)
		p->vip = port_find(s, p->addr->number, p->flow.dport, p->flow.proto);
	p->hash = hash_flow(&p->flow, s->hash_seed);
	return true;
}

/* A stream that the table of flows knows, while the ring changes. needs: flow, hash; sets: to,
 * endpoint, why */
static __always_inline bool plain_known(struct pkt *p)
{
	struct flow_key key;
	__u64 known;

	if (!must_stay(p))
		return false;
	key = p->flow;
	known = flow_known(&key, p->hash, 0);
	if (!known)
		return false;
	p->endpoint = FLOW_INDEX(known);
	p->to = endpoint_there(p->endpoint);
	p->why = COUNT_FORWARDED_STICKY;
	return p->to;
}

/* needs: vip, flow, hash; sets: to, endpoint, why */
static __always_inline bool plain_endpoint(struct pkt *p, bool v6)
{
	if (p->vip->flags & ~VIP_SETTLED || is_land(&p->flow) || is_martian(&p->flow, v6))
		return false;
	p->endpoint = ring_read(p->vip->ring, slot_of(p->hash, p->vip));
	if (p->endpoint & RING_CHANGED)
		return plain_known(p);
	p->to = endpoint_usable(p->endpoint);
	p->why = COUNT_FORWARDED;
	return p->to;
}

/* Where answers to what nat has translated come as well. needs: addr, vip, flow */
static __always_inline bool may_be_spliced(const struct pkt *p, const struct settings *s)
{
	__u32 port = bpf_ntohs(p->flow.dport);

	if (!(p->addr->flags & ADDR_SPLICES))
		return false;
	return p->vip || !s->nat_first || port < s->nat_first || port > s->nat_last;
}

/* NEXT: the long way knows. needs: addr */
static __always_inline enum verdict short_serve(struct pkt *p, const struct settings *s, bool v6)
{
	if (!plain_packet(p, s, v6))
		return NEXT;
	if (p->vip && p->vip->kind == VIP_L4)
		return plain_endpoint(p, v6) ? endpoint_send(p, s) : NEXT;
	return may_be_spliced(p, s) ? short_splice(p, s) : NEXT;
}

static __always_inline int short_way_ip(PKT_CTX *ctx, const struct settings *s, bool v6)
{
	struct pkt p = { .ctx = ctx,
			 .settings = s,
			 .arrived_bytes = frame_bytes(ctx),
			 .flags = PKT_PORTS | (v6 ? PKT_V6 : 0) };
	enum verdict v;

	frame_reload(&p);
	p.l3 = p.start + sizeof(struct ethhdr);
	if (p.l3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > p.end)
		return LONG_WAY;
	if (v6)
		__builtin_memcpy(p.flow.dst, &((struct ipv6hdr *)p.l3)->daddr, sizeof(p.flow.dst));
	else
		addr_from_v4(p.flow.dst, ((struct iphdr *)p.l3)->daddr);
	p.addr = addr_find(s, p.flow.dst);
	if (!p.addr) {
		count(COUNT_NOT_OURS, p.arrived_bytes);
		return XDP_PASS;
	}
	if (p.addr->vni)
		return LONG_WAY; /* to our address in a vpc it must have come in a tunnel */
	v = short_serve(&p, s, v6);
	if (!v)
		return LONG_WAY;
	count_packet(&p, v);
	return frame_act(&p, action_of(v));
}

/* An action, or LONG_WAY. Whoever watches or asks sees all packets the long way. */
__noinline int short_way(PKT_CTX *ctx)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct settings *s = settings_get();
	__u32 cookie;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || !s || is_watched() ||
	    frame_is_explained(ctx, &cookie))
		return LONG_WAY;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return short_way_ip(ctx, s, false);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return short_way_ip(ctx, s, true);
	return LONG_WAY;
}
#endif
