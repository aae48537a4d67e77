/*
 * rewrite.h - changes to headers with their checksums kept right incrementally (RFC 1624).
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"

/* Ones' complement sums, kept in 64 bits until they are folded: no carry is lost. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* A 32-bit word went from old to new; byte order does not matter as long as it is the packet's. */
static __always_inline __u64 sum_change(__u64 sum, __u32 old, __u32 new)
{
	return sum + (__u32)~old + new;
}

/* The new checksum field, after changes that were added up from 0 by sum_change. */
static __always_inline __u16 checksum_apply(__u16 check, __u64 change)
{
	return ~sum_fold((__u64)(__u16)~check + change);
}

/* needs: l3, ttl, flags; every forwarder takes one (RFC 1812, 5.3.1; RFC 8200, 3) */
static __always_inline enum verdict ttl_decrement(struct pkt *p)
{
	if (p->ttl <= 1)
		return pkt_end(p, DROP, COUNT_TTL_EXPIRED);
	if (p->flags & PKT_V6) {
		struct ipv6hdr *ip = p->l3;

		if ((void *)(ip + 1) > p->end)
			return pkt_end(p, DROP, COUNT_SHORT);
		ip->hop_limit--;
	} else {
		struct iphdr *ip = p->l3;

		if ((void *)(ip + 1) > p->end)
			return pkt_end(p, DROP, COUNT_SHORT);
		ip->check = checksum_apply(
			ip->check, sum_change(0, bpf_htons(ip->ttl << 8 | ip->protocol),
					      bpf_htons((ip->ttl - 1) << 8 | ip->protocol)));
		ip->ttl--;
	}
	return NEXT;
}
