/*
 * frame_tc.h - what tc does to a frame as a whole; frame_xdp.h has the same for XDP.
 *
 * A frame may be a super-packet, of many segments of gso_size bytes each, which the device on its
 * way out cuts (or hands on whole); it may have only its headers in one piece, its first tag beside
 * it, and its TCP checksum yet to be made (then the field holds the sum of the pseudo-header).
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include "bpf/abi/sample.h"
#include "bpf/lib/checksum.h"
#include "bpf/lib/parse_link.h"
#include "bpf/lib/pkt.h"

enum {
	FRAME_TAGS = 0,
	HEADERS_BYTES = 256, /* more than all headers that we read, inner or quoted ones as well */
	IP_BYTES_MAX = 0xffff,
	/* BPF_F_ADJ_ROOM_DECAP_L3_IPV4 and 6, Linux 6.3: not in all headers yet. */
	DECAP_TO_IPV4 = 1 << 7,
	DECAP_TO_IPV6 = 1 << 8,
};

static __always_inline __u32 frame_ifindex(const struct __sk_buff *skb)
{
	return skb->ifindex;
}

static __always_inline __u32 frame_bytes(const struct __sk_buff *skb)
{
	return skb->len + PKT_TAGS_BESIDE(skb) * sizeof(struct vlan_tag);
}

static __always_inline __u32 frame_vlan(const struct __sk_buff *skb, __u32 first)
{
	return skb->vlan_present ? skb->vlan_tci : first;
}

static __always_inline bool frame_holds(const struct pkt *p, const void *here, __u32 n)
{
	return (__u32)((long)here - (long)p->start) + n <= p->ctx->len;
}

/* True where TCP's whole header, behind an IP header without options, can be read already. */
static __always_inline bool has_tcp(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct tcphdr *tcp;

	if ((void *)(ip6 + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && ip->protocol == IPPROTO_TCP && ip->ihl == 5)
		tcp = (void *)(ip + 1);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && ip6->nexthdr == IPPROTO_TCP)
		tcp = (void *)(ip6 + 1);
	else
		return false;
	return (void *)(tcp + 1) <= end && (void *)tcp + tcp->doff * 4 <= end;
}

static __always_inline long frame_read(struct __sk_buff *skb, __u32 at, void *to, __u32 n)
{
	return bpf_skb_load_bytes(skb, at, to, n);
}

/* All headers come into one piece. Mostly they are; verified on its own. */
__noinline int frame_pull(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 there = skb->data_end - skb->data, want = skb->len;

	if (want > HEADERS_BYTES)
		want = HEADERS_BYTES;
	if (there >= want || has_tcp(data, end))
		return 0;
	return (int)bpf_skb_pull_data(skb, want);
}

static __always_inline __u32 frame_wire_bytes(const struct pkt *p)
{
	__u32 size = p->ctx->gso_size;
	const struct tcphdr *tcp = p->l4;

	if (!size || !tcp)
		return p->l3_len;
	if (p->flow.proto != IPPROTO_TCP)
		return p->l4_off + sizeof(struct udphdr) + size;
	if ((void *)(tcp + 1) > p->end)
		return p->l3_len;
	return p->l4_off + tcp->doff * 4 + size;
}

/* Only the kernel knows whether the sum is complete. */
static __always_inline void frame_sum(struct __sk_buff *skb, __u16 *check, __u32 check_at,
				      __u64 pseudo, __u64 rest)
{
	if (pseudo)
		bpf_l4_csum_replace(skb, check_at, 0, sum_fold(pseudo), BPF_F_PSEUDO_HDR);
	if (rest)
		bpf_l4_csum_replace(skb, check_at, 0, sum_fold(rest), 0);
}

static __always_inline void frame_sum_udp(struct __sk_buff *skb, __u16 *check, __u32 check_at,
					  __u64 pseudo, __u64 rest)
{
	__u64 flags = BPF_F_MARK_MANGLED_0; /* 0 stays 0, and none becomes 0 */

	bpf_l4_csum_replace(skb, check_at, 0, sum_fold(pseudo), flags | BPF_F_PSEUDO_HDR);
	if (rest)
		bpf_l4_csum_replace(skb, check_at, 0, sum_fold(rest), flags);
}

/* Super-packets have no padding: cut, it would be none any more. */
static __always_inline bool frame_trim(struct pkt *p, __u32 l2)
{
	__u32 bytes = l2 + p->l3_len;

	return p->ctx->gso_size || p->ctx->len <= bytes || !bpf_skb_change_tail(p->ctx, bytes, 0);
}

/*
 * 0 where no tag is left: the tag beside the frame goes, and the next one takes its place. A
 * function of its own, as what follows it: inlined, they multiply for the verifier.
 */
__noinline int untag(struct __sk_buff *skb, __u32 tags)
{
	for (__u32 i = 0; i <= VLAN_DEPTH_MAX && i < tags; i++)
		if (bpf_skb_vlan_pop(skb))
			return -1;
	return 0;
}

/* Each segment will be wrapped alike: so it must fit (frame_wire_bytes), and all of it too. */
static __always_inline bool frame_wrap(struct pkt *p, __u32 l2, bool tag, __u32 bytes, bool v6)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
		      BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;

	flags |= v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	return p->l3_len + bytes <= IP_BYTES_MAX && !untag(p->ctx, p->vlan_tags) &&
	       !bpf_skb_adjust_room(p->ctx, (int)bytes, BPF_ADJ_ROOM_MAC, flags);
}

/* The outer Ethernet header stays, for what is inside: nothing but IP can be. */
static __always_inline bool frame_unwrap(struct pkt *p)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	int bytes = (int)((long)p->at - (long)p->l3) + ETH_HLEN;
	struct ethhdr *eth = p->at;
	__be16 proto;

	if ((void *)(eth + 1) > p->end)
		return false;
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_IP))
		flags |= DECAP_TO_IPV4;
	else if (proto == bpf_htons(ETH_P_IPV6))
		flags |= DECAP_TO_IPV6;
	else
		return false;
	if (untag(p->ctx, p->vlan_tags) ||
	    bpf_skb_adjust_room(p->ctx, -bytes, BPF_ADJ_ROOM_MAC, flags))
		return false;
	eth = (void *)(long)p->ctx->data;
	if ((void *)(eth + 1) > (void *)(long)p->ctx->data_end)
		return false;
	eth->h_proto = proto;
	return true;
}

static __always_inline bool frame_retag(struct pkt *p, bool tag)
{
	return !untag(p->ctx, p->vlan_tags);
}

static __always_inline bool frame_tag(struct pkt *p, __u16 vlan)
{
	return !vlan || !bpf_skb_vlan_push(p->ctx, bpf_htons(ETH_P_8021Q), vlan);
}

static __always_inline bool frame_reshape(struct __sk_buff *skb, __u32 bytes, __u32 room)
{
	return !bpf_skb_change_tail(skb, bytes, 0) && !bpf_skb_change_head(skb, room, 0) &&
	       !bpf_skb_pull_data(skb, bytes + room); /* all of it will be summed up */
}

/* The kernel applies a change of what a checksum covers only where it is complete. */
static __always_inline bool frame_is_unsummed(struct __sk_buff *skb, __u32 check_at)
{
	__u16 was, now;

	if (bpf_skb_load_bytes(skb, check_at, &was, sizeof(was)) ||
	    bpf_l4_csum_replace(skb, check_at, 0, 1, 0) ||
	    bpf_skb_load_bytes(skb, check_at, &now, sizeof(now)))
		return false;
	return now == was || bpf_skb_store_bytes(skb, check_at, &was, sizeof(was), 0);
}

/* Where a tc program has no frame's front, the mark is in the control block. */
static __always_inline bool frame_is_explained(struct __sk_buff *skb, __u32 *out_cookie)
{
	if (skb->cb[0] != (__u32)EXPLAIN_MAGIC || skb->cb[1] != (__u32)(EXPLAIN_MAGIC >> 32))
		return false;
	*out_cookie = skb->cb[2];
	return true;
}

/* What passes is for other filters too. */
static __always_inline int frame_act(struct pkt *p, __u32 action)
{
	switch (action) {
	case XDP_DROP:
		return TC_ACT_SHOT;
	case XDP_TX:
		return (int)bpf_redirect(p->ctx->ifindex, 0);
	case XDP_REDIRECT:
		return (int)bpf_redirect(p->out_ifindex, 0);
	default:
		return TC_ACT_UNSPEC;
	}
}
