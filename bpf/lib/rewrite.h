/*
 * rewrite.h - changes to headers with their checksums kept right incrementally (RFC 1624).
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/lib/checksum.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"

/* needs: l3, ttl, flags; every forwarder takes one (RFC 1812, 5.3.1; RFC 8200, 3) */
static __always_inline enum verdict ttl_decrement(struct pkt *p)
{
	__u32 check;

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
		/* One less in the upper byte of a word is one more there in the complement. */
		check = (__u32)ip->check + bpf_htons(0x100);
		ip->check = (__u16)(check + (check >= 0xffff));
		ip->ttl--;
	}
	return NEXT;
}
