/*
 * probe_wrap.h - what our own stack sends to a vip at one endpoint, chosen by its mark: wrapped as
 * a client's packet to that endpoint is, towards the same next hop.
 */
#pragma once
#include <linux/pkt_cls.h>

#include "bpf/lib/count.h"
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/table.h"
#include "bpf/lib/vxlan_headers.h"

static __always_inline int probe_unsent(struct __sk_buff *skb)
{
	count(COUNT_EGRESS_UNSENT, skb->len);
	return TC_ACT_SHOT;
}

/* Room between Ethernet and IP; super-packets and partial checksums know of the tunnel then. */
static __always_inline bool probe_room(struct __sk_buff *skb, bool v6)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH;

	flags |= v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	return bpf_skb_adjust_room(skb, v6 ? WRAP_V6_BYTES : WRAP_V4_BYTES, BPF_ADJ_ROOM_MAC,
				   flags) == 0;
}

static __always_inline bool probe_write(struct pkt *p, const struct next_hop *hop,
					const struct settings *s, const struct tunnel *to, bool v6)
{
	struct ethhdr *eth;

	p->start = (void *)(long)p->ctx->data;
	p->end = (void *)(long)p->ctx->data_end;
	eth = p->start;
	if (p->start + ETH_HLEN + (v6 ? WRAP_V6_BYTES : WRAP_V4_BYTES) > p->end)
		return false;
	put_mac(eth->h_dest, hop->dst_mac);
	put_mac(eth->h_source, hop->src_mac);
	eth->h_proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (v6) {
		put_ipv6((void *)(eth + 1), p, s, to);
		put_vxlan((void *)(eth + 1) + sizeof(struct ipv6hdr), p, to);
	} else {
		put_ipv4((void *)(eth + 1), p, s, to);
		put_vxlan((void *)(eth + 1) + sizeof(struct iphdr), p, to);
	}
	return true;
}

/* The kernel keeps the tag beside the frame. */
static __always_inline bool probe_tag(struct __sk_buff *skb, const struct next_hop *hop)
{
	if (skb->vlan_present && skb->vlan_tci == hop->vlan)
		return true;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return false;
	return !hop->vlan || bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), hop->vlan) == 0;
}

static __always_inline int probe_leave(struct __sk_buff *skb, const struct next_hop *hop)
{
	count(COUNT_EGRESS_WRAPPED, skb->len);
	skb->mark = 0;
	return hop->ifindex == skb->ifindex ? TC_ACT_UNSPEC : bpf_redirect(hop->ifindex, 0);
}

/* As direct.h does: only the frame's addresses change. */
static __always_inline int probe_direct(struct __sk_buff *skb, const struct pkt *p,
					const struct next_hop *hop)
{
	if (!is_same_ip(hop->via, p->to->vtep) ||
	    bpf_skb_store_bytes(skb, 0, hop->dst_mac, ETH_ALEN, 0) ||
	    bpf_skb_store_bytes(skb, ETH_ALEN, hop->src_mac, ETH_ALEN, 0) || !probe_tag(skb, hop))
		return probe_unsent(skb);
	return probe_leave(skb, hop);
}

/*
 * What our own stack sends, by the next hop of this index. A function of its own: endpoints and
 * splices lie in different maps, and all of it would be verified for each.
 */
__noinline int tunnel_wrap(struct __sk_buff *skb, const struct tunnel *to, __u32 index)
{
	const struct next_hop *hop = array_at(&shunt_next_hops, index);
	struct pkt p = { .ctx = skb, .l3_len = (__u16)(skb->len - ETH_HLEN) };
	const struct settings *s = settings_get();
	bool v6;

	if (!to || !s || !hop || !hop->ready ||
	    (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)))
		return probe_unsent(skb);
	p.hash = bpf_get_hash_recalc(skb);
	p.flags = skb->protocol == bpf_htons(ETH_P_IPV6) ? PKT_V6 : 0;
	v6 = tunnel_is_v6(to);
	if (!skb->gso_size && p.l3_len + (v6 ? WRAP_V6_BYTES : WRAP_V4_BYTES) > hop->mtu)
		return probe_unsent(skb);
	if (!probe_room(skb, v6) || !probe_write(&p, hop, s, to, v6) || !probe_tag(skb, hop))
		return probe_unsent(skb);
	return probe_leave(skb, hop);
}

/* own_vni: of our address from which it comes, 0: in no vpc. To another vpc nothing of it may go:
 * the id in the mark of an old socket may be another endpoint's by now. */
static __always_inline int probe_wrap(struct __sk_buff *skb, __u32 own_vni)
{
	struct pkt p = { .ctx = skb };
	const struct next_hop *hop = NULL;
	__u32 index;

	p.to = endpoint_without(skb->mark & PROBE_MARK_ID, 0);
	if (p.to) {
		index = p.to->next_hop;
		hop = array_at(&shunt_next_hops, index);
	}
	if (!hop || !hop->ready || (own_vni && own_vni != p.to->tunnel.vni))
		return probe_unsent(skb);
	if (skb->mark & PROBE_MARK_DIRECT)
		return probe_direct(skb, &p, hop);
	return tunnel_wrap(skb, &p.to->tunnel, index);
}
