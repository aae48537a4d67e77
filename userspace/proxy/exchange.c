/* An exchange's course: the client's side of its steps, and its end. */
#include "userspace/proxy/session.h"

/*
 * Where a client has said that its request is the last one (RFC 9112, 9.6), and all of it is read,
 * nothing can come that would have the kernel reset the connection and eat our answer.
 */
static bool needs_no_draining(const struct session *s)
{
	return s->ex.client_closes && s->ex.request_done && !s->readable[CLIENT] &&
	       buf_len(&s->in[CLIENT]) == 0 && buf_len(&s->out[CLIENT]) == 0;
}

/* After the exchange: the next request, or the end. */
void exchange_end(struct session *s)
{
	bool waiting = buf_len(&s->in[CLIENT]) > 0; /* another request, or a part of one */
	bool ending = s->proxy->draining && !s->proxy->patient; /* a promise to keep it is kept */
	bool keep = s->ex.client_keep && s->ex.request_done && !ending &&
		    (!s->ends[CLIENT]->eof || waiting);
	bool ended = !keep && needs_no_draining(s);

	exchange_log(s, "none", "");
	session_drop_server(s);
	buf_clear(&s->out[SERVER], &s->proxy->blocks);
	exchange_forget(s);
	access_note_give(&s->proxy->notes, s->ex.note);
	s->ex = (struct exchange){ 0 };
	s->began_us = waiting ? s->idle_from_us : 0;
	keep = session_renew(s) && keep;
	if (ended) {
		if (s->ends[CLIENT]->ops)
			conn_shut(s->ends[CLIENT]); /* of plain TCP closing says the same */
		session_enter(s, SESSION_CLOSED);
		return;
	}
	session_enter(s, keep ? SESSION_READING : SESSION_DRAINING);
	if (keep && waiting)
		session_deadline(s, s->listener->timeouts.head_ms);
}

static bool request_body_step(struct session *s)
{
	struct exchange *ex = &s->ex;
	enum h1_reject reject = H1_REJECT_NONE;
	struct scrub scrub = decide_scrub(s->listener);
	struct body_copy copy = { .body = &ex->request_body,
				  .scrub = &scrub,
				  .from = &s->in[CLIENT],
				  .to = &s->out[SERVER],
				  .bytes = &ex->bytes_in,
				  .framing = (enum body_framing)ex->request_framing,
				  .last = &ex->request_last,
				  .reject = &reject };
	bool moved;

	if (ex->request_done)
		return false;
	exchange_hold_no_longer(s);
	moved = exchange_copy_body(s, &copy, &ex->request_done);
	exchange_hold_no_longer(s);
	if (reject != H1_REJECT_NONE) {
		stat_add(&session_stats(s)->bad_requests, 1);
		ex->client_keep = false;
		if (ex->response_begun)
			session_fail(s, END_BAD_BODY);
		else
			exchange_reply(s, h1_reject_status(reject), END_BAD_BODY);
		return true;
	}
	if (exchange_quota_ends_body(s))
		return true;
	if (ex->request_done) {
		exchange_reached(s, &ex->times.body);
		ex->asked_ms = loop_now_ms(s->proxy->options.loop);
	}
	if (moved)
		session_progress(s);
	return moved;
}

/* Bytes that we made on their way to either side: any that left made room for others. */
static uint64_t written(const struct session *s)
{
	return s->ends[CLIENT]->put + (s->ends[SERVER] ? s->ends[SERVER]->put : 0);
}

static bool client_step(struct session *s)
{
	struct exchange *ex = &s->ex;
	uint64_t before = s->ends[CLIENT]->got;
	enum conn_result got = session_read(s, CLIENT);
	bool moved = got == CONN_OK;

	exchange_spliced_read(s, CLIENT, before);

	if (got == CONN_ERROR) {
		session_fail(s, END_CLIENT_GONE);
		return true;
	}
	if (!exchange_queue_stays(s))
		return true;
	moved = request_body_step(s) || moved;
	if (s->state == SESSION_FORWARDING && !ex->request_done)
		exchange_try_splice(s, CLIENT);
	if (s->state == SESSION_FORWARDING && s->ends[CLIENT]->eof && !ex->request_done && !moved &&
	    !exchange_waits_for_splice(s, CLIENT) && session_is_stuck(s, CLIENT)) {
		session_fail(s, END_CLIENT_CUT);
		return true;
	}
	return moved;
}

static void flush_server(struct session *s)
{
	if (session_flush(s, SERVER))
		return;
	/* It may have answered before it closed: that is looked at first. */
	if (!s->out[SERVER].pinned)
		buf_clear(&s->out[SERVER], &s->proxy->blocks);
	s->readable[SERVER] = true;
}

/* The whole request is on its way, and the route wants no look at what follows. */
static bool is_tunnel_now(const struct session *s)
{
	return s->ends[SERVER] && !s->ends[SERVER]->connecting &&
	       s->ex.route->splice == SPLICE_CONNECTION && s->ex.request_done &&
	       buf_len(&s->in[SERVER]) == 0 && s->proxy->options.splicer;
}

/* One pass over all that can move. */
bool exchange_step(struct session *s)
{
	uint64_t before = written(s);
	bool moved = exchange_splice_step(s);

	if (s->state != SESSION_FORWARDING)
		return true;
	moved = client_step(s) || moved;
	if (s->state != SESSION_FORWARDING)
		return true;
	flush_server(s);
	if (is_tunnel_now(s)) {
		tunnel_begin(s);
		return true;
	}
	moved = written(s) != before || moved;
	moved = exchange_response_step(s) || moved;
	if (s->state != SESSION_FORWARDING)
		return true;
	before = s->ends[CLIENT]->put;
	if (!session_flush(s, CLIENT)) {
		session_fail(s, END_CLIENT_GONE);
		return true;
	}
	if (s->ex.response_done && buf_len(&s->out[CLIENT]) == 0) {
		exchange_end(s);
		return true;
	}
	return moved || s->ends[CLIENT]->put != before;
}

void exchange_time_out(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (exchange_is_queued(s)) {
		exchange_queue_time_out(s);
		return;
	}
	if (ex->waits) {
		exchange_resume(s);
		return;
	}
	stat_add(&session_stats(s)->timeouts, 1);
	if (ex->response_begun) {
		if (!exchange_is_full(s))
			exchange_failed(s);
		session_fail(s, exchange_is_full(s) ? END_CLIENT_STALLED : END_ENDPOINT_STALLED);
		return;
	}
	if (ex->request_done) {
		exchange_attempt_failed(ex, END_RESPONSE_TIMEOUT, 0);
		exchange_failed(s);
		if (exchange_retry(s, RETRY_TIMEOUT, 0))
			return;
	}
	ex->client_keep = false;
	if (ex->request_done) {
		exchange_reply(s, 504, END_RESPONSE_TIMEOUT);
	} else
		exchange_reply(s, 408, END_BODY_TIMEOUT);
}
