/*
 * vxlan_headers.h - what stands before a packet in VXLAN (RFC 7348).
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/lib/checksum.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/pkt.h"

struct vxlanhdr {
	__be32 flags; /* 0x08000000: the VNI is valid */
	__be32 vni;   /* upper 24 bits */
};

#define VXLAN_HAS_VNI 0x08000000

enum {
	VXLAN_BYTES = sizeof(struct udphdr) + sizeof(struct vxlanhdr) + ETH_HLEN,
	WRAP_V4_BYTES = sizeof(struct iphdr) + VXLAN_BYTES,
	WRAP_V6_BYTES = sizeof(struct ipv6hdr) + VXLAN_BYTES,
	OUTER_TTL = 64,
	SOURCE_PORT_FIRST = 49152, /* RFC 7348, 5: the dynamic range */
};

static __always_inline bool tunnel_is_v6(const struct tunnel *to)
{
	return to->vtep[0] || to->vtep[1] || to->vtep[2] != bpf_htonl(0xffff);
}

static __always_inline void put_ipv4(struct iphdr *ip, const struct pkt *p,
				     const struct settings *s, const struct tunnel *to)
{
	const __be32 first = bpf_htonl(0x45000000 | (__u32)(p->l3_len + WRAP_V4_BYTES));
	const __be32 third = bpf_htonl(OUTER_TTL << 24 | IPPROTO_UDP << 16);
	__be32 *word = (__be32 *)ip, src = s->tunnel[3], dst = to->vtep[3];

	word[0] = first; /* version, length of the header, TOS 0, whole length */
	word[1] = bpf_htonl(IPV4_DONT);
	word[2] = third; /* the sum is still 0 */
	word[3] = src;
	word[4] = dst;
	ip->check = ~sum_fold((__u64)first + bpf_htonl(IPV4_DONT) + third + src + dst);
}

static __always_inline void put_ipv6(struct ipv6hdr *ip, const struct pkt *p,
				     const struct settings *s, const struct tunnel *to)
{
	*(__be32 *)ip = bpf_htonl(6u << 28 | ((__u32)p->hash & 0xfffff)); /* RFC 6438 */
	ip->payload_len = bpf_htons(p->l3_len + VXLAN_BYTES);
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, s->tunnel, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to->vtep, sizeof(ip->daddr));
}

/* UDP, VXLAN and the inner Ethernet header. */
static __always_inline void put_vxlan(void *at, const struct pkt *p, const struct tunnel *to)
{
	struct udphdr *udp = at;
	struct vxlanhdr *vx = (void *)(udp + 1);
	struct ethhdr *eth = (void *)(vx + 1);

	udp->source = bpf_htons(SOURCE_PORT_FIRST | (p->hash & 0x3fff));
	udp->dest = bpf_htons(VXLAN_PORT);
	udp->len = bpf_htons(p->l3_len + VXLAN_BYTES);
	/* None: RFC 7348, 4.1; over IPv6 RFC 6935, where the peer must allow it. */
	udp->check = 0;
	vx->flags = bpf_htonl(VXLAN_HAS_VNI);
	vx->vni = bpf_htonl(to->vni << 8);
	put_mac(eth->h_dest, to->inner_dst);
	put_mac(eth->h_source, to->inner_src);
	eth->h_proto = p->flags & PKT_V6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
}
