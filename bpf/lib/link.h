/*
 * link.h - the frame's outside on its way out: Ethernet, and a tag where the next hop wants one.
 */
#pragma once
#include <linux/if_ether.h>
#include <stdbool.h>

#include "bpf/abi/flow.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/pkt.h"

/* Ethernet, tagged where the next hop is behind a VLAN; returns what follows it, or NULL. */
static __always_inline void *put_link(struct pkt *p, const struct next_hop *hop, bool v6)
{
	__be16 proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	struct ethhdr *eth = p->start;
	struct vlan_tag *tag = (void *)(eth + 1);

	if ((void *)(tag + 1) > p->end)
		return NULL;
	put_mac(eth->h_dest, hop->dst_mac);
	put_mac(eth->h_source, hop->src_mac);
	if (!FRAME_TAGS || !hop->vlan) {
		eth->h_proto = proto;
		return eth + 1;
	}
	eth->h_proto = bpf_htons(ETH_P_8021Q);
	tag->tci = bpf_htons(hop->vlan);
	tag->proto = proto;
	return tag + 1;
}

/* From whom and to whom of ours the frame came; false: by more tags than an answer can have. */
static __always_inline bool link_read(const struct pkt *p, struct flow_link *out_from,
				      struct flow_link *out_to)
{
	struct ethhdr *eth = p->start;
	struct vlan_tag *tag = (void *)(eth + 1);

	if ((void *)(tag + 1) > p->end || p->vlan_tags > 1)
		return false;
	__builtin_memcpy(out_from->mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(out_to->mac, eth->h_dest, ETH_ALEN);
	out_from->more = p->vlan_tags ? frame_vlan(p->ctx, bpf_ntohs(tag->tci)) & VLAN_ID : 0;
	return true;
}

/* Where a packet leaves that goes to this next hop. */
static __always_inline enum verdict link_send(struct pkt *p, const struct next_hop *hop)
{
	if (!frame_tag(p, hop->vlan))
		return pkt_end(p, DROP, COUNT_NO_HEADROOM);
	p->out_ifindex = hop->ifindex;
	return hop->ifindex == frame_ifindex(p->ctx) ? SEND_BACK : REDIRECT;
}
