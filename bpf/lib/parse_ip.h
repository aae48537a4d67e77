/*
 * parse_ip.h - IPv4 with options, IPv6 with extension headers, down to the transport header.
 *
 * Judges nothing: what is odd about a packet is noted in p->odd, and only when it is for one of
 * our vips does judge.h act on it.
 */
#pragma once
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include "bpf/abi/sizes.h"
#include "bpf/lib/checksum.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/pkt.h"

#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_MORE        0x2000
#define IPV4_DONT        0x4000

enum { IPV4_OPTION_WORDS_MAX = 10, IPV4_AT_MAX = 63 /* behind Ethernet and all tags */ };

enum {
	EXT_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AUTH = 51,
	EXT_NONE = 59,
	EXT_DEST = 60
};

struct ipv6_ext {
	__u8 next;
	__u8 len; /* in units of 8 bytes behind the first; of 4 behind the first two for AH */
	__be16 frag_offset; /* EXT_FRAGMENT only */
	__be32 id;
};

static __always_inline void addr_from_v4(__be32 to[4], __be32 ip)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = ip;
}

/* The first oddity counts: later ones follow from it. */
static __always_inline void pkt_odd(struct pkt *p, enum counter why)
{
	if (p->flags & PKT_ODD)
		return;
	p->flags |= PKT_ODD;
	p->why = why;
}

/* The sum of IPv4 options. Rare, so not inlined. */
__noinline __u32 ipv4_options_sum(PKT_CTX *ctx, __u32 at, __u32 words)
{
	void *end = (void *)(long)ctx->data_end;
	__u32 *word = (void *)(long)ctx->data + (at & IPV4_AT_MAX);
	__u64 sum = 0;

	for (__u32 i = 0; i < IPV4_OPTION_WORDS_MAX && i < words; i++) {
		if ((void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return sum_fold(sum);
}

/* RFC 1812, 5.2.2: a router looks. head is at least the header's, and within the frame. */
static __always_inline bool ipv4_sum_is_right(struct pkt *p, const struct iphdr *ip, __u32 head)
{
	const __u32 *word = (const __u32 *)ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	/* Read anew: what the verifier learns of head here would double all that comes behind. */
	if ((*(const volatile __u8 *)ip & 15) > 5)
		sum += ipv4_options_sum(p->ctx, (__u32)((long)ip - (long)p->start) + sizeof(*ip),
					(head - sizeof(*ip)) / 4);
	return sum_fold(sum) == 0xffff;
}

static __always_inline enum verdict parse_ipv4(struct pkt *p)
{
	struct iphdr *ip = p->l3;
	__u32 head, total;
	__u16 frag;

	if ((void *)(ip + 1) > p->end)
		return pkt_end(p, PASS, COUNT_NOT_IP);
	addr_from_v4(p->flow.src, ip->saddr);
	p->flow.proto = ip->protocol;
	p->ttl = ip->ttl;
	head = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	p->l3_len = total;
	p->l4_off = head;
	if (ip->version != 4 || head < sizeof(*ip)) {
		pkt_odd(p, COUNT_BAD_HEADER);
		return NEXT;
	}
	if (total < head || !frame_holds(p, ip, total))
		pkt_odd(p, COUNT_BAD_LENGTH);
	frag = bpf_ntohs(ip->frag_off);
	if (frag & (IPV4_OFFSET_MASK | IPV4_MORE)) {
		p->flags |= PKT_FRAGMENT;
		p->frag_id = ip->id;
	}
	if (frag & IPV4_OFFSET_MASK)
		p->flags |= PKT_LATER;
	p->at = (void *)ip + head;
	if (p->at > p->end)
		pkt_odd(p, COUNT_SHORT);
	else if (!ipv4_sum_is_right(p, ip, head))
		pkt_odd(p, COUNT_BAD_CHECKSUM);
	return NEXT;
}

static __always_inline bool is_ext(__u8 proto)
{
	return proto == EXT_HOP || proto == EXT_ROUTING || proto == EXT_FRAGMENT ||
	       proto == EXT_AUTH || proto == EXT_DEST;
}

/* What ipv6_walk returns, in one scalar: offset behind the last header, next header, flags. */
enum {
	WALK_OFF_MASK = 0xfff,
	WALK_NEXT_SHIFT = 16,
	WALK_FRAGMENT = 1 << 24,
	WALK_LATER = 1 << 25,
	WALK_SHORT = 1 << 26,
	WALK_ENDLESS = 1 << 27,
};

enum { WALK_OFF_MAX = 0xfff };

static __always_inline __u32 ext_bytes(const struct ipv6_ext *ext, __u8 kind)
{
	if (kind == EXT_FRAGMENT)
		return sizeof(*ext);
	return kind == EXT_AUTH ? (ext->len + 2) * 4 : (ext->len + 1) * 8;
}

static __always_inline __u32 fragment_flags(const struct ipv6_ext *ext)
{
	__u32 flags = 0;

	if (ext->frag_offset & bpf_htons(0xfff9)) /* else an atomic one, RFC 6946 */
		flags |= WALK_FRAGMENT;
	if (ext->frag_offset & bpf_htons(0xfff8))
		flags |= WALK_LATER;
	return flags;
}

/*
 * The chain of extension headers that begins at data + off with the kind next. A function of its
 * own: inlined, its turns multiply with all that comes behind, beyond what the verifier of Linux
 * 6.18 walks through (clang 19). *id is a fragment's.
 */
__noinline __u32 ipv6_walk(PKT_CTX *ctx, __u32 off, __u32 next, __u32 *id)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 flags = 0;

	for (int i = 0; i < IPV6_EXT_DEPTH_MAX; i++) {
		struct ipv6_ext *ext;

		if (!is_ext((__u8)next))
			break;
		if (off > WALK_OFF_MAX - 1)
			return WALK_SHORT;
		ext = data + (off & WALK_OFF_MASK);
		if ((void *)(ext + 1) > end)
			return WALK_SHORT | flags;
		off += ext_bytes(ext, (__u8)next);
		if (next == EXT_FRAGMENT) {
			flags |= fragment_flags(ext);
			if (id)
				*id = ext->id;
		}
		next = ext->next;
		if (flags & WALK_LATER)
			break; /* what follows is payload */
	}
	if (is_ext((__u8)next) && !(flags & WALK_LATER))
		flags |= WALK_ENDLESS;
	if (off > WALK_OFF_MAX)
		return WALK_SHORT | flags;
	return off | (next & 0xff) << WALK_NEXT_SHIFT | flags;
}

static __always_inline void ipv6_extensions(struct pkt *p, __u32 next)
{
	__u32 l3_off = (__u32)((long)p->l3 - (long)p->start);
	__u32 got = ipv6_walk(p->ctx, l3_off + sizeof(struct ipv6hdr), next, &p->frag_id);

	if (got & WALK_SHORT)
		pkt_odd(p, COUNT_SHORT);
	if (got & WALK_ENDLESS)
		pkt_odd(p, COUNT_BAD_HEADER);
	if (got & WALK_FRAGMENT)
		p->flags |= PKT_FRAGMENT;
	if (got & (WALK_LATER | WALK_SHORT)) /* no ports to be read */
		p->flags |= PKT_LATER;
	p->flow.proto = (__u8)(got >> WALK_NEXT_SHIFT);
	p->l4_off = (__u16)((got & WALK_OFF_MASK) - l3_off);
	p->at = p->start + (got & WALK_OFF_MASK);
}

static __always_inline enum verdict parse_ipv6(struct pkt *p)
{
	struct ipv6hdr *ip = p->l3;
	__u32 total;

	if ((void *)(ip + 1) > p->end)
		return pkt_end(p, PASS, COUNT_NOT_IP);
	p->flags |= PKT_V6;
	p->at = ip + 1;
	__builtin_memcpy(p->flow.src, &ip->saddr, sizeof(p->flow.src));
	p->ttl = ip->hop_limit;
	total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (total > 0xffff)
		total = 0xffff;
	p->l3_len = total;
	if (ip->version != 6)
		pkt_odd(p, COUNT_BAD_HEADER);
	else if (!frame_holds(p, ip, total))
		pkt_odd(p, COUNT_BAD_LENGTH);
	p->flow.proto = ip->nexthdr;
	p->l4_off = sizeof(*ip);
	if (is_ext(ip->nexthdr))
		ipv6_extensions(p, ip->nexthdr);
	if (p->l4_off > total)
		pkt_odd(p, COUNT_BAD_LENGTH);
	return NEXT;
}

/* needs: at, proto; sets: l3, flow.dst. No more than what tells whether it is for us. */
static __always_inline enum verdict parse_destination(struct pkt *p)
{
	p->l3 = p->at;
	if (p->proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = pkt_pull(p, sizeof(*ip));

		if (!ip)
			return pkt_end(p, PASS, COUNT_NOT_IP);
		addr_from_v4(p->flow.dst, ip->daddr);
	} else {
		struct ipv6hdr *ip = pkt_pull(p, sizeof(*ip));

		if (!ip)
			return pkt_end(p, PASS, COUNT_NOT_IP);
		__builtin_memcpy(p->flow.dst, &ip->daddr, sizeof(p->flow.dst));
	}
	return NEXT;
}

/* needs: l3, proto; sets: l3_len, l4_off, at, flow but for ports, ttl, flags */
static __always_inline enum verdict parse_ip(struct pkt *p)
{
	if (p->proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(p);
	return parse_ipv6(p);
}
