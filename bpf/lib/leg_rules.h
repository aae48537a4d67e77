/*
 * leg_rules.h - what becomes of a packet for a socket past which bodies go: docs/splice.md, Bodies.
 *
 * X is the end that sent the packet. Numbers are compared as signed differences, modulo 2^32. A
 * function that is verified on its own: it sees no packet, only what was read of it.
 */
#pragma once
#include "bpf/lib/maps.h"
#include "bpf/lib/splice_rewrite.h"

enum { LEG_WINDOW_SLACK = 65536, LEG_OLD_MAX = 1 << 30, STAMP_TRIES = 3 };

/* What the worker wrote last, as a whole. */
struct leg_plan {
	__u32 turn, tx, rx, body, from, to;
};

static __always_inline bool plan_read(const struct leg *leg, struct leg_plan *plan)
{
	const volatile struct leg *l = leg;

	plan->turn = l->turn;
	barrier();
	plan->tx = l->tx;
	plan->rx = l->rx;
	plan->body = l->body;
	plan->from = l->from;
	plan->to = l->to;
	barrier();
	return !(plan->turn & 1) && l->turn == plan->turn;
}

/* A number of a stream that is partly spliced, as the socket counts. */
static __always_inline __u32 to_socket(__u32 number, __u32 shift, __u32 from)
{
	return (seq_before(from, number) ? from : number) - shift;
}

static __always_inline struct splice *leg_peer(const struct splice *sp)
{
	__u32 index = sp->leg.peer;
	struct splice *peer = bpf_map_lookup_elem(&shunt_splices, &index);

	if (!peer || peer->generation != sp->leg.peer_generation || peer->state != SPLICE_LEG)
		return NULL;
	return peer;
}

/* Of what X was sent: by the socket, and past it on another processor. */
static __always_inline void stamp_raise(struct leg *leg, __u32 stamp, __u32 by)
{
	__u32 now = leg->stamp;

	for (int i = 0; i < STAMP_TRIES; i++) {
		__u32 was;

		if (leg->stamped && !seq_before(now, stamp))
			break;
		was = __sync_val_compare_and_swap(&leg->stamp, now, stamp);
		if (was == now)
			break;
		now = was;
	}
	if ((leg->stamped & by) != by)
		__sync_fetch_and_or(&leg->stamped, by);
}

/* What X may say next, as strictly as the socket would judge it. */
static __always_inline bool leg_expects(const struct splice *sp, const struct segment *seg)
{
	__u32 edge = sp->leg.acked + (sp->leg.window << (sp->leg.scale & 15)) + LEG_WINDOW_SLACK;

	return !seq_before(seg->seq, sp->leg.acked - 1) && !seq_before(edge, seg->end);
}

/* Of X's window no more is told than the other leg's socket could take behind the body. */
static __always_inline __u16 window_within(const struct splice *sp, const struct splice *peer,
					   const struct leg_plan *plan, const struct segment *seg)
{
	__u32 scale = sp->past.ws_out & 15;
	/* Whole units: with less than one left, the rest of the body could not be sent at all. */
	__u64 most = ((__u64)(plan->to - seg->ack) + sp->leg.room + (1u << scale) - 1) >> scale;
	__u64 units = (__u64)seg->window << (sp->past.ws_in & 15) >> scale;

	if (units > most)
		units = most;
	return units > WINDOW_MAX ? WINDOW_MAX : (__u16)units;
}

/*
 * To X goes a body. What acknowledges it goes to whom it is from; that of the bytes before it, and
 * whatever else X has to say, to the socket.
 */
static __always_inline enum verdict leg_out(struct splice *sp, struct segment *seg,
					    const struct leg_plan *plan)
{
	struct splice *peer = leg_peer(sp);
	bool pure = seg->seq == seg->end && !(seg->flags & (TCP_FIN | TCP_RST));
	__u32 reach = plan->from;
	bool was_waiting;

	if (!peer || peer->leg.body != LEG_IN || !(seg->flags & TCP_ACK) ||
	    seq_before(seg->ack, plan->from))
		return NEXT;
	if (seq_before(reach, peer->past.max_seq + peer->past.seq_delta))
		reach = peer->past.max_seq + peer->past.seq_delta;
	if (seq_before(reach, seg->ack)) {
		seg->why = COUNT_SPLICE_FORGED; /* of what nobody has sent (RFC 5961, 5) */
		return DROP;
	}
	if (!leg_expects(sp, seg))
		return NEXT; /* the socket answers it */
	if (seq_before(plan->to, seg->ack))
		seg->ack = plan->to; /* where the body was made to end: the rest is the socket's */
	was_waiting = !sp->past.window || seq_before(sp->leg.progress, plan->from);
	if (!seq_before(seg->ack, sp->leg.progress)) {
		if (!seq_raise(&sp->leg.progress, seg->ack))
			return DROP;
		sp->past.window = seg->window;
	}
	if (!pure || seq_before(seg->seq, sp->leg.acked)) /* a probe asks the socket */
		return NEXT;
	if (!sp->leg.heard) {
		sp->leg.heard = 1;
		if (was_waiting) /* the body's sender has to hear how far it may go now */
			__sync_fetch_and_or(&peer->leg.notes, LEG_DEAF);
		return NEXT;
	}
	seq_raise(&peer->leg.progress, seg->ack + sp->past.ack_delta);
	seg->window = window_within(sp, peer, plan, seg);
	seg->put_window = 1;
	seg->seq = peer->leg.sent - sp->past.seq_delta;
	return REDIRECT;
}

/* A reset that the other end of the body would heed comes to the socket as one that it heeds. */
static __always_inline enum verdict leg_reset(struct splice *sp, struct segment *seg,
					      const struct leg_plan *plan)
{
	if (!seq_before(plan->from, seg->seq))
		return NEXT;
	if (seg->seq == sp->leg.progress || seg->seq == sp->past.max_seq)
		return NEXT;
	/* The socket asks X (RFC 5961, 3): what was lost before it may never come any more. */
	__sync_fetch_and_or(&sp->leg.notes, LEG_DEAF);
	seg->why = COUNT_SPLICE_FORGED;
	return DROP;
}

/* Without payload: of the socket, but a probe of what went past it. */
static __always_inline enum verdict leg_bare(struct splice *sp, struct segment *seg,
					     const struct leg_plan *plan)
{
	if (seg->flags & TCP_FIN) {
		if (!seq_before(plan->from, seg->seq))
			return NEXT;
		/* Right behind what it has sent: elsewhere anybody could have guessed it. */
		if (seg->seq == sp->past.max_seq && seq_before(seg->seq, plan->to) &&
		    !seq_before(sp->leg.sent, seg->ack)) {
			__sync_fetch_and_or(&sp->leg.notes, LEG_EARLY);
			return NEXT;
		}
		seg->why = COUNT_BODY_BEHIND;
		return DROP; /* not before all in front of it is there */
	}
	if (seq_before(plan->from, seg->seq + 1) && seq_before(seg->seq, sp->past.max_seq))
		return REDIRECT;
	return NEXT;
}

/* How far its sender may go, as the other end of the body lets it. */
static __always_inline __u32 leg_edge(const struct splice *sp, const struct splice *peer)
{
	return peer->leg.progress - sp->past.seq_delta +
	       (peer->past.window << (peer->past.ws_in & 15));
}

/* What reaches beyond the body's end. */
static __always_inline enum verdict leg_behind(struct splice *sp, struct segment *seg,
					       const struct leg_plan *plan)
{
	if (seq_before(seg->seq, plan->to)) {
		/* X may never cut it otherwise: the body has to end before it. */
		sp->leg.crossing = seg->seq;
		__sync_fetch_and_or(&sp->leg.notes, LEG_CROSSED);
	}
	seg->why = COUNT_BODY_BEHIND;
	return DROP;
}

/* From X comes a body. */
static __always_inline enum verdict leg_in(struct splice *sp, struct segment *seg,
					   const struct leg_plan *plan)
{
	struct splice *peer = leg_peer(sp);
	__u32 end = seg->seq + seg->payload, edge, there;
	enum verdict v;

	if (!peer)
		return NEXT;
	if (seg->flags & TCP_RST)
		return leg_reset(sp, seg, plan);
	if (peer->leg.body != LEG_OUT) {
		seg->why = COUNT_LEG_CHANGING; /* its end has gone, or is another one already */
		return DROP;
	}
	if (seg->payload == 0) {
		v = leg_bare(sp, seg, plan);
		if (v != REDIRECT)
			return v;
		goto past;
	}
	if (!seq_before(plan->from, end))
		return NEXT; /* the socket says again that it has it */
	if (seq_before(seg->seq, sp->past.floor)) {
		__sync_fetch_and_or(&sp->leg.notes,
				    LEG_DEAF); /* nothing more of the body may reach the socket */
		seg->why = COUNT_BODY_BEFORE;
		return DROP;
	}
	edge = leg_edge(sp, peer) + LEG_WINDOW_SLACK + sp->leg.room;
	/* So much the socket has taken, whatever it has yet to give. */
	there = peer->leg.progress - sp->past.seq_delta;
	if (seq_before(there, plan->from))
		edge += plan->from - there;
	if (seq_before(edge, end) || seq_before(sp->leg.sent, seg->ack) ||
	    seq_before(seg->ack, sp->leg.sent - LEG_OLD_MAX)) {
		seg->why = COUNT_SPLICE_FORGED;
		return DROP;
	}
	if (seq_before(plan->to, end))
		return leg_behind(sp, seg, plan);
	seg->why = COUNT_LEG_CHANGING;
	if (!seq_raise(&sp->past.max_seq, end))
		return DROP;
past:
	seg->ack = peer->leg.acked - sp->past.ack_delta;
	seg->window = (__u16)peer->leg.window;
	seg->put_window = 1;
	seg->no_fin = 1;
	return REDIRECT;
}

/*
 * PASS: with seq and ack as they now are; REDIRECT: to be forwarded by sp->past, as they now are;
 * DROP. seg->why is what is counted, seg->turn the plan's.
 */
__noinline int leg_judge(struct splice *sp, struct segment *seg)
{
	struct leg_plan plan;
	enum verdict v = NEXT;
	__u32 reach;

	if (!sp || !seg)
		return DROP;
	seg->why = COUNT_LEG_CHANGING;
	if (!plan_read(&sp->leg, &plan))
		return DROP;
	seg->why = COUNT_LEG_PASSED;
	seg->turn = plan.turn;
	seg->tx = 0;
	if (seg->flags & TCP_SYN)
		return PASS; /* the socket's to judge; what it begins is not shifted */
	if (plan.body == LEG_OUT)
		v = leg_out(sp, seg, &plan);
	else if (plan.body == LEG_IN)
		v = leg_in(sp, seg, &plan);
	if (v)
		return v;
	seg->seq =
		plan.body == LEG_IN ? to_socket(seg->seq, plan.rx, plan.from) : seg->seq - plan.rx;
	/* An end may have got what the socket has yet to send: the socket would hear no such ack.
	 */
	reach = seq_before(sp->leg.sent, plan.from) ? sp->leg.sent : plan.from;
	seg->ack = plan.body == LEG_OUT ? to_socket(seg->ack, plan.tx, reach) : seg->ack - plan.tx;
	seg->tx = plan.tx;
	if (seg->payload && !seq_raise(&sp->leg.passed, seg->seq + seg->payload)) {
		seg->why = COUNT_LEG_CHANGING;
		return DROP;
	}
	return PASS;
}
