/* The head of a request: read, judged, routed, and written as its endpoint gets it. */
#include "userspace/base/must.h"
#include "userspace/proxy/admission.h"
#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

enum { SUBJECT_BYTES_MAX = 512 };

void exchange_expect(struct session *s)
{
	h1_parser_init(&s->requests, H1_REQUEST, &decide_limits);
}

/* A head that cannot be read: where the next one begins is not known. */
static void refuse(struct session *s, enum h1_reject reject)
{
	stat_add(&session_stats(s)->bad_requests, 1);
	s->ex.detail = h1_reject_text(reject).at; /* a literal */
	s->ex.client_keep = false;
	s->ex.began_ms = loop_now_ms(s->proxy->options.loop);
	exchange_note(s, NULL);
	session_enter(s, SESSION_FORWARDING);
	exchange_reply(s, h1_reject_status(reject), END_BAD_HEAD);
}

void exchange_refuse_late(struct session *s, enum end_reason why)
{
	stat_add(&session_stats(s)->timeouts, 1);
	s->ex.began_ms = loop_now_ms(s->proxy->options.loop);
	exchange_note(s, NULL);
	session_enter(s, SESSION_FORWARDING);
	exchange_reply(s, 408, why);
}

/* The head as the endpoint gets it, into s->out[SERVER]. */
static bool write_request(struct session *s, const struct message *msg,
			  const struct decision *decision, const struct asked *asked)
{
	struct h1_writer w;
	uint32_t room;
	char *at = buf_room(&s->out[SERVER], &s->proxy->blocks, &room);

	h1_writer_init(&w, at, room);
	if (!at || !decide_head(asked, msg, decision, exchange_texts(s), &w))
		return false;
	buf_added(&s->out[SERVER], (uint32_t)w.len);
	s->ex.request_framing = msg->framing;
	exchange_hold(s, msg);
	return true;
}

static void begin(struct session *s, const struct message *msg)
{
	struct exchange *ex = &s->ex;

	*ex = (struct exchange){ .began_ms = loop_now_ms(s->proxy->options.loop),
				 .client_minor = msg->minor,
				 .client_keep = msg->keep_alive,
				 .client_closes = !msg->keep_alive,
				 .head_only = msg->method_id == METHOD_HEAD,
				 .tunnels = msg->upgrade };
	exchange_note(s, msg);
	exchange_reached(s, &ex->times.head);
	h1_body_init(&ex->request_body, (enum body_framing)msg->framing, msg->content_length);
	ex->request_done = !message_has_body(msg);
	session_enter(s, SESSION_FORWARDING);
}

enum end_reason exchange_refusal(enum decided kind)
{
	static const enum end_reason reasons[] = {
		[DECIDED_UPSTREAM] = END_DONE,         [DECIDED_ANSWER] = END_DONE,
		[DECIDED_NO_CONNECT] = END_NO_CONNECT, [DECIDED_BAD_PATH] = END_BAD_PATH,
		[DECIDED_BAD_FIELD] = END_BAD_FIELD,   [DECIDED_NO_ROUTE] = END_NO_ROUTE,
	};

	return reasons[kind];
}

/* Of those that go to no upstream. */
static void answer(struct session *s, const struct message *msg, const struct decision *decision)
{
	struct asked asked = exchange_asked(s);

	if (decision->route && decision->route->action == ROUTE_REDIRECT)
		s->ex.location = decide_location(&asked, msg, decision, exchange_texts(s));
	exchange_reply(s, decision->status, exchange_refusal(decision->kind));
}

static void expect_answer(struct session *s, const struct message *msg)
{
	exchange_limits_begin(s);
	h1_parser_init(&s->responses, H1_RESPONSE, &decide_limits);
	h1_parser_answers(&s->responses, msg);
}

static void recall(struct session *s, struct message *msg, struct span path)
{
	struct recall by = exchange_recall_by(s, s->ex.upstream);

	exchange_recall(&by, msg, path);
	if (s->ex.foreign && !s->ex.keeps)
		stat_add(&session_stats(s)->persistence_foreign, 1);
}

/* It is read where somebody wants it, for each request anew. */
static void ask_subject(struct session *s, struct asked *asked, char room[SUBJECT_BYTES_MAX])
{
	const struct listener *l = s->listener;

	if ((l->tls.client_subject || l->routes->asks_subject) &&
	    transport_tls_subject(s->ends[CLIENT], room, SUBJECT_BYTES_MAX))
		asked->subject = span_of(room);
}

static void act(struct session *s, struct message *msg)
{
	char subject[SUBJECT_BYTES_MAX];
	struct exchange *ex = &s->ex;
	struct decision decision;
	struct asked asked;

	begin(s, msg);
	if (admission_refuses(s))
		return;
	asked = exchange_asked(s);
	ask_subject(s, &asked, subject);
	asked.losers = exchange_story_losers(ex);
	decision = decide(&asked, msg, s->proxy->path, sizeof(s->proxy->path));
	ex->route = decision.route;
	if (exchange_quota_refuses(s, msg))
		return;
	if (decision.kind != DECIDED_UPSTREAM) {
		answer(s, msg, &decision);
		return;
	}
	exchange_story_decided(ex, &decision);
	s->proxy->dealt++;
	ex->upstream = decision.upstream = exchange_fail_over(s, decision.upstream);
	recall(s, msg, decision.path);
	ex->tunnels = ex->tunnels || ex->route->splice == SPLICE_CONNECTION;
	expect_answer(s, msg);
	if (!write_request(s, msg, &decision, &asked)) {
		exchange_reply(s, 431, END_HEAD_TOO_LARGE);
		return;
	}
	exchange_enter(s);
}

bool exchange_read_head(struct session *s)
{
	struct proxy *proxy = s->proxy;
	bool fresh = buf_len(&s->in[CLIENT]) == 0;
	enum conn_result got;
	enum h1_reject reject;
	size_t used;

	if (!session_flush(s, CLIENT)) {
		session_close(s);
		return false;
	}
	/* Answers before questions: a client that does not read gets no more parsed. */
	if (buf_len(&s->out[CLIENT]) > BLOCK_BYTES / 2)
		return false;
	got = session_read(s, CLIENT);
	if (fresh && buf_len(&s->in[CLIENT]) > 0) {
		s->began_us = session_now_us(s);
		session_deadline(s, s->listener->timeouts.head_ms);
	}
	if (buf_len(&s->in[CLIENT]) > 0)
		switch (h1_parser_head(&s->requests, buf_data(&s->in[CLIENT]), &proxy->message,
				       &used, &reject)) {
		case H1_DONE:
			act(s, &proxy->message);
			if (s->state != SESSION_CLOSED)
				buf_consume(&s->in[CLIENT], &proxy->blocks, (uint32_t)used);
			return true;
		case H1_REJECT:
			refuse(s, reject);
			return true;
		case H1_NEED_MORE:
			break;
		}
	/* Between requests, or with half a head; earlier answers may still be on their way. */
	if (got == CONN_ERROR)
		session_close(s);
	else if (got == CONN_EOF || got == CONN_FULL)
		session_enter(s, SESSION_DRAINING);
	return got == CONN_OK || s->state == SESSION_DRAINING;
}
