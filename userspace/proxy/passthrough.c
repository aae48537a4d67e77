/* Tunnels that are no HTTP: by the name in the ClientHello, or always to one upstream. */
#include "userspace/base/must.h"
#include "userspace/proxy/session.h"
#include "userspace/route/sni_match.h"
#include "userspace/tls/tls_hello.h"

/* RFC 8446, 6: a fatal alert, so that the client says more than "connection reset". */
static const char alert_unknown_name[] = { 21, 3, 3, 0, 2, 2, 112 };
static const char alert_no_protocol[] = { 21, 3, 3, 0, 2, 2, 120 }; /* RFC 7301, 3.2 */
static const char alert_unreachable[] = { 21, 3, 3, 0, 2, 2, 80 };

_Static_assert((int)TLS_HELLO_ALPN_MAX <= (int)SNI_OFFERED_MAX, "all of a hello's fit");
_Static_assert((int)TLS_HELLO_NAME_MAX <= (int)SNI_NAME_MAX, "its name does");

static void refuse(struct session *s, const char *alert, enum end_reason why)
{
	exchange_reached(s, &s->ex.times.answered);
	s->ex.end = why;
	exchange_log(s, "none", "");
	buf_clear(&s->in[CLIENT], &s->proxy->blocks);
	buf_append(&s->out[CLIENT], &s->proxy->blocks,
		   span_make(alert, sizeof(alert_unknown_name)));
	session_enter(s, SESSION_DRAINING);
}

void passthrough_fail(struct session *s, enum end_reason why)
{
	session_drop_server(s);
	if (s->listener->protocol == LISTENER_TLS_PASSTHROUGH)
		refuse(s, alert_unreachable, why);
	else
		session_fail(s, why);
}

/* What is logged begins: a client that says nothing is not worth a line. */
static void begin(struct session *s)
{
	s->ex.began_ms = loop_now_ms(s->proxy->options.loop);
	s->began_us = session_now_us(s);
	exchange_note(s, NULL);
}

/* It has gone before it said what it wants. */
static void give_up(struct session *s)
{
	s->ex.end = END_CLIENT_CUT;
	if (s->ex.began_ms > 0)
		exchange_log(s, "none", "");
	session_close(s);
}

void passthrough_begin(struct session *s, const struct upstream *wanted)
{
	const struct upstream *upstream = exchange_fail_over(s, wanted);
	struct recall by = exchange_recall_by(s, upstream);

	s->ex.upstream = upstream;
	s->ex.tunnels = true;
	exchange_hash(&by, NULL, (struct span){ 0 });
	if (s->ex.began_ms == 0)
		begin(s);
	exchange_story_decided(&s->ex, &(struct decision){ .upstream = wanted });
	exchange_reached(s, &s->ex.times.head);
	s->ex.roster = roster_take(s->proxy->rosters, s->snapshot, upstream,
				   loop_now_ms(s->proxy->options.loop));
	(void)exchange_breaker_refuses(s);
	exchange_connect(s);
}

static void on_hello(struct session *s, const struct tls_hello *hello)
{
	struct sni_ask ask = { .name = tls_hello_name(hello), .protocol_count = hello->alpn_count };
	const struct sni_route *entry;
	enum sni_miss miss;

	for (unsigned i = 0; i < hello->alpn_count; i++)
		ask.protocols[i] = tls_hello_alpn(hello, i);
	entry = sni_match_find(s->listener, &ask, &miss);
	access_note_put(s->ex.note, PIECE_HOST, ask.name);
	exchange_story_entry(&s->ex, entry);
	exchange_reached(s, &s->ex.times.head);
	if (entry)
		passthrough_begin(s, entry->upstream);
	else if (miss == SNI_MISS_PROTOCOL)
		refuse(s, alert_no_protocol, END_NO_PROTOCOL);
	else
		refuse(s, alert_unknown_name, END_NO_NAME);
}

bool passthrough_hello(struct session *s)
{
	struct tls_hello hello;
	enum conn_result got;

	if (s->ends[SERVER]) {
		if (s->ends[SERVER]->connecting)
			return false;
		tunnel_begin(s);
		return true;
	}
	if (exchange_is_queued(s)) {
		exchange_queue_stays(s);
		return false;
	}
	got = session_read(s, CLIENT);
	if (s->ex.began_ms == 0 && buf_len(&s->in[CLIENT]) > 0)
		begin(s);
	switch (tls_hello_parse(buf_data(&s->in[CLIENT]), &hello)) {
	case TLS_HELLO_DONE:
		on_hello(s, &hello);
		return true;
	case TLS_HELLO_NEED_MORE:
		if (got == CONN_EOF || got == CONN_ERROR || got == CONN_FULL)
			give_up(s);
		return got == CONN_OK;
	default:
		stat_add(&session_stats(s)->bad_requests, 1);
		session_fail(s, END_BAD_HELLO);
		return false;
	}
}
