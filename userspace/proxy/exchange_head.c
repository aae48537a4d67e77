/* The head of a request: read, judged, routed, and written as its endpoint gets it. */
#include "userspace/base/must.h"
#include "userspace/http/h1_writer.h"
#include "userspace/http/path.h"
#include "userspace/proxy/admission.h"
#include "userspace/proxy/session.h"
#include "userspace/route/route_split.h"
#include "userspace/tls/transport_tls.h"

enum { SUBJECT_BYTES_MAX = 512 };

static const struct h1_limits request_limits = { .head_bytes = HEAD_BYTES_MAX,
						 .line_bytes = 8192,
						 .fields = FIELDS_MAX };

void exchange_expect(struct session *s)
{
	h1_parser_init(&s->requests, H1_REQUEST, &request_limits);
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

static struct span field_of(const void *context, struct span name)
{
	return message_value(context, name);
}

/* What an endpoint is told whatever the client says, so that none can pretend to be somebody. */
static uint32_t request_fields(const struct session *s, char subject[SUBJECT_BYTES_MAX],
			       struct field set[2])
{
	const struct listener_request_id *policy = &s->listener->request_id;
	struct span name = span_of(s->listener->tls.client_subject);
	struct span id = access_note_piece(s->ex.note, PIECE_ID);
	uint32_t count = 0;

	if (name.at) {
		transport_tls_subject(s->ends[CLIENT], subject, SUBJECT_BYTES_MAX);
		set[count++] = (struct field){ .name = name, .value = span_of(subject) };
	}
	if (policy->forward && id.len > 0)
		set[count++] = (struct field){ .name = span_of(policy->header), .value = id };
	return count;
}

/* The head as the endpoint gets it, into s->out[SERVER]. */
static bool write_request(struct session *s, const struct message *msg, struct span path)
{
	struct exchange *ex = &s->ex;
	struct addr client = s->client;
	struct addr_text text;
	char subject[SUBJECT_BYTES_MAX] = "";
	struct filter_fields fields = { .set_count = 0 };
	struct h1_sent how = { .framing = (enum body_framing)msg->framing,
			       .length = msg->content_length,
			       .keep_alive = true,
			       .upgrade = msg->upgrade,
			       .keep_expect = msg->expect_100,
			       .set = fields.set,
			       .added = fields.added };
	struct h1_writer w;
	uint32_t room;
	char *at = buf_room(&s->out[SERVER], &s->proxy->blocks, &room);

	client.port = 0;
	text = addr_print(&client);
	how.forwarded = (struct forwarded){
		.modes = s->listener->forwarded.modes,
		.via = SPAN("shunt"),
		.trusted = network_list_has(&s->listener->forwarded.trusted, &client),
		.client = span_of(text.text),
		.proto = s->ends[CLIENT]->ops ? SPAN("https") : SPAN("http"),
	};
	fields.set_count = request_fields(s, subject, fields.set);
	if (!exchange_filter_request(s, msg, path, &fields))
		return false;
	how.set_count = fields.set_count;
	how.added_count = fields.added_count;
	how.path = fields.path;
	how.host = fields.host;
	h1_writer_init(&w, at, room);
	if (!at || !h1_writer_request(&w, msg, &how))
		return false;
	buf_added(&s->out[SERVER], (uint32_t)w.len);
	ex->request_framing = msg->framing;
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

struct scrub exchange_scrub(const struct session *s)
{
	const struct listener_request_id *id = &s->listener->request_id;

	return (struct scrub){ s->listener->requests.underscores,
			       { span_of(s->listener->tls.client_subject),
				 span_of(id->forward ? id->header : NULL) } };
}

/* A route that asks no upstream. */
static void answer(struct session *s, const struct message *msg, struct span path)
{
	if (s->ex.route->place)
		s->ex.location = exchange_location(s, msg, path);
	exchange_reply(s, s->ex.route->status, END_DONE);
}

static void expect_answer(struct session *s, const struct message *msg)
{
	exchange_limits_begin(s);
	h1_parser_init(&s->responses, H1_RESPONSE, &request_limits);
	h1_parser_answers(&s->responses, msg);
}

static void act(struct session *s, struct message *msg)
{
	struct exchange *ex = &s->ex;
	struct scrub scrub = exchange_scrub(s);
	size_t path_len = 0;
	struct route_request req = {
		.host = msg->host,
		.query = msg->query,
		.method = msg->method,
		.sni = span_of(transport_tls_name(s->ends[CLIENT])),
		.client = &s->client,
		.listener = s->listener,
		.field = field_of,
		.context = msg,
	};

	begin(s, msg);
	if (admission_refuses(s))
		return;
	if (msg->method_id == METHOD_CONNECT) {
		exchange_reply(s, 405, END_NO_CONNECT);
		return;
	}
	if (!path_normalise(msg->path, s->listener->requests.paths, s->proxy->path,
			    sizeof(s->proxy->path), &path_len)) {
		exchange_reply(s, 400, END_BAD_PATH);
		return;
	}
	if (!scrub_request(msg, &scrub)) {
		exchange_reply(s, 400, END_BAD_FIELD);
		return;
	}
	req.path = span_make(s->proxy->path, path_len);
	ex->route = router_find(s->listener->routes, &req);
	if (!ex->route) {
		exchange_reply(s, 404, END_NO_ROUTE);
		return;
	}
	if (ex->route->action != ROUTE_UPSTREAM) {
		answer(s, msg, req.path);
		return;
	}
	ex->upstream = route_split(ex->route, &req, s->proxy->dealt++);
	exchange_recall(s, msg, req.path);
	ex->tunnels = ex->tunnels || ex->route->splice == SPLICE_CONNECTION;
	expect_answer(s, msg);
	if (!write_request(s, msg, req.path)) {
		exchange_reply(s, 431, END_HEAD_TOO_LARGE);
		return;
	}
	exchange_connect(s);
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
