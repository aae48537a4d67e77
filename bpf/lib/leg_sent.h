/*
 * leg_sent.h - what a socket past which bodies went sends: its numbers become those on the wire
 * (bpf/abi/splice.h, struct leg; docs/splice.md, Bodies).
 *
 * Our own stack writes options in one order: timestamps first, then SACK blocks.
 */
#pragma once
#include <stddef.h>

#include "bpf/lib/count.h"
#include "bpf/lib/frame_tc.h"
#include "bpf/lib/leg_rules.h"
#include "bpf/lib/parse_ports.h"

/* As they will arrive from the other end: our destination is their source. */
struct sent {
	struct flow_key key;
	__u32 l4_off;
};

enum { PLAN_TRIES = 16, SACK_EDGES_MAX = 8 };

struct sent_numbers {
	__be32 seq, ack;
};

/*
 * A tuple of which one of us begins anew: whatever was before, nothing is shifted now. The old
 * connection's worker may be about to write what it knows of it; it looks for the flag behind that.
 */
static __always_inline void leg_forget(struct splice *sp)
{
	__sync_fetch_and_or(&sp->events, SPLICE_ANEW);
	sp->leg.tx = sp->leg.rx = 0;
	sp->leg.body = LEG_NONE;
	sp->leg.stamped = 0;
}

static __always_inline __u32 sent_seq(struct splice *sp, const struct leg_plan *plan, __u32 seq,
				      __u32 payload)
{
	seq += plan->tx;
	if (plan->body == LEG_OUT && payload)
		sp->leg.heard = 0; /* what X says of it is for the socket */
	/* Older ones X would not look at. As long as it has not all before the body, our socket's
	 * are old only where they ask it of its window, and it shall answer (RFC 9293, 3.8.6.1). */
	if (plan->body == LEG_OUT && !payload && !seq_before(sp->leg.progress, plan->from) &&
	    seq_before(seq, sp->leg.progress))
		return sp->leg.progress;
	if (plan->body == LEG_IN && !payload && seq_before(seq, sp->leg.sent))
		return sp->leg.sent; /* a probe, to be heeded */
	return seq;
}

/*
 * Where it is heeded, or asked about: X may have all that went past the socket, but for what is
 * beyond its window, in front of which what is lost may be; a reset there says nothing to it
 * (RFC 5961, 3).
 */
static __always_inline __u32 reset_seq(struct splice *sp, __u32 seq)
{
	struct splice *peer = leg_peer(sp);
	__u32 furthest = peer ? peer->past.max_seq + peer->past.seq_delta : seq;
	__u32 edge = sp->leg.progress + (sp->past.window << (sp->past.ws_in & 15));

	if (seq_before(edge, furthest))
		furthest = edge;
	return seq_before(seq, furthest) ? furthest : seq;
}

/* Never more than somebody has: of a body, what its other end has acknowledged. */
static __always_inline __u32 sent_ack(struct splice *sp, const struct leg_plan *plan, __u32 ack)
{
	struct splice *peer;
	__u32 there;

	ack += plan->rx;
	if (plan->body != LEG_IN)
		return ack;
	if (seq_before(plan->from, ack))
		ack = plan->from;
	peer = leg_peer(sp);
	if (!peer)
		return ack;
	there = peer->leg.progress - sp->past.seq_delta;
	if (seq_before(plan->to, there))
		there = plan->to;
	if (seq_before(ack, there))
		ack = there;
	seq_raise(&sp->leg.progress, ack);
	return ack;
}

/* The socket announces what it could take; to the body's sender, no more than its other end could.
 */
static __always_inline __u16 sent_window(const struct splice *sp, const struct leg_plan *plan,
					 __u32 ack, __u16 window)
{
	const struct splice *peer;
	__u32 edge, units;

	if (plan->body != LEG_IN)
		return window;
	peer = leg_peer(sp);
	if (!peer)
		return window;
	edge = leg_edge(sp, peer);
	units = seq_before(edge, ack) ? 0 : (edge - ack) >> (sp->leg.scale & 15);
	return units < window ? (__u16)units : window;
}

/*
 * Its TSval never falls behind what X got past the socket. While a body goes past it, nor is it
 * ahead: on the way what the socket sends overtakes that, and X would take it for old (PAWS). As
 * long as X has not all before the body, the socket's own time will do, which the body's leads.
 */
static __always_inline __u32 stamp_of(const struct leg *leg, const struct leg_plan *plan, __u32 own)
{
	__u32 least = leg->stamp;
	bool is_early = plan->body == LEG_OUT && seq_before(leg->progress, plan->from);

	if (is_early)
		least = leg->before;
	else if (!(leg->stamped & LEG_STAMP_PAST))
		return own;
	else if (plan->body)
		return least;
	return seq_before(own, least) ? least : own;
}

static __always_inline __u64 sent_stamp(struct __sk_buff *skb, __u32 at, struct splice *sp,
					const struct leg_plan *plan)
{
	__be32 old, new;
	__u32 own, stamp;

	if (bpf_skb_load_bytes(skb, at, &old, sizeof(old)))
		return 0;
	own = bpf_ntohl(old);
	stamp = stamp_of(&sp->leg, plan, own);
	stamp_raise(&sp->leg, stamp, LEG_STAMP_OWN);
	if (stamp == own)
		return 0;
	new = bpf_htonl(stamp);
	bpf_skb_store_bytes(skb, at, &new, sizeof(new), 0);
	return sum_change(0, old, new);
}

/*
 * The socket echoes the TSval of what it heard last, also where it acknowledges what went past it
 * since: X would believe in a round trip of all that time, and for as long not send again what is
 * lost. Zero says nothing.
 */
static __always_inline __u64 sent_echo(struct __sk_buff *skb, __u32 at, const struct splice *sp,
				       bool raised)
{
	__be32 old, none = 0;

	if (bpf_skb_load_bytes(skb, at, &old, sizeof(old)) || !old ||
	    (!raised && bpf_ntohl(old) != sp->leg.stale))
		return 0;
	bpf_skb_store_bytes(skb, at, &none, sizeof(none), 0);
	return sum_change(0, old, none);
}

static __always_inline __u64 sent_sack(struct __sk_buff *skb, __u32 at, __u32 bytes, __u32 shift)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < SACK_EDGES_MAX; i++) {
		__be32 old, new;

		if (2 + (i + 1) * sizeof(old) > bytes ||
		    bpf_skb_load_bytes(skb, at + i * sizeof(old), &old, sizeof(old)))
			break;
		new = bpf_htonl(bpf_ntohl(old) + shift);
		bpf_skb_store_bytes(skb, at + i * sizeof(old), &new, sizeof(new), 0);
		sum = sum_change(sum, old, new);
	}
	return sum;
}

static __always_inline __u64 sent_options(struct __sk_buff *skb, __u32 at, __u32 end,
					  struct splice *sp, const struct leg_plan *plan,
					  bool raised)
{
	__u8 head[4];
	__u64 sum = 0;

	if (at >= end || bpf_skb_load_bytes(skb, at, head, sizeof(head)))
		return 0;
	if (head[2] == OPTION_TS) {
		sum = sent_stamp(skb, at + sizeof(head), sp, plan);
		sum += sent_echo(skb, at + sizeof(head) + sizeof(__be32), sp, raised);
		at += sizeof(head) + 8;
		if (at >= end || bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return sum;
	}
	if (head[2] == OPTION_SACK && plan->rx)
		sum += sent_sack(skb, at + sizeof(head), head[3], plan->rx);
	return sum;
}

/* False: see seq_raise. */
static __always_inline bool record_sent(struct leg *leg, __u32 end, __u32 ack, __u16 window)
{
	if (!seq_raise(&leg->sent, end))
		return false;
	if (!seq_before(ack, leg->acked)) {
		leg->acked = ack;
		leg->window = window;
	}
	return true;
}

static __always_inline bool plan_wait(const struct leg *leg, struct leg_plan *plan)
{
	for (int i = 0; i < PLAN_TRIES; i++)
		if (plan_read(leg, plan))
			return true;
	return false;
}

static __always_inline int leg_sent(struct __sk_buff *skb, __u32 l4_off, struct splice *sp)
{
	__u32 seq, ack, payload, head, check_at = l4_off + offsetof(struct tcphdr, check);
	struct leg_plan plan;
	struct sent_numbers new;
	struct tcphdr tcp;
	__be16 window;
	__u8 flags;
	__u64 sum;

	if (bpf_skb_load_bytes(skb, l4_off, &tcp, sizeof(tcp)))
		return TC_ACT_UNSPEC;
	flags = ((__u8 *)&tcp)[13];
	if (flags & TCP_SYN) {
		leg_forget(sp);
		return TC_ACT_UNSPEC;
	}
	if (!plan_wait(&sp->leg, &plan)) {
		count(COUNT_LEG_CHANGING, skb->len);
		return TC_ACT_SHOT;
	}
	head = tcp.doff * 4;
	payload = skb->len - l4_off - head;
	seq = sent_seq(sp, &plan, bpf_ntohl(tcp.seq), payload);
	ack = flags & TCP_ACK ? sent_ack(sp, &plan, bpf_ntohl(tcp.ack_seq)) : 0;
	if (flags & TCP_RST) {
		if (plan.body == LEG_OUT)
			seq = reset_seq(sp, seq);
		sp->leg.body = LEG_NONE; /* nobody is left to end it; X hears more from our stack */
	}
	new.seq = bpf_htonl(seq);
	new.ack = bpf_htonl(ack);
	sum = sent_options(skb, l4_off + sizeof(tcp), l4_off + head, sp, &plan,
			   seq_before(bpf_ntohl(tcp.ack_seq) + plan.rx, ack));
	sum = sum_change(sum, tcp.seq, new.seq);
	sum = sum_change(sum, tcp.ack_seq, new.ack);
	bpf_skb_store_bytes(skb, l4_off + offsetof(struct tcphdr, seq), &new, sizeof(new), 0);
	window = bpf_htons(sent_window(sp, &plan, ack, bpf_ntohs(tcp.window)));
	if (flags & TCP_ACK && window != tcp.window) {
		sum = sum_change(sum, tcp.window, window);
		bpf_skb_store_bytes(skb, l4_off + offsetof(struct tcphdr, window), &window,
				    sizeof(window), 0);
	}
	frame_sum(skb, NULL, check_at, 0, sum);
	if (flags & TCP_ACK && !record_sent(&sp->leg, seq + payload + (flags & TCP_FIN ? 1 : 0),
					    ack, bpf_ntohs(tcp.window))) {
		count(COUNT_LEG_CHANGING, skb->len);
		return TC_ACT_SHOT;
	}
	count(COUNT_EGRESS_SHIFTED, skb->len);
	return TC_ACT_UNSPEC;
}
