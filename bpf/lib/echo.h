/*
 * echo.h - echo requests to a vip: answered on the spot, at the rate of who asks.
 */
#pragma once
#include <linux/if_ether.h>

#include "bpf/lib/checksum.h"
#include "bpf/lib/icmp.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/tcp_options.h"

static __always_inline void swap_words(__u32 *a, __u32 *b, int words)
{
	for (int i = 0; i < words; i++) {
		__u32 keep = a[i];

		a[i] = b[i];
		b[i] = keep;
	}
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 keep[ETH_ALEN];

	__builtin_memcpy(keep, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, keep, ETH_ALEN);
}

/* Whether what follows the IP header is a request for an echo. */
__noinline int echo_is_request(PKT_CTX *ctx, __u32 l4_at, __u32 v6)
{
	void *end = (void *)(long)ctx->data_end;
	__u8 *icmp = (void *)(long)ctx->data + (l4_at & FRAME_OFF_MAX);

	if ((void *)(icmp + sizeof(struct icmp_head)) > end)
		return 0;
	return icmp[0] == (v6 ? ICMP6_ECHO : ICMP4_ECHO) && icmp[1] == 0;
}

/* The request becomes the answer. Its sums are changed, not made: what was wrong stays wrong. */
__noinline int echo_answer_v4(PKT_CTX *ctx, __u32 l3_at)
{
	void *end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + (l3_at & FRAME_OFF_MAX);
	struct icmp_head *icmp = (void *)(ip + 1);
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end || (void *)(icmp + 1) > end)
		return 0;
	swap_macs(eth);
	swap_words(&ip->saddr, &ip->daddr, 1);
	ip->check = checksum_apply(ip->check,
				   sum_change(0, bpf_htons(ip->ttl << 8), bpf_htons(OWN_TTL << 8)));
	ip->ttl = OWN_TTL;
	icmp->type = ICMP4_ECHO_REPLY;
	icmp->check = checksum_apply(icmp->check, sum_change(0, bpf_htons(ICMP4_ECHO << 8), 0));
	return 1;
}

__noinline int echo_answer_v6(PKT_CTX *ctx, __u32 l3_at)
{
	void *end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	struct ipv6hdr *ip = data + (l3_at & FRAME_OFF_MAX);
	struct icmp_head *icmp = (void *)(ip + 1);
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end || (void *)(icmp + 1) > end)
		return 0;
	swap_macs(eth);
	swap_words(ip->saddr.s6_addr32, ip->daddr.s6_addr32, 4);
	ip->hop_limit = OWN_TTL;
	icmp->type = ICMP6_ECHO_REPLY;
	icmp->check = checksum_apply(icmp->check, sum_change(0, bpf_htons(ICMP6_ECHO << 8),
							     bpf_htons(ICMP6_ECHO_REPLY << 8)));
	return 1;
}

/*
 * needs: flow, l3, l4_off, flags; addr_flags of the vip's address. NEXT: the stack has it, as all
 * that cannot be answered in place (fragments, options, what came in a tunnel).
 */
static __always_inline enum verdict echo(struct pkt *p, __u32 addr_flags)
{
	__u32 l3_at = (__u32)((long)p->l3 - (long)p->start);
	bool v6 = p->flags & PKT_V6;

	if (!is_icmp(p) || !(addr_flags & (ADDR_ANSWER | ADDR_NO_ANSWER)) || p->flags & PKT_LATER ||
	    !echo_is_request(p->ctx, l3_at + p->l4_off, v6))
		return NEXT;
	if (addr_flags & ADDR_NO_ANSWER)
		return pkt_end(p, DROP, COUNT_PING_DROPPED);
	if (p->flags & (PKT_FRAGMENT | PKT_UNWRAPPED) ||
	    p->l4_off != (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return NEXT;
	if (v6 ? !echo_answer_v6(p->ctx, l3_at) : !echo_answer_v4(p->ctx, l3_at))
		return NEXT;
	return pkt_end(p, SEND_BACK, COUNT_PING_ANSWERED);
}
