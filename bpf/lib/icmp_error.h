/*
 * icmp_error.h - ICMP errors about packets that an end of one of our connections sent, or seemed
 * to send: what they quote, and how they reach that end.
 *
 * About an L4 connection: the quote turned round is the flow as its own packets arrive here; with
 * that flow the error goes through the same lookup to the same endpoint, unchanged, and leaves no
 * trace in the flow table. About a spliced one: see splice_error.h.
 */
#pragma once
#include "bpf/lib/icmp.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/tcp_options.h"

enum { QUOTE_L4_BYTES = 8 /* ports, and TCP's sequence number; RFC 792 promises no more */ };

static __always_inline struct quote *quote_get(void)
{
	__u32 zero = 0;

	return array_at(&quotes, zero);
}

/* True where an IPv4 packet is quoted that has ports; then all of quote is known but the end. */
static __always_inline bool quote_v4(void *data, void *end, struct quote *q)
{
	struct iphdr *ip = data + (q->ip_at & FRAME_OFF_MAX);

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 ||
	    ip->frag_off & bpf_htons(IPV4_OFFSET_MASK))
		return false;
	addr_from_v4(q->flow.dst, ip->saddr);
	addr_from_v4(q->flow.src, ip->daddr);
	q->flow.proto = ip->protocol;
	q->l4_at = q->ip_at + ip->ihl * 4;
	return true;
}

static __always_inline bool quote_v6(PKT_CTX *ctx, void *data, void *end, struct quote *q)
{
	struct ipv6hdr *ip = data + (q->ip_at & FRAME_OFF_MAX);
	__u32 got, id = 0;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return false;
	__builtin_memcpy(q->flow.dst, &ip->saddr, sizeof(q->flow.dst));
	__builtin_memcpy(q->flow.src, &ip->daddr, sizeof(q->flow.src));
	q->flow.proto = ip->nexthdr;
	q->l4_at = q->ip_at + sizeof(*ip);
	if (!is_ext(ip->nexthdr))
		return true;
	got = ipv6_walk(ctx, q->l4_at, ip->nexthdr, &id);
	if (got & (WALK_SHORT | WALK_ENDLESS | WALK_LATER))
		return false;
	q->flow.proto = (__u8)(got >> WALK_NEXT_SHIFT);
	q->l4_at = got & WALK_OFF_MASK;
	return true;
}

static __always_inline bool is_error(const struct icmp_head *icmp, __u32 v6)
{
	if (v6)
		return icmp->type >= ICMP6_UNREACHABLE && icmp->type <= ICMP6_PARAMETER;
	return icmp->type == ICMP4_UNREACHABLE || icmp->type == ICMP4_TIME_EXCEEDED ||
	       icmp->type == ICMP4_PARAMETER;
}

/* 1 where the packet is an error that quotes TCP or UDP with its ports. Rare, so not inlined. */
__noinline int quote_read(PKT_CTX *ctx, __u32 v6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct icmp_head *icmp;
	__be16 *ports;

	if (!q)
		return 0;
	icmp = data + (q->icmp_at & FRAME_OFF_MAX);
	if ((void *)(icmp + 1) > end || !is_error(icmp, v6))
		return 0;
	q->ip_at = q->icmp_at + sizeof(*icmp);
	if (v6 ? !quote_v6(ctx, data, end, q) : !quote_v4(data, end, q))
		return 0;
	if (q->flow.proto != IPPROTO_TCP && q->flow.proto != IPPROTO_UDP)
		return 0;
	ports = data + (q->l4_at & FRAME_OFF_MAX);
	if (q->l4_at + QUOTE_L4_BYTES > q->end_at || q->l4_at > FRAME_OFF_MAX ||
	    (void *)ports + QUOTE_L4_BYTES > end)
		return 0;
	q->flow.dport = ports[0];
	q->flow.sport = ports[1];
	return 1;
}
