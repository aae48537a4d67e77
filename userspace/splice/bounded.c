#include "userspace/splice/bounded.h"

#include <netinet/tcp.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/splice/leg.h"
#include "userspace/splice/splice_way.h"

enum { FROM, TO };

/*
 * Ticks by which the time of what goes past a socket is ahead of the socket's own, so that of both
 * in flight at once the socket's is never the newer: more than packets wait in queues.
 */
enum { STAMP_LEAD = 128 };

/* With less in the window that it knows, FROM's next request might have to wait. */
enum { NARROW_BYTES = 64 << 10 };

struct bounded {
	struct conn *ends[2];
	struct splice *legs[2];
	uint32_t expected; /* bytes of the body that were in the socket at the beginning */
	uint32_t told;     /* progress of FROM at the last look that found it behind */
	bool behind;
	bool spoilt; /* FROM's socket keeps bytes of the body that it would give away as others */
	struct splicer *splicer;
	uint64_t cut;    /* ticket, where the end was moved: nobody judges by the old one */
	uint32_t routes; /* splice_way.h */
	uint64_t fence;  /* ticket, once asked for: what was passed to FROM has come, or is lost */
};

/* What the first leg's numbers become on the second. */
static uint32_t delta(const struct bounded *b)
{
	return b->legs[FROM]->past.seq_delta;
}

static uint32_t slot_of(const struct splicer *splicer, const struct splice *leg)
{
	return (uint32_t)(leg - splicer->maps.splices);
}

static uint32_t load(const __u32 *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static enum splice_reason check(const struct bounded_request *r, const struct sk_state st[2])
{
	if (st[FROM].tcp_state != TCP_ESTABLISHED || st[TO].tcp_state != TCP_ESTABLISHED)
		return SPLICE_REASON_FINISHED;
	/* Its acknowledgements will ride on what goes past the socket. */
	if (st[FROM].snd_una != st[FROM].write_seq)
		return SPLICE_REASON_NOT_QUIET;
	for (int i = 0; i < 2; i++)
		if (st[i].flags & SK_OUT_OF_ORDER)
			return SPLICE_REASON_OUT_OF_ORDER;
	if ((st[FROM].flags ^ st[TO].flags) & SK_TIMESTAMPS)
		return SPLICE_REASON_TIMESTAMPS;
	if ((st[FROM].flags ^ st[TO].flags) & SK_ECN)
		return SPLICE_REASON_ECN;
	if (addr_is_v4(&r->from->peer) != addr_is_v4(&r->to->peer))
		return SPLICE_REASON_FAMILY;
	if (r->from->eof || r->from->shut || r->to->eof || r->to->shut)
		return SPLICE_REASON_FINISHED;
	return segments_fit(r->from, r->to) && segments_fit(r->to, r->from) ? SPLICE_REASON_DONE
									    : SPLICE_REASON_MSS;
}

static uint32_t stamp_base(const struct splice *leg, const struct sk_state *st)
{
	return leg->leg.stamped && (int32_t)(leg->leg.stamp - st->ts_now) > 0 ? leg->leg.stamp
									      : st->ts_now;
}

/* The recipe for what X sends past its socket, to the other leg. */
static void write_past(struct splice *leg, struct conn *to, const struct sk_state *own,
		       const struct sk_state *others, uint32_t hop)
{
	struct splice_dir *d = &leg->past;

	d->out = splice_key(conn_local(to), &to->peer);
	d->next_hop = hop;
	splice_tunnel(leg, to);
	d->ts_delta = others->ts_now + STAMP_LEAD - own->ts_recent;
	d->ws_in = own->snd_wscale;
	d->ws_out = others->rcv_wscale;
	d->window = own->snd_wnd >> own->snd_wscale;
}

static void write_plan(struct splice *leg, const struct splice *other, uint32_t other_slot,
		       enum leg_body body, uint32_t from, uint32_t n)
{
	struct leg *l = &leg->leg;

	l->body = body;
	l->from = from;
	l->to = from + n;
	l->peer = other_slot;
	l->peer_generation = other->generation;
	l->notes = 0;
}

/* The plans of both are being changed. */
static void write_plans(const struct bounded *b, const struct bounded_request *r,
			const struct sk_state st[2], const uint32_t hops[2], uint32_t n,
			const struct splicer *splicer)
{
	struct splice *in = b->legs[FROM], *out = b->legs[TO];
	uint32_t first = st[FROM].rcv_nxt + in->leg.rx;
	uint32_t out_first = st[TO].write_seq + r->pending + b->expected + out->leg.tx;

	write_past(in, r->to, &st[FROM], &st[TO], hops[TO]);
	write_past(out, r->from, &st[TO], &st[FROM], hops[FROM]);
	in->past.seq_delta = out_first - first;
	in->past.ack_delta = 0; /* what acknowledges is put anew */
	out->past.seq_delta = 0;
	out->past.ack_delta = first - out_first;
	in->past.tsecr_delta = -out->past.ts_delta;
	out->past.tsecr_delta = -in->past.ts_delta;
	write_plan(out, in, slot_of(splicer, in), LEG_OUT, out_first, n);
	write_plan(in, out, slot_of(splicer, out), LEG_IN, first, n);
	in->past.max_seq = in->leg.progress = first;
	in->past.floor = st[FROM].copied_seq + in->leg.rx - r->unwritten;
	out->leg.progress = st[TO].snd_una + out->leg.tx;
	out->leg.before = stamp_base(out, &st[TO]);
	out->leg.heard = st[TO].snd_una + out->leg.tx == out_first;
	in->leg.room = out->leg.room = st[FROM].rcv_wnd;
	/* What was sent while the element was being entered, no program has seen. */
	leg_raise(&in->leg.sent, st[FROM].snd_nxt + in->leg.tx);
	leg_raise(&out->leg.sent, st[TO].snd_nxt + out->leg.tx);
}

/*
 * All that was passed to the socket is in, without a gap. What it keeps behind a gap would never be
 * sent again, nor leave it: when the shift has grown, these bytes would come in the next body.
 */
static bool is_without_gap(const struct bounded *b, struct sk_state st[2])
{
	for (int i = 0; i < 2; i++)
		if (!sk_state_read(b->ends[i]->fd, &st[i]))
			return false;
	return !(st[FROM].flags & SK_OUT_OF_ORDER) &&
	       (int32_t)(st[FROM].rcv_nxt - load(&b->legs[FROM]->leg.passed)) >= 0;
}

static uint64_t body_bytes(uint64_t left)
{
	return left < BOUNDED_BYTES_MAX ? left : BOUNDED_BYTES_MAX;
}

/* False where packets are under way to the socket: nothing has changed then. */
static bool begin_plans(struct bounded *b, const struct bounded_request *r, const uint32_t hops[2],
			const struct splicer *splicer)
{
	struct leg *in = &b->legs[FROM]->leg, *out = &b->legs[TO]->leg;
	struct sk_state st[2];
	bool may;

	leg_plan_begin(in);
	leg_plan_begin(out);
	may = is_without_gap(b, st);
	b->expected = st[FROM].rcv_nxt - st[FROM].copied_seq;
	may = may && r->left >= b->expected + r->least;
	if (may)
		write_plans(b, r, st, hops, (uint32_t)body_bytes(r->left - b->expected), splicer);
	leg_plan_end(out); /* acknowledgements find their way before there are any */
	leg_plan_end(in);
	return may;
}

/* Both at once: entered together, they wait for the same grace period. */
static enum splice_reason take_legs(struct splicer *splicer, const struct bounded_request *r,
				    const struct sk_state st[2], struct splice *legs[2])
{
	enum splice_reason reason =
		leg_of(splicer, r->from, &st[FROM], r->worker, r->name, &legs[FROM]);
	enum splice_reason other;

	if (reason != SPLICE_REASON_DONE && reason != SPLICE_REASON_NOT_QUIET)
		return reason;
	other = leg_of(splicer, r->to, &st[TO], r->worker, r->name, &legs[TO]);
	return reason != SPLICE_REASON_DONE ? reason : other;
}

/* Where the body comes in; what goes the other way are but acknowledgements. */
static bool pays(const struct splicer *splicer, uint32_t hop)
{
	const struct splice_maps *maps = &splicer->maps;

	return !maps->device || device_costs_pay(splicer->costs, maps->device(maps->context, hop),
						 clock_monotonic_ms());
}

/* The leg that a body comes by pays, while it has one. */
static bool begin_paying(struct bounded *b, const struct bounded_request *r, const uint32_t hops[2],
			 struct splicer *splicer)
{
	struct splice *in = b->legs[FROM];

	in->flags =
		(in->flags & ~(uint32_t)SPLICE_BY_SERVER) | (r->by_server ? SPLICE_BY_SERVER : 0);
	rate_take(splicer, slot_of(splicer, in), &r->rate,
		  r->by_server ? &r->to->peer : &r->from->peer);
	if (begin_plans(b, r, hops, splicer))
		return true;
	rate_give(splicer, slot_of(splicer, in));
	return false;
}

enum splice_reason bounded_begin(struct splicer *splicer, const struct bounded_request *r,
				 struct bounded **out_bounded)
{
	struct conn *ends[2] = { r->from, r->to };
	struct bounded b = { .ends = { r->from, r->to },
			     .splicer = splicer,
			     .routes = way_now(splicer) };
	enum splice_reason reason;
	struct sk_state st[2];
	uint32_t hops[2];

	for (int i = 0; i < 2; i++)
		if (!splice_hop(splicer, ends[i], &hops[i]))
			return SPLICE_REASON_UNRESOLVED;
	if (!r->anywhere && !pays(splicer, hops[FROM]))
		return SPLICE_REASON_DEVICE;
	for (int i = 0; i < 2; i++)
		if (!sk_state_read(ends[i]->fd, &st[i]))
			return SPLICE_REASON_NO_QUERY;
	reason = check(r, st);
	if (reason != SPLICE_REASON_DONE)
		return reason;
	b.expected = st[FROM].rcv_nxt - st[FROM].copied_seq;
	if (r->left < b.expected + r->least)
		return SPLICE_REASON_SMALL;
	reason = take_legs(splicer, r, st, b.legs);
	if (reason != SPLICE_REASON_DONE)
		return reason;
	if (!begin_paying(&b, r, hops, splicer))
		return SPLICE_REASON_NOT_QUIET;
	/* A FIN has no number in the midst of what goes past its socket; whoever ends here, resets.
	 */
	conn_reset(r->from);
	conn_reset(r->to);
	*out_bounded = must_alloc(sizeof(**out_bounded));
	**out_bounded = b;
	return SPLICE_REASON_DONE;
}

void bounded_read(struct bounded *b, uint32_t n)
{
	struct leg *in = &b->legs[FROM]->leg, *out = &b->legs[TO]->leg;
	uint32_t before = n < b->expected ? n : b->expected;

	b->expected -= before;
	n -= before;
	if (n > in->to - in->from)
		n = in->to - in->from; /* what follows is of the next request */
	if (n == 0)
		return;
	leg_plan_begin(in);
	leg_plan_begin(out);
	in->from += n;
	out->from += n;
	__atomic_store_n(&out->heard, 0, __ATOMIC_RELAXED);
	/* Some of what went past may have come in order: less would be old now. */
	if (out->stamped & LEG_STAMP_PAST)
		out->before = load(&out->stamp);
	leg_plan_end(out);
	leg_plan_end(in);
	leg_raise(&b->legs[FROM]->past.max_seq, in->from);
}

uint64_t bounded_progress(const struct bounded *b)
{
	const struct leg *out = &b->legs[TO]->leg;
	int32_t n = (int32_t)(load(&out->progress) - out->from);

	return n > 0 ? (uint64_t)n : 0;
}

/*
 * What was passed up before this body's plan has reached the socket, and was read. Who sends it is
 * judged on one processor at a time, and by this plan by now: nothing else is on its way.
 */
static bool is_settled(struct bounded *b)
{
	/* Before the look: what the fence has let through is seen by it. */
	bool past = b->fence && fence_is_past(b->splicer->fence, b->fence);
	struct sk_state st;

	if (!sk_state_read(b->ends[FROM]->fd, &st) || st.rcv_nxt != st.copied_seq)
		return false;
	if (st.flags & SK_OUT_OF_ORDER) {
		b->spoilt = true; /* by one that no plan has seen in time */
		return false;
	}
	if ((int32_t)(st.rcv_nxt - load(&b->legs[FROM]->leg.passed)) >= 0)
		return true;
	if (!b->fence)
		b->fence = fence_request(b->splicer->fence);
	return past;
}

/*
 * A segment with the end of the body and what comes behind it (a pipelined request) goes past no
 * socket. Once all before it has arrived, the body ends there for the kernel: the rest is relayed.
 * What was acknowledged by the old plan meanwhile will not be sent again: then the end is there.
 */
static void end_before_crossing(struct bounded *b)
{
	struct leg *in = &b->legs[FROM]->leg, *out = &b->legs[TO]->leg;
	uint32_t arrived = load(&out->progress);
	bool raise = (int32_t)(arrived - out->to) > 0;

	if (!raise && (!(load(&in->notes) & LEG_CROSSED) || arrived == out->to ||
		       (int32_t)(arrived - out->from) < 0 ||
		       (int32_t)(arrived - delta(b) - load(&in->crossing)) < 0))
		return;
	leg_plan_begin(in);
	leg_plan_begin(out);
	out->to = arrived;
	in->to = arrived - delta(b);
	leg_plan_end(out);
	leg_plan_end(in);
	b->cut = fence_request(b->splicer->fence);
}

bool bounded_is_acked(const struct bounded *b)
{
	const struct leg *out = &b->legs[TO]->leg;

	return (int32_t)(load(&out->progress) - out->to) >= 0;
}

/* TO's socket, of what it was given: an ack of more it would not heed. */
static bool has_sent_all(const struct bounded *b)
{
	struct sk_state st;

	return sk_state_read(b->ends[TO]->fd, &st) && st.snd_nxt == st.write_seq;
}

bool bounded_is_done(struct bounded *b)
{
	end_before_crossing(b);
	if (b->cut && !fence_is_past(b->splicer->fence, b->cut))
		return false;
	if (b->expected > 0 || !bounded_is_acked(b) || !has_sent_all(b))
		return false;
	/* Where the socket got all of it, nothing is shifted, and what it still has is of the next
	 * request. */
	return bounded_left(b) == 0 || is_settled(b);
}

bool bounded_is_crossed(const struct bounded *b)
{
	return b->cut > 0;
}

uint64_t bounded_left(const struct bounded *b)
{
	const struct leg *in = &b->legs[FROM]->leg;

	return (uint64_t)b->expected + (in->to - in->from);
}

bool bounded_is_cut(const struct bounded *b)
{
	return b->spoilt || load(&b->legs[FROM]->leg.notes) & LEG_EARLY;
}

bool bounded_is_full(const struct bounded *b)
{
	const struct splice *in = b->legs[FROM], *out = b->legs[TO];

	return load(&out->past.window) == 0 ||
	       (int32_t)(load(&in->past.max_seq) + delta(b) - load(&out->leg.progress)) > 0;
}

bool bounded_is_lost(const struct bounded *b)
{
	struct sk_state st;

	return sk_state_read(b->ends[TO]->fd, &st) && st.tcp_state == TCP_CLOSE;
}

void bounded_tend(struct bounded *b)
{
	uint32_t there = load(&b->legs[TO]->leg.progress) - delta(b);
	uint32_t told = load(&b->legs[FROM]->leg.progress);
	__u32 *notes = &b->legs[FROM]->leg.notes;

	way_keep(b->splicer, b->legs, (uint32_t[]){ 0, 0 }, &b->routes);
	if (load(notes) & LEG_DEAF) {
		__atomic_and_fetch(notes, ~(__u32)LEG_DEAF, __ATOMIC_ACQ_REL);
		leg_poke(b->ends[FROM]);
	}

	if ((int32_t)(there - told) <= 0) {
		b->behind = false;
		return;
	}
	/* Twice in a row: then nobody is about to tell it. */
	if (b->behind && b->told == told)
		leg_poke(b->ends[FROM]);
	b->behind = true;
	b->told = told;
}

/* What FROM's socket says of time is from before the body; 0 where nobody knows. */
static uint32_t last_heard(const struct bounded *b)
{
	struct sk_state st;

	return sk_state_read(b->ends[FROM]->fd, &st) && st.flags & SK_TIMESTAMPS ? st.ts_recent : 0;
}

/* So many bytes of it went past the sockets, and it goes on with them. */
static void fold(struct bounded *b, uint32_t past_in, uint32_t past_out)
{
	struct leg *in = &b->legs[FROM]->leg, *out = &b->legs[TO]->leg;
	uint32_t stale = last_heard(b);

	leg_plan_begin(in);
	leg_plan_begin(out);
	/* X has got that too, and may acknowledge it with the first bytes of a body of its own. */
	leg_raise(&out->sent, out->from + past_out);
	out->tx += past_out;
	in->rx += past_in;
	in->stale = stale;
	in->body = out->body = LEG_NONE;
	leg_plan_end(out);
	leg_plan_end(in);
	rate_give(b->splicer, slot_of(b->splicer, b->legs[FROM]));
}

uint64_t bounded_end(struct bounded *b)
{
	struct leg *in = &b->legs[FROM]->leg;
	const struct splice_dir *there = &b->legs[TO]->past;
	bool narrow = load(&there->window) << there->ws_in < NARROW_BYTES;
	uint32_t n = in->to - in->from;

	fold(b, n, n);
	/* What it knows of windows was TO's: ours is another. */
	if (narrow || (int32_t)(load(&in->progress) - in->to) < 0)
		leg_poke(b->ends[FROM]);
	conn_reset_not(b->ends[FROM]);
	conn_reset_not(b->ends[TO]);
	free(b);
	return n;
}

/*
 * What went past FROM's socket and does not reach it either: some of the body may be on its way
 * there, or not be read yet. Were it counted twice, we would acknowledge what nobody has sent.
 */
static uint32_t past_from(const struct bounded *b)
{
	const struct leg *in = &b->legs[FROM]->leg;
	struct sk_state st;
	uint32_t has;
	int32_t coming, n;

	if (!sk_state_read(b->ends[FROM]->fd, &st))
		return (uint32_t)bounded_progress(b);
	coming = (int32_t)(load(&in->passed) - st.rcv_nxt);
	has = st.rcv_nxt + in->rx;
	if (coming > 0 && (uint32_t)coming <= st.rcv_wnd)
		has += (uint32_t)coming;
	n = (int32_t)(load(&b->legs[TO]->leg.progress) - delta(b) - has);
	return n > 0 ? (uint32_t)n : 0;
}

/*
 * By which our reset is not older than what TO may have by now, or it would not be looked at. Where
 * TO has less, it asks (RFC 5961, 3), and finds no socket.
 */
static uint32_t past_to(const struct bounded *b)
{
	int32_t n = (int32_t)(load(&b->legs[FROM]->past.max_seq) - b->legs[FROM]->leg.from);
	uint32_t progress = (uint32_t)bounded_progress(b);

	return n > 0 && (uint32_t)n > progress ? (uint32_t)n : progress;
}

void bounded_abandon(struct bounded *b)
{
	fold(b, past_from(b), past_to(b));
	conn_reset_not(b->ends[FROM]);
	free(b);
}
