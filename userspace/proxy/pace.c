#include "userspace/proxy/pace.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "userspace/proxy/session.h"

static enum pace_of pace_of_exchange(const struct session *s)
{
	const struct exchange *ex = &s->ex;

	/* What the kernel carries is timed by its progress alone. */
	if (!s->ends[SERVER] || s->ends[SERVER]->connecting || ex->bounded)
		return PACE_NONE;
	if (!ex->request_done && buf_len(&s->out[SERVER]) > 0)
		return PACE_TAKER;
	/* Before its first byte a client may be waiting for 100 (Continue). */
	if (!ex->request_done && ex->bytes_in > 0)
		return PACE_BODY;
	return ex->response_begun && !ex->response_done ? PACE_ENDPOINT : PACE_NONE;
}

/* Who is waited for. What cannot leave hides everything behind it, so that comes first. */
static enum pace_of pace_of_session(const struct session *s)
{
	switch (s->state) {
	case SESSION_READING:
	case SESSION_FORWARDING:
	case SESSION_DRAINING:
		if (buf_len(&s->out[CLIENT]) > 0)
			return PACE_READER;
		break;
	default:
		return PACE_NONE;
	}
	if (s->state == SESSION_FORWARDING)
		return pace_of_exchange(s);
	return s->state == SESSION_READING && buf_len(&s->in[CLIENT]) > 0 ? PACE_HEAD : PACE_NONE;
}

/*
 * What the peer's kernel has confirmed. We write in bursts, as a socket counts as writable only
 * when a third of its buffer is free, and that may be megabytes.
 */
static uint64_t taken_by(const struct conn *conn)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return conn->put;
	return info.tcpi_bytes_acked;
}

static uint64_t moved_by(const struct session *s, enum pace_of of)
{
	switch (of) {
	case PACE_HEAD:
	case PACE_BODY:
		return s->ends[CLIENT]->got;
	case PACE_READER:
		return taken_by(s->ends[CLIENT]);
	case PACE_TAKER:
		return taken_by(s->ends[SERVER]);
	case PACE_ENDPOINT:
		return s->ends[SERVER]->got;
	default:
		return 0;
	}
}

static uint32_t rate_of(const struct rates *rates, enum pace_of of)
{
	switch (of) {
	case PACE_HEAD:
	case PACE_BODY:
		return rates->request;
	case PACE_READER:
		return rates->response;
	case PACE_TAKER:
	case PACE_ENDPOINT:
		return rates->endpoint;
	default:
		return 0;
	}
}

static void window_begin(struct session *s, enum pace_of of, uint64_t bytes, uint64_t now_ms)
{
	s->pace = (struct pace){ .since_ms = now_ms, .bytes = bytes, .of = (uint8_t)of };
}

bool pace_is_kept(const struct session *s)
{
	switch (s->state) {
	case SESSION_READING:
		return buf_len(&s->in[CLIENT]) > 0 || buf_len(&s->out[CLIENT]) > 0;
	case SESSION_FORWARDING:
	case SESSION_DRAINING:
		return true;
	default:
		return false;
	}
}

/* The status that fits where one can still be said; else the connections are cut. */
static void cut(struct session *s, enum pace_of of)
{
	static const struct {
		enum end_reason end;
		uint16_t status;
	} fates[] = {
		[PACE_HEAD] = { END_HEAD_SLOW, 408 },
		[PACE_BODY] = { END_BODY_SLOW, 408 },
		[PACE_READER] = { END_CLIENT_SLOW, 0 },
		[PACE_TAKER] = { END_ENDPOINT_SLOW, 504 },
		[PACE_ENDPOINT] = { END_ENDPOINT_SLOW, 0 },
	};
	bool client = of != PACE_TAKER && of != PACE_ENDPOINT;

	stat_add(client ? &session_stats(s)->slow_clients : &session_stats(s)->slow_endpoints, 1);
	if (of == PACE_HEAD) {
		exchange_refuse_late(s, fates[of].end);
		return;
	}
	if (!fates[of].status || s->ex.response_begun || s->state != SESSION_FORWARDING) {
		session_fail(s, fates[of].end);
		return;
	}
	s->ex.client_keep = false;
	session_drop_server(s);
	buf_clear(&s->out[SERVER], &s->proxy->blocks);
	exchange_reply(s, fates[of].status, fates[of].end);
}

/* Those whose progress our own writes do not tell: their deadline is judged here. */
static bool is_taker(const struct session *s, enum pace_of of)
{
	return s->state == SESSION_FORWARDING && (of == PACE_READER || of == PACE_TAKER);
}

bool pace_look(struct session *s, uint64_t now_ms)
{
	const struct rates *rates = &s->listener->rates;
	enum pace_of of = pace_of_session(s);
	uint64_t bytes = moved_by(s, of), spent = now_ms - s->pace.since_ms;
	uint64_t stall_ms = exchange_idle_ms(s);
	bool overdue = now_ms >= s->deadline_ms;
	bool over = spent >= rates->over_ms - rates->over_ms / 8; /* clocks are coarse */

	if (of != s->pace.of || bytes < s->pace.bytes) {
		window_begin(s, of, bytes, now_ms);
		if (!overdue || !is_taker(s, of))
			return false;
		session_deadline(s, stall_ms);
		return true;
	}
	if (of == PACE_NONE)
		return false;
	if (over && bytes - s->pace.bytes < rate_of(rates, of) * spent / 1000) {
		cut(s, of);
		return true;
	}
	if (bytes > s->pace.bytes && (overdue || over))
		window_begin(s, of, bytes, now_ms);
	if (!overdue || !is_taker(s, of) || now_ms - s->pace.since_ms >= stall_ms)
		return false;
	session_deadline(s, stall_ms - (now_ms - s->pace.since_ms));
	return true;
}
