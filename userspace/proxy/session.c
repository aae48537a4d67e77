#include "userspace/proxy/session.h"
#include "userspace/proxy/admission.h"
#include "userspace/proxy/rest.h"
#include "userspace/proxy/session_store.h"
#include "userspace/proxy/source_limit.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"

const char *const session_state_names[SESSION_STATES] = {
	"introduced", "handshake", "hello", "reading", "forwarding", "tunnel", "draining", "closed",
};

#define TO(state) (1u << SESSION_##state)

static const unsigned moves[SESSION_STATES] = {
	[SESSION_INTRODUCED] = TO(HANDSHAKE) | TO(HELLO) | TO(READING) | TO(CLOSED),
	[SESSION_HANDSHAKE] = TO(READING) | TO(CLOSED),
	[SESSION_HELLO] = TO(TUNNEL) | TO(DRAINING) | TO(CLOSED),
	[SESSION_READING] = TO(FORWARDING) | TO(DRAINING) | TO(CLOSED),
	[SESSION_FORWARDING] = TO(READING) | TO(TUNNEL) | TO(DRAINING) | TO(CLOSED),
	[SESSION_TUNNEL] = TO(CLOSED),
	[SESSION_DRAINING] = TO(CLOSED),
	[SESSION_CLOSED] = TO(CLOSED),
};

/* How long the state may last without progress. */
/* Without a byte, but no longer than in all. */
static uint64_t tunnel_ms(const struct session *s)
{
	uint64_t now = loop_now_ms(s->proxy->options.loop), idle = s->listener->timeouts.tunnel_ms;
	uint64_t left = s->tunnel_until_ms > now ? s->tunnel_until_ms - now : 0;

	return s->tunnel_until_ms && left < idle ? left : idle;
}

static uint64_t state_ms(const struct session *s, enum session_state state)
{
	const struct timeouts *t = &s->listener->timeouts;

	switch (state) {
	case SESSION_HANDSHAKE:
		return t->handshake_ms;
	case SESSION_INTRODUCED:
	case SESSION_HELLO:
		return t->head_ms;
	case SESSION_READING:
		return t->idle_ms;
	case SESSION_FORWARDING:
		return exchange_forwarding_ms(s);
	case SESSION_TUNNEL:
		return tunnel_ms(s);
	default:
		return t->drain_ms;
	}
}

/* The timer is lazy: it is started when it is not running or would be late, and looks again. */
void session_deadline(struct session *s, uint64_t after_ms)
{
	uint64_t now = loop_now_ms(s->proxy->options.loop);
	uint32_t over_ms = s->listener->rates.over_ms;
	uint64_t due, until = exchange_until_ms(s);

	if (s->shed && after_ms > SHED_MS)
		after_ms = SHED_MS;
	if (until < now + after_ms)
		after_ms = until > now ? until - now : 0;
	due = after_ms > over_ms && pace_is_kept(s) ? over_ms : after_ms;
	s->deadline_ms = now + after_ms;
	if (now + due >= s->due_ms && ev_is_active(&s->timer.timer))
		return;
	s->due_ms = now + due;
	timer_start(&s->timer, due);
}

void session_progress(struct session *s)
{
	/* What the client sends meanwhile gives the endpoint no more time to be reached. */
	if ((s->ends[SERVER] && s->ends[SERVER]->connecting) || s->ex.waits ||
	    exchange_is_queued(s))
		return;
	session_deadline(s, state_ms(s, s->state));
}

/* The only place where a session changes state. Every state has a deadline: none can hang. */
void session_enter(struct session *s, enum session_state next)
{
	MUST(moves[s->state] & (1u << next));
	s->proxy->handshakes += (next == SESSION_HANDSHAKE) - (s->state == SESSION_HANDSHAKE);
	s->proxy->forwarding += (next == SESSION_FORWARDING) - (s->state == SESSION_FORWARDING);
	s->state = next;
	if (next != SESSION_CLOSED)
		session_deadline(s, state_ms(s, next));
}

const struct listener *session_successor(const struct snapshot *snapshot,
					 const struct listener *old)
{
	for (uint32_t i = 0; i < snapshot->model->listener_count; i++) {
		const struct listener *l = snapshot->listeners[i];

		if (l->port == old->port && l->protocol == old->protocol &&
		    strcmp(l->vip->name, old->vip->name) == 0)
			return l;
	}
	return NULL;
}

bool session_renew(struct session *s)
{
	struct snapshot *now = s->proxy->snapshot, *before = s->snapshot;
	const struct listener *listener;

	if (before == now)
		return true;
	listener = session_successor(now, s->listener);
	if (!listener)
		return false;
	s->snapshot = snapshot_ref(now);
	s->listener = listener;
	snapshot_unref(before);
	return true;
}

static bool may_begin(struct session *s)
{
	uint32_t most = s->listener->connections_per_source;

	if (!most)
		return true;
	s->counted = source_limit_take(source_limit_shared(), &s->client, most);
	if (!s->counted)
		stat_add(&session_stats(s)->sessions_over_source, 1);
	return s->counted;
}

void session_begin(struct session *s)
{
	if (!may_begin(s)) {
		session_close(s);
		return;
	}
	switch (s->listener->protocol) {
	case LISTENER_HTTP:
		session_enter(s, SESSION_READING);
		break;
	case LISTENER_HTTPS:
		session_enter(s, SESSION_HANDSHAKE);
		if (!secure_accept(s))
			session_close(s);
		break;
	default:
		session_enter(s, SESSION_HELLO);
		if (s->listener->protocol == LISTENER_TCP_PROXY)
			passthrough_begin(s, s->listener->upstream);
	}
}

void session_close(struct session *s)
{
	session_enter(s, SESSION_CLOSED);
	if (!s->held)
		session_run(s);
}

void session_fail(struct session *s, enum end_reason why)
{
	exchange_drop_splice(s);
	if (s->ex.began_ms > 0) {
		s->ex.end = why;
		exchange_log(s, "none", splice_reason_texts[s->splice_reason]);
	}
	for (int side = 0; side < 2; side++)
		if (s->ends[side] && !s->ends[side]->connecting)
			conn_reset(s->ends[side]);
	session_close(s);
}

void session_drop_server(struct session *s)
{
	struct conn *conn = s->ends[SERVER];

	exchange_drop_splice(s);
	s->ends[SERVER] = NULL;
	s->readable[SERVER] = false;
	buf_clear(&s->in[SERVER], &s->proxy->blocks);
	if (!conn)
		return;
	if (conn->reserved_port)
		splicer_port_give(s->proxy->options.splicer, &conn->peer, conn->reserved_port);
	conn_close(conn);
}

static void session_free(struct session *s)
{
	if (s->handover)
		handover_abandon(s->handover);
	session_drop_server(s);
	secure_forget(s);
	exchange_forget(s);
	access_note_give(&s->proxy->notes, s->ex.note);
	for (int side = 0; side < 2; side++) {
		buf_clear(&s->in[side], &s->proxy->blocks);
		buf_clear(&s->out[side], &s->proxy->blocks);
	}
	rest_end(s);
	session_store_give(s);
}

enum conn_result session_read(struct session *s, enum side from)
{
	struct conn *conn = s->ends[from];
	enum conn_result got;

	if (!conn || conn->connecting || !s->readable[from])
		return conn && conn->eof ? CONN_EOF : CONN_AGAIN;
	if (!s->in[from].block && !conn->eof && !admission_may_read(s, from))
		return CONN_AGAIN; /* still readable: session_run comes back */
	got = conn_read(conn, &s->in[from], &s->proxy->blocks);
	if (got != CONN_FULL && conn->drained)
		s->readable[from] = false;
	return got;
}

bool session_flush(struct session *s, enum side to)
{
	struct conn *conn = s->ends[to];
	uint32_t before = buf_len(&s->out[to]);

	if (!conn || conn->connecting || before == 0)
		return true;
	if (conn_write(conn, &s->out[to], &s->proxy->blocks) == CONN_ERROR)
		return false;
	if (buf_len(&s->out[to]) != before)
		session_progress(s);
	return true;
}

bool session_is_stuck(const struct session *s, enum side from)
{
	return buf_len(&s->in[from]) == 0 || buf_len(&s->out[!from]) == 0;
}

/* Everything that the client still sends is read and dropped, so that no reset eats our answer. */
static bool drain_step(struct session *s)
{
	struct conn *conn = s->ends[CLIENT];
	enum conn_result got;

	if (!session_flush(s, CLIENT)) {
		session_close(s);
		return false;
	}
	if (buf_len(&s->out[CLIENT]) == 0)
		conn_shut(conn);
	buf_clear(&s->in[CLIENT], &s->proxy->blocks);
	got = session_read(s, CLIENT);
	buf_clear(&s->in[CLIENT], &s->proxy->blocks);
	if (got == CONN_ERROR || (got == CONN_EOF && conn->shut))
		session_close(s);
	return got == CONN_OK;
}

static bool step(struct session *s)
{
	switch (s->state) {
	case SESSION_INTRODUCED:
		return introduce_read(s);
	case SESSION_HANDSHAKE:
		return secure_handshake(s);
	case SESSION_HELLO:
		return passthrough_hello(s);
	case SESSION_READING:
		return exchange_read_head(s);
	case SESSION_FORWARDING:
		return exchange_step(s);
	case SESSION_TUNNEL:
		return tunnel_step(s);
	case SESSION_DRAINING:
		return drain_step(s);
	default:
		return false;
	}
}

/* What the sockets are waited for: room to read into, something to write. */
static void watch_side(struct session *s, enum side side)
{
	struct conn *conn = s->ends[side];
	const struct buf *room = &s->in[side];
	bool tunnel = s->state == SESSION_TUNNEL;
	int events = 0;

	if (!conn)
		return;
	if (conn->connecting) {
		watch_set(&conn->watch, conn->away ? 0 : conn->wants ? conn->wants : WATCH_WRITE);
		return;
	}
	events = conn->wants;
	if (!conn->eof && !s->readable[side] && room->end - room->start < BLOCK_BYTES)
		events |= WATCH_READ;
	if (buf_len(&s->out[side]) > 0 || (tunnel && buf_len(&s->in[!side]) > 0))
		events |= WATCH_WRITE;
	watch_set(&conn->watch, events);
}

void session_run(struct session *s)
{
	int steps = 0;

	s->held = true;
	while (s->state != SESSION_CLOSED && steps < STEPS_MAX && step(s))
		steps++;
	s->held = false;
	if (steps < STEPS_MAX && rest_may(s)) {
		if (session_renew(s)) {
			rest_begin(s);
			return;
		}
		session_enter(s, SESSION_CLOSED);
	}
	if (s->state == SESSION_CLOSED) {
		session_free(s);
		return;
	}
	/* Peers that are as fast as we are would keep the worker for themselves. */
	if (steps == STEPS_MAX)
		timer_start(&s->turn, 0);
	else if (admission_waits_for_block(s))
		timer_start(&s->turn, BLOCK_WAIT_MS);
	watch_side(s, CLIENT);
	watch_side(s, SERVER);
}

static void on_overdue(struct session *s)
{
	bool connecting = s->ends[SERVER] && s->ends[SERVER]->connecting;

	switch (s->state) {
	case SESSION_HELLO:
	case SESSION_FORWARDING:
		if (connecting)
			exchange_server_lost(s, 504, END_CONNECT_TIMEOUT);
		else if (s->state == SESSION_FORWARDING || exchange_is_queued(s))
			exchange_time_out(s);
		else
			session_fail(s, END_HELLO_TIMEOUT);
		return;
	case SESSION_READING:
		if (buf_len(&s->in[CLIENT]) > 0 && !s->shed)
			exchange_refuse_late(s, END_HEAD_TIMEOUT);
		else
			session_close(s);
		return;
	case SESSION_TUNNEL:
		session_fail(s, s->tunnel_until_ms && loop_now_ms(s->proxy->options.loop) >=
							      s->tunnel_until_ms
					? END_TUNNEL_OLD
					: END_TUNNEL_IDLE);
		return;
	default:
		session_close(s);
	}
}

void session_on_timer(void *context)
{
	struct session *s = context;
	uint64_t now;

	if (session_store_is_spare(s))
		return;
	now = loop_now_ms(s->proxy->options.loop);
	s->held = true;
	if (!exchange_is_overdue(s, now) && !pace_look(s, now)) {
		if (now >= s->deadline_ms)
			on_overdue(s);
		else
			session_deadline(s, s->deadline_ms - now);
	}
	s->held = false;
	session_run(s);
}

void session_on_turn(void *context)
{
	session_run(context);
}

static void on_client_ready(void *context, int events)
{
	struct session *s = context;

	if (events & WATCH_READ)
		s->readable[CLIENT] = true;
	session_run(s);
}

static void on_server_ready(void *context, int events)
{
	struct session *s = context;

	if (s->ends[SERVER]->connecting) {
		s->held = true;
		exchange_connect_ready(s);
		s->held = false;
	} else if (events & WATCH_READ) {
		s->readable[SERVER] = true;
	}
	session_run(s);
}

void session_listen(struct session *s, enum side side)
{
	conn_listen(s->ends[side], side == CLIENT ? on_client_ready : on_server_ready, s);
}
