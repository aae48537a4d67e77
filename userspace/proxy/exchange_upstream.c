/* The endpoint's side of an exchange: connection, response, what happens when it breaks. */
#include <errno.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/http/h1_writer.h"
#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

enum { PORT_TRIES = 8, HEADS_V4 = 40, HEADS_V6 = 60, SEGMENT_LEAST = 536 };

/* The configured source of the endpoint's family, or NULL. */
static const struct addr *source_for(const struct session *s, const struct addr *to)
{
	const struct node *node = &s->snapshot->model->node;

	for (uint32_t i = 0; i < node->source_count; i++)
		if (addr_is_v4(&node->sources[i]) == addr_is_v4(to))
			return &node->sources[i];
	return NULL;
}

/* A connection that may be spliced has a port that stays ours when its socket is gone. */
static struct conn *connect_reserved(struct session *s, const struct addr *to,
				     const struct connect_options *options)
{
	struct splicer *splicer = s->proxy->options.splicer;
	struct addr from = *options->source;
	struct connect_options how = *options;

	how.source = &from;
	for (int i = 0; i < PORT_TRIES; i++) {
		uint16_t port = splicer_port_take(splicer, to);
		struct conn *conn;

		if (!port)
			return NULL;
		from.port = htons(port);
		conn = conn_connect(s->proxy->options.loop, to, &how);
		if (conn) {
			conn->reserved_port = port;
			return conn;
		}
		splicer_port_give(splicer, to, port);
		if (errno != EADDRNOTAVAIL && errno != EADDRINUSE)
			return NULL;
	}
	return NULL;
}

/*
 * Bodies may be spliced to any client that this connection will serve: most are like this one. In a
 * tunnel both ends must send what fits it, spliced or not.
 */
static uint32_t max_segment(const struct session *s, const struct endpoint *to,
			    const struct conn_tunnel *tunnel)
{
	const struct exchange *ex = &s->ex;
	bool may = s->proxy->options.splicer && !s->ends[CLIENT]->ops && !ex->upstream->tls.used &&
		   (ex->tunnels || (ex->route && ex->route->splice != SPLICE_OFF));
	uint32_t most = may ? splicer_max_segment(s->ends[CLIENT]) : 0;
	uint32_t heads = addr_is_v4(&to->address) ? HEADS_V4 : HEADS_V6;

	if (tunnel && (!most || most > tunnel->mtu - heads))
		most = tunnel->mtu - heads;
	return most;
}

/* The tunnel towards an endpoint in a vpc. False: there is none, or nothing fits it. */
static bool find_tunnel(const struct session *s, const struct endpoint *to,
			struct conn_tunnel *out_tunnel)
{
	const struct snapshot *snapshot = s->snapshot;

	return snapshot->tunnel &&
	       snapshot->tunnel(snapshot->tunnel_context, to, snapshot->ids[to->index],
				out_tunnel) &&
	       out_tunnel->mtu > HEADS_V6 + SEGMENT_LEAST;
}

static struct conn *connect_new(struct session *s, const struct endpoint *to)
{
	struct connect_options how = { .source = source_for(s, &to->address) };
	struct conn_tunnel tunnel;
	struct conn *conn = NULL;

	stat_add(&session_stats(s)->asked, s->ex.tries++ == 0);
	stat_add(&session_stats(s)->upstream_connects, 1);
	if (to->vpc) {
		if (!find_tunnel(s, to, &tunnel)) {
			LOG_OFTEN(LOG_WARNING,
				  "endpoint %s in vpc %s: its host %s cannot be reached on the "
				  "fast path",
				  addr_print(&to->address).text, to->vpc->name,
				  addr_print(&to->host).text);
			return NULL;
		}
		how.source = &to->vpc->source;
		how.tunnel = &tunnel;
	}
	how.max_segment = max_segment(s, to, how.tunnel);
	if (s->ex.tunnels && s->proxy->options.splicer && how.source && !s->ends[CLIENT]->ops &&
	    !s->ex.upstream->tls.used)
		conn = connect_reserved(s, &to->address, &how);
	if (!conn)
		conn = conn_connect(s->proxy->options.loop, &to->address, &how);
	if (!conn)
		return NULL;
	exchange_count_conn(s, conn);
	introduce_client(s, conn, s->ex.upstream);
	if (secure_connect(s, conn, s->ex.upstream)) {
		conn->secured_as = exchange_identity(s, to);
		return conn;
	}
	conn_close(conn);
	return NULL;
}

/* One endpoint after the other until a connection begins or none is left to be asked. */
bool session_connect(struct session *s, const struct upstream *upstream)
{
	struct exchange *ex = &s->ex;

	while (ex->chosen || ex->attempts < ATTEMPTS_MAX) {
		if (!ex->chosen && exchange_choose(s, upstream) != ROSTER_FOUND)
			return false;
		ex->chosen = false;
		ex->reused = false;
		s->ends[SERVER] = exchange_take_idle(s);
		if (!s->ends[SERVER])
			s->ends[SERVER] = connect_new(s, ex->endpoint);
		if (!s->ends[SERVER]) {
			stat_add(&session_stats(s)->upstream_connect_errors, 1);
			exchange_attempt_failed(ex, END_UNREACHABLE, 0);
			exchange_failed(s);
			continue;
		}
		s->ends[SERVER]->exchanges++;
		session_listen(s, SERVER);
		if (s->ends[SERVER]->connecting)
			session_deadline(s, exchange_connect_ms(s));
		return true;
	}
	return false;
}

bool exchange_connect(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (exchange_must_queue(s))
		return exchange_queue(s);
	if (!session_connect(s, ex->upstream)) {
		if (exchange_may_queue(s))
			return exchange_queue(s);
		if (!ex->endpoint)
			exchange_refuse(s, 503, exchange_nobody(ex));
		else
			exchange_refuse(s, 502, END_UNREACHABLE);
		return false;
	}
	if (!s->ends[SERVER]->connecting)
		session_progress(s);
	return true;
}

/* The head is still there (pinned) or was not sent at all: another connection may take it. */
static bool try_again(struct session *s)
{
	struct exchange *ex = &s->ex;
	bool unsent = s->ends[SERVER] && s->ends[SERVER]->put == 0 && s->ends[SERVER]->connecting;
	/* Who has said a byte has read the request. */
	bool heard = ex->interims || buf_len(&s->in[SERVER]);
	bool stale = ex->reused && s->out[SERVER].pinned && !heard;

	if (ex->response_begun || !(unsent || stale))
		return !heard && exchange_retry(s, RETRY_RESET, 0);
	if (unsent && route_conduct(ex->route)->retry)
		return exchange_retry(s, RETRY_CONNECT, 0);
	session_drop_server(s);
	ex->times.connected = 0;
	if (!stale)
		return exchange_reconnect(s);
	/* That it went stale while idle says nothing of its endpoint; others of the pool are as
	 * old. */
	buf_rewind(&s->out[SERVER]);
	ex->reused = false;
	exchange_attempt_again(ex);
	s->ends[SERVER] = connect_new(s, ex->endpoint);
	if (!s->ends[SERVER])
		return exchange_reconnect(s);
	session_listen(s, SERVER);
	session_deadline(s, exchange_connect_ms(s));
	return true;
}

void exchange_server_lost(struct session *s, uint16_t status, enum end_reason why)
{
	/* That a connection went stale while idle says nothing of its endpoint. */
	if (!s->ex.reused && !s->ex.response_begun)
		exchange_failed(s);
	exchange_attempt_failed(&s->ex, why, 0);
	if (try_again(s)) {
		s->ex.detail = NULL;
		return;
	}
	if (s->ex.response_begun) {
		session_fail(s, why);
		return;
	}
	session_drop_server(s);
	exchange_refuse(s, status, why);
}

static void say_unreached(const struct session *s, int error)
{
	LOG_OFTEN(LOG_WARNING, "endpoint %s of upstream %s: %s",
		  addr_print(&s->ex.endpoint->address).text, s->ex.upstream->name,
		  s->ex.detail ? s->ex.detail : strerror(error));
}

void exchange_connect_ready(struct session *s)
{
	struct conn *conn = s->ends[SERVER];
	int error = conn_connected(conn);
	enum end_reason why;

	if (error == EINPROGRESS)
		return;
	if (error) {
		stat_add(&session_stats(s)->upstream_connect_errors, 1);
		s->ex.detail = error == EPROTO ? transport_tls_failure(conn) : NULL;
		say_unreached(s, error);
		why = error == EPROTO ? END_ENDPOINT_TLS : END_UNREACHABLE;
		exchange_attempt_failed(&s->ex, why, error);
		exchange_server_lost(s, 502, why);
		return;
	}
	s->readable[SERVER] = conn->ops != NULL; /* bytes may have come with the last flight */
	exchange_connected(s);
	if (conn->reserved_port && s->proxy->options.splicer)
		splicer_note(s->proxy->options.splicer, conn);
	session_progress(s);
}

static bool write_response(struct session *s, struct message *msg)
{
	struct exchange *ex = &s->ex;
	struct filter_fields fields;
	struct h1_sent how = { .length = msg->content_length,
			       .minor = ex->client_minor,
			       .upgrade = msg->upgrade,
			       .forwarded = { .modes = s->listener->forwarded.modes,
					      .via = SPAN("shunt") } };
	struct h1_writer w;
	uint32_t room;
	char *at = buf_room(&s->out[CLIENT], &s->proxy->blocks, &room);

	how.framing = ex->head_only ? (enum body_framing)msg->framing
				    : message_framing_for(msg, ex->client_minor);
	if (how.framing == BODY_UNTIL_CLOSE)
		ex->client_keep = false;
	/* What cannot be promised any more is not: draining ends with this exchange. */
	how.keep_alive = ex->client_keep && ex->request_done && !s->proxy->draining;
	if (msg->status >= 200)
		ex->client_keep = how.keep_alive;
	ex->response_framing = how.framing;
	h1_writer_init(&w, at, room);
	if (!at || !exchange_filter_response(s, &fields, &how))
		return false;
	if (msg->status >= 200 || msg->tunnel)
		exchange_remember(s, msg, &fields);
	how.added_count = fields.added_count;
	if (!h1_writer_response(&w, msg, &how))
		return false;
	buf_added(&s->out[CLIENT], (uint32_t)w.len);
	return true;
}

static void bad_response(struct session *s, enum end_reason why)
{
	stat_add(&session_stats(s)->bad_responses, 1);
	exchange_failed(s);
	LOG_OFTEN(LOG_WARNING, "endpoint %s of upstream %s: %s%s%s",
		  addr_print(&s->ex.endpoint->address).text, s->ex.upstream->name,
		  end_reason_texts[why], s->ex.detail ? ": " : "",
		  s->ex.detail ? s->ex.detail : "");
	if (s->ex.response_begun) {
		session_fail(s, why);
		return;
	}
	session_drop_server(s);
	exchange_reply(s, 502, why);
}

/* A final head: from here on the answer is the endpoint's. */
static void begin_response(struct session *s, struct message *msg)
{
	struct exchange *ex = &s->ex;

	bool interim = msg->status < 200 && !msg->tunnel;

	if (interim && ++ex->interims > INTERIMS_MAX) {
		bad_response(s, END_TOO_MANY_INTERIMS);
		return;
	}
	if (interim && ex->client_minor == 0)
		return; /* HTTP/1.0 knows none (RFC 9110, 15.2) */
	if (!interim) {
		exchange_attempt_answered(ex, msg->status);
		exchange_judge(s, msg->status);
		if (exchange_retry(s, 0, msg->status))
			return;
	}
	if (!write_response(s, msg)) {
		bad_response(s, END_RESPONSE_TOO_LARGE);
		return;
	}
	if (interim)
		return;
	buf_unpin(&s->out[SERVER], &s->proxy->blocks);
	ex->response_begun = true;
	exchange_reached(s, &ex->times.answered);
	ex->status = msg->status;
	ex->server_keep = msg->keep_alive;
	if (msg->tunnel) {
		tunnel_begin(s);
		return;
	}
	h1_body_init(&ex->response_body, (enum body_framing)msg->framing, msg->content_length);
	ex->response_done = ex->head_only || !message_has_body(msg);
	session_progress(s);
}

/* Interim answers that the client does not read come first. */
static bool has_room_for_head(const struct session *s)
{
	const struct block_pool *blocks = &s->proxy->blocks;

	return buf_len(&s->out[CLIENT]) <= BLOCK_BYTES / 4 &&
	       (s->out[CLIENT].block || blocks->taken < blocks->taken_max);
}

static bool read_response_head(struct session *s)
{
	enum h1_reject reject;
	size_t used;

	if (buf_len(&s->in[SERVER]) == 0)
		return false;
	if (!has_room_for_head(s))
		return false;
	switch (h1_parser_head(&s->responses, buf_data(&s->in[SERVER]), &s->proxy->message, &used,
			       &reject)) {
	case H1_DONE: {
		struct message *msg = &s->proxy->message;

		begin_response(s, msg);
		if (s->state != SESSION_CLOSED && buf_len(&s->in[SERVER]) >= used &&
		    s->ends[SERVER])
			buf_consume(&s->in[SERVER], &s->proxy->blocks, (uint32_t)used);
		return true;
	}
	case H1_REJECT: {
		s->ex.detail = h1_reject_text(reject).at;
		bad_response(s, END_BAD_RESPONSE);
		return true;
	}
	default:
		return false;
	}
}

static bool read_response_body(struct session *s)
{
	struct exchange *ex = &s->ex;
	enum h1_reject reject = H1_REJECT_NONE;
	struct body_copy copy = { .body = &ex->response_body,
				  .from = &s->in[SERVER],
				  .to = &s->out[CLIENT],
				  .bytes = &ex->bytes_out,
				  .framing = (enum body_framing)ex->response_framing,
				  .last = &ex->response_last,
				  .reject = &reject };
	bool moved = exchange_copy_body(s, &copy, &ex->response_done);

	if (reject != H1_REJECT_NONE) {
		bad_response(s, END_BAD_RESPONSE_BODY);
		return true;
	}
	if (moved)
		session_progress(s);
	return moved;
}

/* The endpoint has closed, in the middle or where that ends the body. */
static bool server_ended(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (!ex->response_begun) {
		exchange_server_lost(s, 502, END_ENDPOINT_CLOSED);
		return true;
	}
	/* A reset does not end a body that ends with its connection (RFC 9112, 8). */
	if (!h1_body_may_close(&ex->response_body) || s->ends[SERVER]->broken) {
		exchange_failed(s);
		session_fail(s, END_ENDPOINT_CUT);
		return true;
	}
	if (ex->response_framing == BODY_CHUNKED &&
	    !buf_append(&s->out[CLIENT], &s->proxy->blocks, SPAN("0\r\n\r\n")))
		return false; /* room comes with the next flush */
	ex->response_done = true;
	return true;
}

/*
 * A connection that is fit for others goes back; anything odd about it, and it is closed. Bytes
 * behind the response would be taken for the answer to somebody else's request.
 */
static void release_server(struct session *s)
{
	struct exchange *ex = &s->ex;
	struct conn *conn = s->ends[SERVER];
	bool fit = ex->server_keep && ex->request_done && !conn->eof && !conn->reserved_port &&
		   buf_len(&s->in[SERVER]) == 0 && buf_len(&s->out[SERVER]) == 0 &&
		   ex->upstream->idle_connections > 0 && !exchange_queue_wants_conn(s) &&
		   ex->upstream->proxy_protocol == PROXY_PROTOCOL_NONE &&
		   (!s->readable[SERVER] || conn_is_quiet(conn));

	if (!fit) {
		session_drop_server(s);
		buf_clear(&s->out[SERVER], &s->proxy->blocks);
		return;
	}
	s->ends[SERVER] = NULL;
	s->readable[SERVER] = false;
	idle_pool_give(s->proxy->idle, conn, ex->upstream->idle_connections);
}

bool exchange_response_step(struct session *s)
{
	struct exchange *ex = &s->ex;
	enum conn_result got;
	bool moved = false;
	uint64_t before;
	uint8_t tries = ex->tries;

	if (!s->ends[SERVER] || s->ends[SERVER]->connecting || ex->response_done)
		return false;
	if (exchange_is_settling(s))
		return false; /* its answer is none that came too early */
	before = s->ends[SERVER]->got;
	got = session_read(s, SERVER);
	exchange_spliced_read(s, SERVER, before);
	if (!ex->response_begun)
		moved = read_response_head(s);
	/* What was read says nothing of another connection that came in its place. */
	if (s->state != SESSION_FORWARDING || !s->ends[SERVER] || ex->tries != tries)
		return true;
	if (ex->response_begun && !ex->response_done)
		moved = read_response_body(s) || moved;
	if (s->state != SESSION_FORWARDING || !s->ends[SERVER])
		return true;
	if (ex->response_begun && !ex->response_done && ex->request_done)
		exchange_try_splice(s, SERVER);
	if (exchange_waits_for_splice(s, SERVER) && got != CONN_ERROR)
		return moved || got == CONN_OK;
	if (!ex->response_done && (got == CONN_EOF || got == CONN_ERROR) &&
	    (buf_len(&s->in[SERVER]) == 0 ||
	     (ex->response_begun && !moved && session_is_stuck(s, SERVER))))
		moved = server_ended(s) || moved;
	else if (!ex->response_done && !ex->response_begun && has_room_for_head(s) &&
		 (got == CONN_EOF || got == CONN_ERROR || got == CONN_FULL)) {
		bad_response(s, END_RESPONSE_NO_HEAD);
		return true;
	}
	if (s->state == SESSION_FORWARDING && ex->response_done && s->ends[SERVER])
		release_server(s);
	return moved || got == CONN_OK;
}
