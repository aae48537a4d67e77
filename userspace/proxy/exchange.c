/* The client's side of an exchange: head, route, body towards the endpoint, our own answers. */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_writer.h"
#include "userspace/http/path.h"
#include "userspace/proxy/admission.h"
#include "userspace/proxy/session.h"
#include "userspace/route/router.h"
#include "userspace/tls/transport_tls.h"

enum {
	SUBJECT_BYTES_MAX = 512,
	CHUNK_ROOM = 64 /* what framing may add to bytes that are passed on */
};

static const struct h1_limits request_limits = { .head_bytes = HEAD_BYTES_MAX,
						 .line_bytes = 8192,
						 .fields = FIELDS_MAX };

void exchange_expect(struct session *s)
{
	h1_parser_init(&s->requests, H1_REQUEST, &request_limits);
}

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
	struct field set[2];
	struct h1_sent how = { .framing = (enum body_framing)msg->framing,
			       .length = msg->content_length,
			       .keep_alive = true,
			       .upgrade = msg->upgrade,
			       .path = path,
			       .keep_expect = msg->expect_100,
			       .set = set };
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
	how.set_count = request_fields(s, subject, set);
	h1_writer_init(&w, at, room);
	if (!at || !h1_writer_request(&w, msg, &how))
		return false;
	buf_added(&s->out[SERVER], (uint32_t)w.len);
	ex->request_framing = msg->framing;
	ex->replayable = !message_has_body(msg) && message_is_idempotent(msg);
	if (ex->replayable)
		buf_pin(&s->out[SERVER]);
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

static struct scrub scrub_of(const struct session *s)
{
	const struct listener_request_id *id = &s->listener->request_id;

	return (struct scrub){ s->listener->requests.underscores,
			       { span_of(s->listener->tls.client_subject),
				 span_of(id->forward ? id->header : NULL) } };
}

static void act(struct session *s, struct message *msg)
{
	struct exchange *ex = &s->ex;
	struct scrub scrub = scrub_of(s);
	size_t path_len = 0;
	struct route_request req = {
		.host = msg->host, .method = msg->method, .field = field_of, .context = msg
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
		exchange_reply(s, ex->route->status, END_DONE);
		return;
	}
	ex->upstream = ex->route->upstream;
	ex->tunnels = ex->tunnels || ex->route->splice == SPLICE_CONNECTION;
	h1_parser_init(&s->responses, H1_RESPONSE, &request_limits);
	h1_parser_answers(&s->responses, msg);
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

/* The span of the client's bytes that may be decoded into the room that is left. */
static struct span decodable(struct session *s, const struct body_copy *copy)
{
	uint32_t room, framed = copy->framing == BODY_CHUNKED ? CHUNK_ROOM : 0;
	struct span in = buf_data(copy->from);

	if (in.len == 0 || !buf_room(copy->to, &s->proxy->blocks, &room) || room <= framed) {
		buf_consume(copy->to, &s->proxy->blocks, 0);
		return (struct span){ in.at, 0 };
	}
	if (in.len > room - framed)
		in.len = room - framed;
	return in;
}

static void put(struct session *s, struct buf *to, struct span bytes)
{
	MUST(buf_append(to, &s->proxy->blocks, bytes)); /* decodable() left the room */
}

/* Bytes that are passed on as they are, and are all there are, change hands with their block. */
static bool put_whole(const struct body_copy *copy, struct span data)
{
	struct buf whole = *copy->from;

	if (copy->framing == BODY_CHUNKED || data.len != buf_len(&whole) || whole.pinned ||
	    buf_len(copy->to) > 0 || copy->to->pinned)
		return false;
	*copy->from = *copy->to;
	*copy->to = whole;
	return true;
}

static void put_body(struct session *s, struct buf *to, enum body_framing framing, struct span data)
{
	char head[H1_CHUNK_HEAD_MAX];

	if (framing != BODY_CHUNKED) {
		put(s, to, data);
		return;
	}
	put(s, to, span_make(head, h1_writer_chunk_head(data.len, head)));
	put(s, to, data);
	put(s, to, H1_CHUNK_END);
}

/* As far as there is room; *out_done: the body has ended. Whether anything moved. */
bool exchange_copy_body(struct session *s, const struct body_copy *copy, bool *out_done)
{
	struct span in, data;
	enum h1_reject reject;
	bool moved = false;

	for (;;) {
		struct span before = decodable(s, copy);
		enum h1_body_result got;
		bool whole = false;

		in = before;
		got = h1_body_next(copy->body, &in, &data, &reject);
		/* data points into what is consumed: first copy, then consume. */
		if (got == H1_BODY_DATA) {
			whole = put_whole(copy, data);
			if (!whole)
				put_body(s, copy->to, copy->framing, data);
			*copy->bytes += data.len;
		}
		if ((got == H1_BODY_TRAILER || got == H1_BODY_END) &&
		    copy->framing == BODY_CHUNKED && !*copy->last) {
			*copy->last = true;
			put(s, copy->to, H1_LAST_CHUNK);
		}
		if (got == H1_BODY_TRAILER && copy->framing == BODY_CHUNKED &&
		    (!copy->scrub || scrub_may_trail(data, copy->scrub)))
			put(s, copy->to, data);
		if (got == H1_BODY_END && copy->framing == BODY_CHUNKED)
			put(s, copy->to, H1_CHUNK_END);
		moved = moved || before.len != in.len || got == H1_BODY_END;
		buf_consume(copy->from, &s->proxy->blocks,
			    whole ? 0 : (uint32_t)(before.len - in.len));
		if (got == H1_BODY_REJECT)
			*copy->reject = reject;
		*out_done = got == H1_BODY_END;
		if (got == H1_BODY_MORE || got == H1_BODY_END || got == H1_BODY_REJECT)
			return moved;
	}
}

static bool request_body_step(struct session *s)
{
	struct exchange *ex = &s->ex;
	enum h1_reject reject = H1_REJECT_NONE;
	struct scrub scrub = scrub_of(s);
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
	moved = exchange_copy_body(s, &copy, &ex->request_done);
	if (reject != H1_REJECT_NONE) {
		stat_add(&session_stats(s)->bad_requests, 1);
		ex->client_keep = false;
		if (ex->response_begun)
			session_fail(s, END_BAD_BODY);
		else
			exchange_reply(s, h1_reject_status(reject), END_BAD_BODY);
		return true;
	}
	if (ex->request_done)
		exchange_reached(s, &ex->times.body);
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
	enum conn_result got = session_read(s, CLIENT);
	bool moved = got == CONN_OK;

	if (got == CONN_ERROR) {
		session_fail(s, END_CLIENT_GONE);
		return true;
	}
	moved = request_body_step(s) || moved;
	if (s->state == SESSION_FORWARDING && s->ends[CLIENT]->eof && !ex->request_done && !moved &&
	    session_is_stuck(s, CLIENT)) {
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
	bool moved = client_step(s);

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

	stat_add(&session_stats(s)->timeouts, 1);
	if (ex->response_begun) {
		session_fail(s, buf_len(&s->out[CLIENT]) > 0 ? END_CLIENT_STALLED
							     : END_ENDPOINT_STALLED);
		return;
	}
	ex->client_keep = false;
	if (ex->request_done)
		exchange_reply(s, 504, END_RESPONSE_TIMEOUT);
	else
		exchange_reply(s, 408, END_BODY_TIMEOUT);
}
