/* Bodies of known length that the kernel carries, while their exchange stays HTTP. */
#include "userspace/proxy/session.h"

#include "userspace/splice/bounded.h"

enum {
	FIRST_LOOK_MS = 1, /* at how far it has got, */
	LAST_LOOK_MS = 16, /* twice as rarely each time that it has not moved */
	LOOKS_MAX = 250,   /* where the reason against it may pass */
	SEGMENT_MOST = 65535,

	/* Where the route says none: about where by tc the curves of `make bench BENCH=splice`
	   meet. */
	SPLICE_THRESHOLD = 256 << 10,
};

uint64_t exchange_splice_threshold(const struct route *route)
{
	uint64_t own = route_conduct(route)->splice_threshold;

	return own ? own : SPLICE_THRESHOLD;
}

static uint64_t threshold(const struct exchange *ex)
{
	return exchange_splice_threshold(ex->route);
}

static struct h1_body *body_from(struct session *s, enum side from)
{
	return from == CLIENT ? &s->ex.request_body : &s->ex.response_body;
}

static uint64_t *bytes_from(struct session *s, enum side from)
{
	return from == CLIENT ? &s->ex.bytes_in : &s->ex.bytes_out;
}

static bool may_pass(enum splice_reason reason)
{
	return reason == SPLICE_REASON_OUT_OF_ORDER || reason == SPLICE_REASON_UNRESOLVED ||
	       reason == SPLICE_REASON_NOT_QUIET;
}

/* Payload on both sides alike, all heads written, and enough of it to be worth a thought. */
static bool is_candidate(struct session *s, enum side from)
{
	const struct exchange *ex = &s->ex;
	uint8_t framing = from == CLIENT ? ex->request_framing : ex->response_framing;

	return framing == BODY_LENGTH && ex->route->splice != SPLICE_OFF &&
	       h1_body_left(body_from(s, from)) >= threshold(ex) + buf_len(&s->in[from]);
}

static enum splice_reason begin(struct session *s, enum side from)
{
	struct bounded_request request = {
		.from = s->ends[from],
		.to = s->ends[!from],
		.pending = buf_len(&s->out[!from]) + buf_len(&s->in[from]),
		.unwritten = buf_len(&s->in[from]),
		.left = h1_body_left(body_from(s, from)) - buf_len(&s->in[from]),
		.least = threshold(&s->ex),
		.anywhere = route_conduct(s->ex.route)->splice_threshold > 0,
		.worker = s->proxy->options.worker,
		.name = s->ex.upstream->name,
		.rate = tunnel_rate(s),
		.by_server = from == SERVER,
	};

	if (!s->proxy->options.splicer)
		return SPLICE_REASON_NO_DATAPLANE;
	if (s->ends[CLIENT]->ops || s->ends[SERVER]->ops)
		return SPLICE_REASON_TLS;
	return bounded_begin(s->proxy->options.splicer, &request, &s->ex.bounded);
}

void exchange_try_splice(struct session *s, enum side from)
{
	struct exchange *ex = &s->ex;
	enum splice_reason reason;

	if (ex->bounded || ex->looks >= LOOKS_MAX || !s->ends[SERVER] ||
	    s->ends[SERVER]->connecting || (from == CLIENT && s->out[SERVER].pinned) ||
	    !is_candidate(s, from))
		return;
	ex->looks++;
	reason = begin(s, from);
	ex->splice_reason = (uint8_t)reason;
	if (reason == SPLICE_REASON_DONE) {
		ex->bounded_from = (uint8_t)from;
		ex->look_ms = FIRST_LOOK_MS;
		ex->looked = 0;
		stat_add(&session_stats(s)->bodies_spliced, 1);
		timer_start(&s->poll, FIRST_LOOK_MS);
	} else if (!may_pass(reason) || ex->looks == LOOKS_MAX) {
		ex->looks = LOOKS_MAX;
		stat_add(&session_stats(s)->splice[reason], 1);
	}
}

void exchange_spliced_read(struct session *s, enum side from, uint64_t before)
{
	struct exchange *ex = &s->ex;

	if (ex->bounded && ex->bounded_from == from && s->ends[from]->got != before)
		bounded_read(ex->bounded, (uint32_t)(s->ends[from]->got - before));
}

/* All that was read of it is written; behind it the next request may have been read, too. */
static bool nothing_waits(struct session *s)
{
	enum side from = (enum side)s->ex.bounded_from;

	return buf_len(&s->out[!from]) == 0 &&
	       (buf_len(&s->in[from]) == 0 ||
		h1_body_left(body_from(s, from)) == bounded_left(s->ex.bounded));
}

static void end_splice(struct session *s)
{
	struct exchange *ex = &s->ex;
	enum side from = (enum side)ex->bounded_from;
	bool is_crossed = bounded_is_crossed(ex->bounded);
	uint64_t n = bounded_end(ex->bounded);

	ex->bounded = NULL;
	h1_body_skip(body_from(s, from), n);
	/* What is left comes in a segment that can go past no socket, each time that it is sent. */
	is_crossed = is_crossed && h1_body_left(body_from(s, from)) <= SEGMENT_MOST;
	ex->looks = is_crossed ? LOOKS_MAX : 0;
	*bytes_from(s, from) += n;
	ex->bytes_spliced += n;
	timer_stop(&s->poll);
	stat_add(&session_stats(s)->bytes_spliced, n);
	session_progress(s);
}

bool exchange_splice_step(struct session *s)
{
	struct exchange *ex = &s->ex;
	uint64_t progress;

	if (!ex->bounded)
		return false;
	if (nothing_waits(s) && bounded_is_done(ex->bounded)) {
		end_splice(s);
		return true;
	}
	if (bounded_is_cut(ex->bounded)) {
		if (ex->bounded_from == SERVER)
			exchange_failed(s);
		session_fail(s, ex->bounded_from == CLIENT ? END_CLIENT_CUT : END_ENDPOINT_CUT);
		return true;
	}
	if (ev_is_active(&s->poll.timer))
		return false;
	progress = bounded_progress(ex->bounded);
	bounded_tend(ex->bounded);
	if (progress != ex->looked) {
		session_progress(s);
		ex->look_ms = FIRST_LOOK_MS;
	} else if (ex->bounded_from == SERVER && bounded_is_lost(ex->bounded)) {
		session_fail(s, END_CLIENT_GONE); /* an endpoint's is read of: that tells */
		return true;
	} else if (ex->look_ms < LAST_LOOK_MS) {
		ex->look_ms *= 2;
	}
	ex->looked = progress;
	timer_start(&s->poll, ex->look_ms);
	return false;
}

bool exchange_waits_for_splice(const struct session *s, enum side from)
{
	return s->ex.bounded && s->ex.bounded_from == from;
}

bool exchange_is_settling(const struct session *s)
{
	return exchange_waits_for_splice(s, CLIENT) && bounded_is_acked(s->ex.bounded);
}

bool exchange_is_full(const struct session *s)
{
	return buf_len(&s->out[CLIENT]) > 0 ||
	       (exchange_waits_for_splice(s, SERVER) && bounded_is_full(s->ex.bounded));
}

void exchange_drop_splice(struct session *s)
{
	uint64_t n;

	if (!s->ex.bounded)
		return;
	n = bounded_progress(s->ex.bounded);
	*bytes_from(s, (enum side)s->ex.bounded_from) += n;
	s->ex.bytes_spliced += n;
	stat_add(&session_stats(s)->bytes_spliced, n);
	bounded_abandon(s->ex.bounded);
	s->ex.bounded = NULL;
	timer_stop(&s->poll);
}
