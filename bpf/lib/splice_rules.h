/*
 * splice_rules.h - what becomes of a packet of a spliced connection: docs/splice.md, R1 to R6.
 *
 * X is the end that sent the packet, Y the other. Sequence numbers are compared as signed
 * differences, modulo 2^32.
 */
#pragma once
#include "bpf/lib/flow_table.h"
#include "bpf/lib/leg_rules.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/splice_rewrite.h"

enum { WINDOW_SLACK = 65536, OLD_BYTES_MAX = 1 << 30 };

/* The one place that sets bits of events; each is told once. */
static __always_inline void splice_tell(struct splice *sp, __u32 index, __u32 what)
{
	struct event *event;

	if ((sp->events & what) == what)
		return;
	__sync_fetch_and_or(&sp->events, what);
	event = bpf_ringbuf_reserve(&shunt_events, sizeof(*event), 0);
	if (!event)
		return; /* the sweep finds the bits */
	event->splice = index;
	event->generation = sp->generation;
	event->events = what;
	event->zero = 0;
	bpf_ringbuf_submit(event, 0);
}

/* What Y has acknowledged of X's bytes, as X counts them. */
static __always_inline __u32 acked_by(const struct splice_dir *y, const struct splice_dir *x)
{
	return y->max_ack - x->seq_delta;
}

/*
 * Right edge of what X may send: what Y lets it. While our own socket lives, X may also be as far
 * as that let it, with Y behind by what the relay still holds.
 */
static __always_inline __u32 edge_of(const struct splice_dir *y, const struct splice_dir *x,
				     __u32 state)
{
	__u32 edge = acked_by(y, x) + (y->window << (y->ws_in & 15)) + WINDOW_SLACK;
	__u32 ours = x->krcv + ((__u32)WINDOW_MAX << (y->ws_out & 15));

	return state == SPLICE_HANDOVER && seq_before(edge, ours) ? ours : edge;
}

/* As strict as a receiver: neither numbers nor acknowledgements from nowhere move anything. */
static __always_inline bool is_plausible(const struct segment *seg, const struct splice_dir *x,
					 const struct splice_dir *y, __u32 state)
{
	__u32 sent = y->max_seq + y->seq_delta; /* what X can have seen of Y */

	if (!(seg->flags & TCP_ACK)) /* RFC 9293, 3.10.7.4: only a reset may be without */
		return false;
	if (seq_before(edge_of(y, x, state), seg->end) ||
	    seq_before(seg->end, acked_by(y, x) - OLD_BYTES_MAX))
		return false;
	if (seq_before(sent, x->drain))
		sent = x->drain;
	/* RFC 5961, 5.2: neither of what was never sent, nor older than any window. */
	return !seq_before(sent, seg->ack) && !seq_before(seg->ack, x->max_ack - OLD_BYTES_MAX);
}

/* False, of both: see seq_raise. */
static __always_inline bool record_ack(const struct segment *seg, struct splice_dir *x)
{
	if (seq_before(seg->ack, x->max_ack))
		return true;
	if (!seq_raise(&x->max_ack, seg->ack))
		return false;
	x->window = seg->window;
	return true;
}

static __always_inline bool record_data(const struct segment *seg, struct splice_dir *x,
					const struct splice_dir *y)
{
	if (!seq_raise(&x->max_seq, seg->end))
		return false;
	if (seg->flags & TCP_FIN) {
		x->fin_seq = seg->end;
		if (!x->fin)
			x->fin = y->fin ? 2 : 1;
	}
	return true;
}

static __always_inline bool fin_acked(const struct splice_dir *x, const struct splice_dir *y)
{
	return x->fin && !seq_before(y->max_ack, x->fin_seq + x->seq_delta);
}

/* An RST ends the splice only with exactly the number that Y waits for (RFC 5961, 3). */
static __always_inline enum verdict splice_reset(struct pkt *p, struct splice *sp, __u32 index,
						 struct splice_dir *x, struct splice_dir *y,
						 struct segment *seg)
{
	/* Y may have received more than it has acknowledged yet: all that went past us. */
	bool exact = seg->seq == acked_by(y, x) || seg->seq == x->max_seq;

	if (seq_before(seg->seq, acked_by(y, x)) || seq_before(edge_of(y, x, sp->state), seg->seq))
		return pkt_end(p, DROP, COUNT_SPLICE_FORGED);
	if (exact)
		splice_tell(sp, index,
			    SPLICE_RESET | (x == &sp->dir[1] ? SPLICE_RESET_BY_ENDPOINT : 0));
	return REDIRECT;
}

/* R5: our socket saw less of X than went past it, and would drop an ACK beyond its window. */
static __always_inline void clamp_seq(struct pkt *p, const struct segment *seg, __u32 krcv)
{
	struct tcphdr *tcp = p->l4;
	__be32 seq = bpf_htonl(krcv);
	__u64 change;

	if (!seq_before(krcv, seg->seq) || (void *)(tcp + 1) > p->end)
		return;
	change = sum_change(0, tcp->seq, seq);
	tcp->seq = seq;
	frame_sum(p->ctx, &tcp->check, tcp_check_at(p), 0, change);
}

/* Both sockets still live: some packets are theirs. */
static __always_inline enum verdict splice_handover(struct pkt *p, struct splice *sp,
						    struct splice_dir *x, struct splice_dir *y,
						    struct segment *seg)
{
	bool pure_ack = seg->seq == seg->end;

	if (pure_ack && !seq_before(x->drain, seg->ack)) { /* R1 */
		clamp_seq(p, seg, x->krcv);                /* R5 */
		return pkt_end(p, PASS, COUNT_HANDOVER_PASSED);
	}
	if (!pure_ack && seq_before(seg->seq, x->floor) && seq_before(y->max_ack, y->drain)) {
		/* R4: below the floor our two byte streams differ. */
		if (!seq_before(x->floor, seg->end))
			return pkt_end(p, PASS, COUNT_HANDOVER_PASSED);
		return pkt_end(p, DROP, COUNT_SPLICE_EARLY);
	}
	if (seq_before(seg->ack, x->drain)) /* R3: never an ACK from before Y's time */
		seg->ack = x->drain;
	if (!pure_ack && !record_data(seg, x, y))
		return pkt_end(p, DROP, COUNT_LEG_CHANGING);
	return REDIRECT; /* R2, R3, and R4 once Y is past its drain */
}

static __always_inline enum verdict splice_segment(struct pkt *p, struct splice *sp, __u32 index,
						   struct splice_dir *x, struct splice_dir *y,
						   struct segment *seg)
{
	__u32 state = sp->state;

	/* Recorded neither: the other node goes on from what was recorded when it was exported. */
	if (state == SPLICE_MOVED)
		return pkt_end(p, DROP, COUNT_SPLICE_MOVED);
	if (seg->flags & TCP_SYN) {
		splice_tell(sp, index, SPLICE_REUSED);
		return pkt_end(p, DROP, COUNT_SPLICE_SYN);
	}
	if (seg->flags & TCP_RST)
		return splice_reset(p, sp, index, x, y, seg);
	if (!is_plausible(seg, x, y, state))
		return pkt_end(p, DROP, COUNT_SPLICE_FORGED);
	x->last_jiffies = bpf_jiffies64();
	if (!record_ack(seg, x))
		return pkt_end(p, DROP, COUNT_LEG_CHANGING);
	if (fin_acked(x, y) && fin_acked(y, x))
		splice_tell(sp, index, SPLICE_ENDED);
	if (state == SPLICE_HANDOVER) {
		if (!seq_before(x->max_ack, x->drain) && !seq_before(y->max_ack, y->drain))
			splice_tell(sp, index, SPLICE_DRAINED);
		return splice_handover(p, sp, x, y, seg);
	}
	return record_data(seg, x, y) ? REDIRECT : pkt_end(p, DROP, COUNT_LEG_CHANGING);
}

/* For the socket of a leg, in its numbers. Of timestamps it may know. */
static __always_inline enum verdict leg_pass(struct pkt *p, const struct segment *seg)
{
	struct option_shift shift = { .sack = -seg->tx };
	__be32 seq = bpf_htonl(seg->seq), ack = bpf_htonl(seg->ack);
	struct tcphdr *tcp = p->l4;
	__u32 from = (__u32)((long)p->l4 - (long)p->start) + sizeof(struct tcphdr);
	__u64 sum = 0;

	/* Two blocks at least; timestamps alone are fewer words. */
	if (seg->doff > 5 && seg->tx)
		options_shift(p->ctx, from, from + (seg->doff - 5) * 4, &shift);
	if ((void *)(tcp + 1) > p->end)
		return pkt_end(p, DROP, COUNT_SHORT);
	sum = sum_change(shift.sum, tcp->seq, seq);
	tcp->seq = seq;
	if (seg->flags & TCP_ACK) {
		sum = sum_change(sum, tcp->ack_seq, ack);
		tcp->ack_seq = ack;
	}
	frame_sum(p->ctx, &tcp->check, tcp_check_at(p), 0, sum);
	return pkt_end(p, PASS, seg->why);
}

/* Time on the other leg goes on from what its socket has sent. */
static __always_inline void stamp_least(const struct splice *sp, struct segment *seg)
{
	const struct splice *peer = leg_peer(sp);

	if (!peer || !peer->leg.stamped)
		return;
	seg->stamp = peer->leg.stamp;
	seg->stamped = 1;
}

static __always_inline void stamp_past(struct splice *sp, const struct segment *seg)
{
	struct splice *peer = leg_peer(sp);

	if (!peer || !seg->stamped)
		return;
	stamp_raise(&peer->leg, seg->stamp, LEG_STAMP_OWN | LEG_STAMP_PAST);
}

/* REDIRECT: to be forwarded, as seg now says. */
static __always_inline enum verdict leg_segment(struct pkt *p, struct splice *sp,
						struct segment *seg)
{
	int judged = leg_judge(sp, seg);

	if (judged == PASS)
		return leg_pass(p, seg);
	return judged == REDIRECT ? REDIRECT : pkt_end(p, DROP, seg->why);
}

/* Where it would lie is the sender's to know: drops are what TCP paces itself by. */
static __always_inline struct bucket *bucket_at(__u32 pays)
{
	struct splice *sp = pays ? array_at(&shunt_splices, pays - 1) : NULL;

	return sp && sp->state == SPLICE_BUCKET ? &sp->bucket : NULL;
}

static __always_inline bool bucket_is_full(const struct bucket *b, __u32 dir, __u64 now)
{
	return b && b->due[dir & 1] > now + b->ahead_ns;
}

/* Two CPUs that begin after a rest at once may both count from now: a packet more, once. */
static __always_inline void bucket_charge(struct bucket *b, __u32 dir, __u64 now, __u32 bytes)
{
	__u64 cost;

	if (!b)
		return;
	cost = (bytes * b->kib_ns) >> 10;
	if (b->due[dir & 1] < now)
		b->due[dir & 1] = now + cost;
	else
		__sync_fetch_and_add(&b->due[dir & 1], cost);
}

/*
 * Global, so that it is verified once. Neither is charged for what the other one lets not through.
 * What is dropped behind the rules was on its way for them: as if it got lost further on.
 */
__noinline int splice_is_over_rate(struct splice *sp, __u32 dir, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns();
	struct bucket *a, *b;

	if (!sp)
		return 0;
	a = bucket_at(sp->pays[0]);
	b = bucket_at(sp->pays[1]);
	if (sp->state == SPLICE_LEG)
		dir = sp->flags & SPLICE_BY_SERVER ? 1 : 0;
	if (bucket_is_full(a, dir, now) || bucket_is_full(b, dir, now)) {
		__sync_fetch_and_add(&sp->over_rate[dir & 1], 1);
		return 1;
	}
	bucket_charge(a, dir, now, bytes);
	bucket_charge(b, dir, now, bytes);
	return 0;
}

/* Behind a rule that said so. */
static __always_inline enum verdict splice_go_on(struct pkt *p, struct splice *sp,
						 struct splice_dir *x, struct segment *seg)
{
	bool is_leg = sp->state == SPLICE_LEG;
	enum verdict v;

	if (is_leg)
		stamp_least(sp, seg);
	v = splice_forward(p, sp, x, seg, false);
	if (!is_leg)
		return v;
	stamp_past(sp, seg);
	/* By a recipe that was changed meanwhile it must not go. */
	if (*(volatile __u32 *)&sp->leg.turn != seg->turn)
		return pkt_end(p, DROP, COUNT_LEG_CHANGING);
	return v;
}

/* needs: l4_off, l3_len, tcp_flags */
static __always_inline void segment_read(const struct pkt *p, const struct tcphdr *tcp,
					 struct segment *seg)
{
	__u32 head = p->l4_off + tcp->doff * 4;

	seg->doff = tcp->doff;
	seg->flags = p->tcp_flags;
	seg->seq = bpf_ntohl(tcp->seq);
	seg->ack = bpf_ntohl(tcp->ack_seq);
	seg->payload = (p->l3_len - head) & 0xffff;
	seg->end = seg->seq + seg->payload + (seg->flags & TCP_FIN ? 1 : 0);
	seg->window = bpf_ntohs(tcp->window);
}

/* needs: addr, vip, flow, hash, l3, l4, l4_off, l3_len, flags, ttl. NEXT where the packet is of no
 * splice. */
static __always_inline enum verdict splice_find(struct pkt *p, const struct settings *s)
{
	struct tcphdr *tcp = p->l4;
	struct segment seg = {};
	struct splice *sp;
	__u32 index, dir;
	__u64 word = 0;
	enum verdict v;

	if (p->flow.proto != IPPROTO_TCP || !(p->flags & PKT_PORTS) ||
	    !(p->addr->flags & ADDR_SPLICES) || (p->vip && p->vip->kind == VIP_L4))
		return NEXT;
	if (!flow_find(&p->flow, p->hash, s, &word) || FLOW_KIND(word) != FLOW_SPLICE)
		return NEXT;
	index = FLOW_INDEX(word);
	dir = FLOW_DIR(word);
	sp = array_at(&shunt_splices, index);
	if (!sp || (sp->generation & 0xffff) != FLOW_GENERATION(word) || sp->state == SPLICE_FREE)
		return NEXT;
	if (p->flags & PKT_EXPLAINED) { /* the rules move the splice: it is only named */
		p->explain_splice = index;
		return pkt_end(p, PASS, COUNT_SPLICED);
	}
	if (p->flags & PKT_ODD)
		return pkt_end(p, DROP, p->why);
	if (p->flags & PKT_FRAGMENT)
		return pkt_end(p, DROP, COUNT_FRAGMENT);
	if ((void *)(tcp + 1) > p->end)
		return pkt_end(p, DROP, COUNT_SHORT);
	segment_read(p, tcp, &seg);
	if (sp->state == SPLICE_LEG)
		v = leg_segment(p, sp, &seg);
	else
		v = splice_segment(p, sp, index, &sp->dir[dir], &sp->dir[dir ^ 1], &seg);
	/* Acknowledgements go: they are what slows the other end down. */
	if (v == REDIRECT && seg.payload && (sp->pays[0] | sp->pays[1]) &&
	    splice_is_over_rate(sp, dir, seg.payload))
		return pkt_end(p, DROP, COUNT_SPLICE_RATE);
	return v == REDIRECT ? splice_go_on(p, sp, &sp->dir[dir], &seg) : v;
}
