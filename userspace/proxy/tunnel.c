/* Bytes both ways while nobody needs to look; into the kernel where that can be. */
#include <string.h>
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/proxy/session.h"

enum {
	POLL_MS = 5,   /* how often a handover is asked whether it may finish */
	RETRY_MS = 50, /* where the reason against a splice may pass */
	SPLICE_TRIES_MAX = 20,
};

static uint32_t pending(const struct session *s, enum side from)
{
	return buf_len(&s->out[!from]) + buf_len(&s->in[from]);
}

static enum splice_policy policy(const struct session *s)
{
	return s->ex.route ? s->ex.route->splice : s->listener->splice;
}

static void refuse(struct session *s, enum splice_reason reason)
{
	s->splice_reason = reason;
	s->relayed = true;
	stat_add(&session_stats(s)->splice[reason], 1);
}

static bool may_pass(enum splice_reason reason)
{
	return reason == SPLICE_REASON_OUT_OF_ORDER || reason == SPLICE_REASON_UNRESOLVED;
}

static uint64_t hash_of(const char *a, const char *b, uint64_t seed)
{
	return XXH3_64bits_withSeed(b, strlen(b), XXH3_64bits_withSeed(a, strlen(a), seed));
}

struct splice_rate tunnel_rate(const struct session *s)
{
	const struct listener *l = s->listener;
	const struct route *route = s->ex.route;
	const struct splice_rates *rates =
		route ? route_conduct(route)->splice_rates : &l->splice_rates;

	if (!rates)
		return (struct splice_rate){ 0 };
	/* By names, so that a reload or another process finds the same. */
	return (struct splice_rate){ .owner =
					     route ? hash_of(l->routes->name, route->name, 1u << 16)
						   : hash_of(l->vip->name, "", l->port),
				     .all = rates->all,
				     .source = rates->source };
}

static void try_splice(struct session *s)
{
	struct handover_request request = { .ends = { s->ends[CLIENT], s->ends[SERVER] },
					    .pending = { pending(s, CLIENT), pending(s, SERVER) },
					    .worker = s->proxy->options.worker,
					    .name = s->ex.upstream->name,
					    .session = s->id,
					    .rate = tunnel_rate(s),
					    .drain_ms = s->ex.upstream->drain_ms,
					    .idle_ms = s->listener->timeouts.tunnel_ms };
	enum splice_reason reason;

	if (s->tunnel_until_ms) {
		uint64_t now = loop_now_ms(s->proxy->options.loop);

		request.most_ms =
			s->tunnel_until_ms > now ? (uint32_t)(s->tunnel_until_ms - now) : 1;
	}
	if (policy(s) == SPLICE_OFF)
		reason = SPLICE_REASON_OFF;
	else if (!s->proxy->options.splicer)
		reason = SPLICE_REASON_NO_DATAPLANE;
	else if (s->ends[CLIENT]->ops || s->ends[SERVER]->ops)
		reason = SPLICE_REASON_TLS;
	else if (s->ends[CLIENT]->eof || s->ends[SERVER]->eof)
		reason = SPLICE_REASON_FINISHED;
	else
		reason = handover_begin(s->proxy->options.splicer, &request, &s->handover);
	if (reason == SPLICE_REASON_DONE) {
		s->splice_reason = reason;
		timer_start(&s->poll, POLL_MS);
	} else if (may_pass(reason) && ++s->splice_tries < SPLICE_TRIES_MAX) {
		s->splice_reason = reason;
		timer_start(&s->poll, RETRY_MS);
	} else {
		refuse(s, reason);
	}
}

void tunnel_begin(struct session *s)
{
	stat_add(&session_stats(s)->tunnels, 1);
	buf_unpin(&s->out[SERVER], &s->proxy->blocks);
	exchange_judge_unseen(s);
	if (s->listener->timeouts.tunnel_total_ms)
		s->tunnel_until_ms =
			loop_now_ms(s->proxy->options.loop) + s->listener->timeouts.tunnel_total_ms;
	session_enter(s, SESSION_TUNNEL);
	timer_start(&s->poll, 0); /* the first look comes when the heads are written */
}

void tunnel_on_poll(void *context)
{
	struct session *s = context;

	session_run(s);
	/* s may be gone; session_run has started the timer anew where it is needed. */
}

/* Writes what waits for `to`: what we made first, then the other side's bytes as they are. */
static bool flush(struct session *s, enum side to)
{
	struct conn *conn = s->ends[to];
	uint64_t before = conn->put;

	if (!session_flush(s, to))
		return false;
	if (buf_len(&s->out[to]) == 0 &&
	    conn_write(conn, &s->in[!to], &s->proxy->blocks) == CONN_ERROR)
		return false;
	if (conn->put != before)
		session_progress(s);
	return true;
}

/* Reads one side and writes the other. False: the session is over. */
static bool carry(struct session *s, enum side from, bool *out_moved)
{
	uint64_t before = s->ends[from]->got, written = s->ends[!from]->put;
	enum conn_result got = session_read(s, from);

	s->tunnel_bytes[from] += s->ends[from]->got - before;
	if (got == CONN_OK) {
		*out_moved = true;
		if (s->handover)
			handover_residual(s->handover, from, pending(s, from));
	}
	if (got == CONN_ERROR || !flush(s, !from)) {
		session_fail(s, from == CLIENT ? END_TUNNEL_CLIENT : END_TUNNEL_ENDPOINT);
		return false;
	}
	/* What was written made room: bytes that are known to wait can be read now. */
	*out_moved = *out_moved || s->ends[!from]->put != written;
	if (s->ends[from]->eof && pending(s, from) == 0 && !s->ends[!from]->shut) {
		if (s->handover)
			handover_eof(s->handover, from, 0);
		conn_shut(s->ends[!from]);
	}
	return true;
}

/* The kernel has it: what is left of the session is its log line. */
static void hand_over(struct session *s)
{
	exchange_log(s, "full", splice_reason_texts[SPLICE_REASON_DONE]);
	stat_add(&session_stats(s)->splice[SPLICE_REASON_DONE], 1);
	handover_finish(s->handover);
	s->handover = NULL;
	s->ends[CLIENT] = s->ends[SERVER] = NULL;
	session_close(s);
}

bool tunnel_step(struct session *s)
{
	bool moved = false;

	if (!carry(s, CLIENT, &moved) || !carry(s, SERVER, &moved))
		return false;
	if (s->handover) {
		if (pending(s, CLIENT) == 0 && pending(s, SERVER) == 0 &&
		    handover_may_finish(s->handover, loop_now_ms(s->proxy->options.loop)))
			hand_over(s);
		else if (!ev_is_active(&s->poll.timer))
			timer_start(&s->poll, POLL_MS);
		return moved && s->state == SESSION_TUNNEL;
	}
	if (s->ends[CLIENT]->shut && s->ends[SERVER]->shut) {
		exchange_log(s, "none", splice_reason_texts[s->splice_reason]);
		session_close(s);
		return false;
	}
	if (!s->relayed && !ev_is_active(&s->poll.timer))
		try_splice(s);
	return moved;
}
