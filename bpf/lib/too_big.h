/*
 * too_big.h - what its sender is told: a packet that does not fit is answered with what would
 * (RFC 1191, RFC 8201), one whose TTL or hop limit is used up with that (RFC 1812, 5.3.1; RFC 4443,
 * 3.3), so that traceroute sees a hop here.
 *
 * IPv4 without don't-fragment is answered too: XDP can make no two packets out of one. Senders
 * that look for the path's MTU (all of today's, whatever the bit says) then send less.
 *
 * The answer comes from whom the packet was sent to, the one address of ours of which it is sure
 * that the sender, its firewall and every reverse-path filter on the way expect packets.
 */
#pragma once
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/lib/checksum.h"
#include "bpf/lib/echo.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/icmp.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"

enum {
	TOLD_PER_SECOND_MAX = 1000, /* on each CPU */
	TOLD_SECOND_SHIFT = 30,     /* nanoseconds to something near a second */
	QUOTE_V4_MAX = 548,         /* all of the answer in 576 bytes: RFC 1812, 4.3.2.3 */
	QUOTE_V6_MAX = 1232,        /* and in 1280: RFC 4443, 2.4 (c) */
	MTU_V4_MIN = 68,            /* below, there is nothing to be told */
	MTU_V6_MIN = 1280,
	LINK_BYTES_MAX = ETH_HLEN + VLAN_DEPTH_MAX * 4,
};

static __always_inline bool may_tell(void)
{
	__u32 zero = 0, now = (__u32)(bpf_ktime_get_coarse_ns() >> TOLD_SECOND_SHIFT);
	struct told *told = array_at(&shunt_told, zero);

	if (!told)
		return false;
	if (told->second != now) {
		told->second = now;
		told->count = 0;
	}
	return told->count++ < TOLD_PER_SECOND_MAX;
}

/* Ethernet and tags go where the frame now begins, turned round. */
static __always_inline bool link_back(void *data, void *end, const __u8 *link, __u32 bytes)
{
	struct ethhdr *eth = data;

	if (data + LINK_BYTES_MAX > end)
		return false;
	if (bytes == ETH_HLEN)
		__builtin_memcpy(data, link, ETH_HLEN);
	else if (bytes == ETH_HLEN + 4)
		__builtin_memcpy(data, link, ETH_HLEN + 4);
	else
		__builtin_memcpy(data, link, ETH_HLEN + 8);
	swap_macs(eth);
	return true;
}

enum { QUOTE_WORDS_MAX = (QUOTE_V6_MAX + 48) / 4 };

/* Of all words from this offset to the frame's end. Not inlined: it is walked once for both. */
__noinline __u64 sum_to_end(PKT_CTX *ctx, __u32 at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *word = data + (at & FRAME_OFF_MAX);
	__u64 sum = 0;

	for (int i = 0; i < QUOTE_WORDS_MAX; i++) {
		if ((void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return sum;
}

/*
 * A checksum in the quote that a device makes on the way out changes what our own covers. So it
 * gets the one value that making it leaves as it is: of what is missing the half, since it counts
 * itself; in ones' complement that is a rotation by one bit.
 */
__noinline int settle_quote(PKT_CTX *ctx, __u32 l4_at, __u32 check_off)
{
	__u32 at = l4_at + check_off;
	__u16 *check, half;

	if (!frame_is_unsummed(ctx, at))
		return 0;
	check = (void *)(long)ctx->data + (at & FRAME_OFF_MAX);
	if ((void *)(check + 1) > (void *)(long)ctx->data_end)
		return 0;
	*check = 0;
	half = (__u16)~sum_fold(sum_to_end(ctx, l4_at));
	half = (__u16)(half >> 1 | half << 15);
	check = (void *)(long)ctx->data + (at & FRAME_OFF_MAX);
	if ((void *)(check + 1) > (void *)(long)ctx->data_end)
		return 0;
	*check = half;
	return 1;
}

/* mtu: 0 where time is exceeded */
static __always_inline bool told_v4(PKT_CTX *ctx, __u32 at, __u32 quote, __u32 mtu)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = (void *)(long)ctx->data + (at & 31), *old;
	struct icmp_head *icmp = (void *)(ip + 1);
	__u32 *word = (__u32 *)ip;

	old = (void *)(icmp + 1);
	if ((void *)(old + 1) > end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tot_len = bpf_htons((__u16)(quote + sizeof(*ip) + sizeof(*icmp)));
	ip->ttl = OWN_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->saddr = old->daddr;
	ip->daddr = old->saddr;
	ip->check = ~sum_fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
	icmp->type = mtu ? ICMP4_UNREACHABLE : ICMP4_TIME_EXCEEDED;
	icmp->code = mtu ? ICMP4_FRAG_NEEDED : 0;
	icmp->rest = bpf_htonl(mtu); /* its lower half */
	icmp->check = ~sum_fold(sum_to_end(ctx, at + sizeof(*ip)));
	return true;
}

static __always_inline bool told_v6(PKT_CTX *ctx, __u32 at, __u32 quote, __u32 mtu)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = (void *)(long)ctx->data + (at & 31), *old;
	struct icmp_head *icmp = (void *)(ip + 1);
	__u32 len = quote + sizeof(*icmp);

	old = (void *)(icmp + 1);
	if ((void *)(old + 1) > end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 6;
	ip->payload_len = bpf_htons((__u16)len);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = OWN_TTL;
	ip->saddr = old->daddr;
	ip->daddr = old->saddr;
	icmp->type = mtu ? ICMP6_TOO_BIG : ICMP6_TIME_EXCEEDED;
	icmp->rest = bpf_htonl(mtu);
	/* The pseudo-header (RFC 8200, 8.1), then all the rest. */
	icmp->check = ~sum_fold(sum_to_end(ctx, at + offsetof(struct ipv6hdr, saddr)) +
				bpf_htonl(len) + bpf_htonl(IPPROTO_ICMPV6));
	return true;
}

enum told_how {
	TOLD_NOT,
	TOLD,        /* the frame is the answer, and to be sent back */
	TOLD_ENOUGH, /* others were, this second */
};

/* Where its headers are, in one word: l3 from the frame's start, l4 from l3, what l4 is. */
enum { L4_SHIFT = 8, L3_AT_MASK = 0xff, IS_UDP = 1 << 30 };

static __always_inline __u32 places_of(const struct pkt *p)
{
	return (__u32)((long)p->l3 - (long)p->start) | (__u32)p->l4_off << L4_SHIFT |
	       (p->flow.proto == IPPROTO_UDP ? IS_UDP : 0);
}

/*
 * The frame becomes the answer; returns enum told_how. mtu: what would fit, or 0 where time is
 * exceeded. Rare, so not inlined.
 */
__noinline __u32 tell_sender(PKT_CTX *ctx, __u32 places, __u32 l3_len, __u32 mtu, __u32 v6)
{
	__u32 l3_at = places & L3_AT_MASK, l4_off = (places & ~IS_UDP) >> L4_SHIFT;
	__u32 grow =
		(v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(struct icmp_head);
	__u32 quote = v6 ? QUOTE_V6_MAX : QUOTE_V4_MAX;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 link[LINK_BYTES_MAX];

	if (data + sizeof(link) > end || l3_at > sizeof(link))
		return TOLD_NOT;
	/* What clang 19 knows of it the verifier of 6.18 has lost by the time of `at & 31`, which
	 * clang would leave out. */
	barrier_var(l3_at);
	if (!may_tell())
		return TOLD_ENOUGH;
	__builtin_memcpy(link, data, sizeof(link));
	if (quote > l3_len)
		quote = l3_len & ~3u; /* whole words */
	if (!frame_reshape(ctx, l3_at + quote, grow))
		return TOLD_NOT;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (!link_back(data, end, link, l3_at))
		return TOLD_NOT;
	settle_quote(ctx, l3_at + grow + l4_off,
		     places & IS_UDP ? offsetof(struct udphdr, check)
				     : offsetof(struct tcphdr, check));
	if (v6 ? !told_v6(ctx, l3_at, quote, mtu) : !told_v4(ctx, l3_at, quote, mtu))
		return TOLD_NOT;
	return TOLD;
}

/*
 * needs: l3, l3_len, flags. Not told: about a later fragment or another error (RFC 1812, 4.3.2.7),
 * and not into a tunnel, where nobody waits for us.
 */
static __always_inline enum told_how tell_about(struct pkt *p, __u32 mtu)
{
	p->endpoint = 0; /* it gets nothing */
	if (!(p->flags & PKT_PORTS) || p->flags & (PKT_BORROWED | PKT_UNWRAPPED))
		return TOLD_NOT;
	return tell_sender(p->ctx, places_of(p), p->l3_len, mtu, p->flags & PKT_V6);
}

/* As tell_about. */
static __always_inline enum verdict too_big(struct pkt *p, __u32 mtu)
{
	bool sense = mtu >= (p->flags & PKT_V6 ? MTU_V6_MIN : MTU_V4_MIN) && p->l3_len > mtu;
	enum told_how how = sense ? tell_about(p, mtu) : TOLD_NOT;

	p->endpoint = 0;
	if (how == TOLD)
		return pkt_end(p, SEND_BACK, COUNT_TOO_BIG_TOLD);
	return pkt_end(p, DROP, how == TOLD_ENOUGH ? COUNT_TOO_BIG_LIMITED : COUNT_TOO_BIG);
}

/* As tell_about; NEXT where it may go on. */
static __always_inline enum verdict judge_ttl(struct pkt *p)
{
	if (p->ttl > 1)
		return NEXT;
	if (tell_about(p, 0) == TOLD)
		return pkt_end(p, SEND_BACK, COUNT_TTL_TOLD);
	return pkt_end(p, DROP, COUNT_TTL_EXPIRED);
}
