/*
 * parse_link.h - Ethernet and up to VLAN_DEPTH_MAX tags.
 */
#pragma once
#include <linux/if_ether.h>

#include "bpf/abi/sizes.h"
#include "bpf/lib/pkt.h"

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

enum {
	LINK_BYTES_MASK = 31, /* more than a header with its tags is long */
	VLAN_ID = 0xfff,
};

static __always_inline bool is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/* needs: start, end; sets: at, proto, vlan_tags */
static __always_inline enum verdict parse_link(struct pkt *p)
{
	struct ethhdr *eth;

	p->at = p->start;
	p->vlan_tags = PKT_TAGS_BESIDE(p->ctx);
	eth = pkt_pull(p, sizeof(*eth));
	if (!eth)
		return pkt_end(p, PASS, COUNT_NOT_IP);
	p->proto = eth->h_proto;
#pragma unroll
	for (int i = 0; i < VLAN_DEPTH_MAX; i++) {
		struct vlan_tag *tag;

		if (!is_vlan(p->proto) || p->vlan_tags == VLAN_DEPTH_MAX) /* one may be beside */
			break;
		tag = pkt_pull(p, sizeof(*tag));
		if (!tag)
			return pkt_end(p, PASS, COUNT_NOT_IP);
		p->proto = tag->proto;
		p->vlan_tags++;
	}
	if (p->proto != bpf_htons(ETH_P_IP) && p->proto != bpf_htons(ETH_P_IPV6))
		return pkt_end(p, PASS, COUNT_NOT_IP);
	p->at = p->start + (forget((__u32)((long)p->at - (long)p->start), p->settings->epoch) &
			    LINK_BYTES_MASK);
	return NEXT;
}
