/*
 * splice_rewrite.h - a segment of a spliced connection becomes one of the other leg.
 */
#pragma once
#include <linux/tcp.h>
#include <stddef.h>

#include "bpf/lib/link.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/splice_tunnel.h"
#include "bpf/lib/tcp_options.h"
#include "bpf/lib/too_big.h"

enum { WINDOW_MAX = 65535, RAISE_TRIES = 4 };

static __always_inline bool seq_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/*
 * A number never goes back, also where two processors have segments of one connection at the same
 * time: a record that is behind makes forgeries of what is true, and both ends wait forever. So
 * false, where others were faster each time and none went as far: then the segment must not go on,
 * and its sender tries again.
 */
static __always_inline bool seq_raise(__u32 *at, __u32 to)
{
	__u32 now = *(volatile __u32 *)at;

#pragma unroll
	for (int i = 0; i < RAISE_TRIES; i++) {
		__u32 was;

		if (!seq_before(now, to))
			return true;
		was = __sync_val_compare_and_swap(at, now, to);
		if (was == now)
			return true;
		now = was;
	}
	return !seq_before(now, to);
}

/* What the rules need to know of a segment; host order. */
struct segment {
	__u32 seq, end; /* end counts SYN and FIN */
	__u32 ack;
	__u32 payload;
	__u16 window; /* as in the header */
	__u8 flags;
	__u8 doff;
	/* Of legs, by leg_rules.h. */
	__u32 turn;
	union {
		__u32 tx;    /* to be passed: to be taken off what acknowledges */
		__u32 stamp; /* else, with stamped: least TSval that may leave, then that which does
			      */
	};
	__u8 why;
	__u8 stamped;
	__u8 put_window; /* window is what shall be sent, in its receiver's scale */
	__u8 no_fin;     /* a FIN is taken off */
};

static __always_inline __u64 change_addrs(struct pkt *p, const struct flow_key *in,
					  const struct flow_key *out)
{
	__u64 sum = 0;

	if (p->flags & PKT_V6) {
		struct ipv6hdr *ip = p->l3;

		if ((void *)(ip + 1) > p->end)
			return 0;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			sum = sum_change(sum, in->src[i], out->src[i]);
			sum = sum_change(sum, in->dst[i], out->dst[i]);
		}
		__builtin_memcpy(&ip->saddr, out->src, sizeof(ip->saddr));
		__builtin_memcpy(&ip->daddr, out->dst, sizeof(ip->daddr));
		return sum;
	}
	struct iphdr *ip = p->l3;

	if ((void *)(ip + 1) > p->end)
		return 0;
	sum = sum_change(sum, ip->saddr, out->src[3]);
	sum = sum_change(sum, ip->daddr, out->dst[3]);
	ip->saddr = out->src[3];
	ip->daddr = out->dst[3];
	ip->check = checksum_apply(ip->check, sum);
	return sum; /* the same words stand in TCP's pseudo-header */
}

static __always_inline __u64 take_fin(struct tcphdr *tcp, const struct segment *seg)
{
	__be16 *word = (__be16 *)tcp + 6, old = *word;

	if (!seg->no_fin || !(seg->flags & TCP_FIN))
		return 0;
	*word = old & bpf_htons((__u16)~TCP_FIN);
	return sum_change(0, old, *word);
}

static __always_inline __u64 change_numbers(struct tcphdr *tcp, const struct segment *seg,
					    const struct splice_dir *x)
{
	__be32 *ports = (__be32 *)tcp;
	__be32 out_ports =
		bpf_htonl((__u32)bpf_ntohs(x->out.sport) << 16 | bpf_ntohs(x->out.dport));
	__be32 seq = bpf_htonl(seg->seq + x->seq_delta);
	__be32 ack = bpf_htonl(seg->ack + x->ack_delta);
	__u32 window = (__u32)seg->window << (x->ws_in & 15) >> (x->ws_out & 15);
	__u64 sum = 0;

	if (seg->put_window)
		window = seg->window;

	sum = sum_change(sum, *ports, out_ports);
	*ports = out_ports;
	sum = sum_change(sum, tcp->seq, seq);
	tcp->seq = seq;
	if (seg->flags & TCP_ACK) {
		sum = sum_change(sum, tcp->ack_seq, ack);
		tcp->ack_seq = ack;
	}
	if (window > WINDOW_MAX)
		window = WINDOW_MAX;
	sum = sum_change(sum, tcp->window, bpf_htons((__u16)window));
	tcp->window = bpf_htons((__u16)window);
	return sum + take_fin(tcp, seg);
}

#define OPTIONS_ONLY_TS bpf_htonl(0x0101080a) /* NOP, NOP, timestamps: nearly every segment */

static __always_inline __u32 stamps_of(const struct splice *sp, const struct segment *seg)
{
	if (!(sp->flags & SPLICE_TIMESTAMPS))
		return 0;
	return seg->stamped ? STAMP_SHIFT | STAMP_LEAST : STAMP_SHIFT;
}

/* needs: l4, start; the segment's options; plain: there are none, or OPTIONS_ONLY_TS */
static __always_inline __u64 change_options(struct pkt *p, const struct splice *sp,
					    const struct splice_dir *x, struct segment *seg,
					    bool plain)
{
	struct option_shift shift = { .ts = x->ts_delta,
				      .tsecr = x->tsecr_delta,
				      .sack = x->ack_delta,
				      .stamps = stamps_of(sp, seg),
				      .stamp = seg->stamp };
	__be32 *word = p->l4 + sizeof(struct tcphdr);
	__u32 from;

	if (seg->doff <= 5)
		return 0;
	if (seg->doff == 8 && (void *)(word + 3) <= p->end && word[0] == OPTIONS_ONLY_TS) {
		if (!shift.stamps)
			return 0;
		shift_stamp(&word[1], false, &shift);
		if (word[2])
			shift_number(&word[2], shift.tsecr, false, &shift);
		seg->stamp = shift.stamp;
		seg->stamped = true;
		return shift.sum;
	}
	if (plain) /* the compiler shall see it */
		return 0;
	from = (__u32)((long)p->l4 - (long)p->start) + sizeof(struct tcphdr);
	options_shift(p->ctx, from, from + (seg->doff - 5) * 4, &shift);
	seg->stamp = shift.stamp;
	seg->stamped = (shift.stamps & STAMP_THERE) != 0;
	return shift.sum;
}

/* The frame's outside: its tags may be others, so that it begins elsewhere. */
static __always_inline enum verdict change_link(struct pkt *p, const struct next_hop *hop)
{
	if (!frame_retag(p, hop->vlan))
		return pkt_end(p, DROP, COUNT_NO_HEADROOM);
	frame_reload(p);
	if (!put_link(p, hop, p->flags & PKT_V6))
		return pkt_end(p, DROP, COUNT_SHORT);
	return link_send(p, hop);
}

/* Of the frame. */
static __always_inline __u32 tcp_check_at(const struct pkt *p)
{
	return (__u32)((long)p->l4 - (long)p->start) + offsetof(struct tcphdr, check);
}

/* seg as it shall be sent, before the deltas: the rules may have raised its ack. plain: see
 * change_options. */
static __always_inline enum verdict splice_forward(struct pkt *p, const struct splice *sp,
						   struct splice_dir *x, struct segment *seg,
						   bool plain)
{
	__u32 index = x->next_hop;
	const struct next_hop *hop = array_at(&shunt_next_hops, index);
	struct tcphdr *tcp = p->l4;
	enum verdict v;
	__u64 addrs, sum;

	if (!hop || !hop->ready)
		return pkt_end(p, DROP, COUNT_UNRESOLVED); /* its sender tries again */
	if (frame_wire_bytes(p) + x->wraps > hop->mtu)
		return too_big(p, hop->mtu - x->wraps);
	v = ttl_decrement(p);
	if (v)
		return v;
	addrs = change_addrs(p, &p->flow, &x->out);
	sum = change_options(p, sp, x, seg, plain);
	if ((void *)(tcp + 1) > p->end)
		return pkt_end(p, DROP, COUNT_SHORT);
	sum += change_numbers(tcp, seg, x);
	frame_sum(p->ctx, &tcp->check, tcp_check_at(p), addrs, sum);
	x->packets++;
	x->bytes += seg->payload;
	p->why = COUNT_SPLICED;
	return x->wraps ? splice_wrap(p, sp, hop) : change_link(p, hop);
}
