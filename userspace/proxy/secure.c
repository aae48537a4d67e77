/* TLS on a session: with its client before anything is read, with endpoints while connecting. */
#include <errno.h>
#include <time.h>

#include "userspace/base/must.h"
#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

bool secure_accept(struct session *s)
{
	struct proxy *proxy = s->proxy;
	const struct tls_server *server = s->snapshot->servers[s->listener->index];

	s->handshake_us = session_now_us(s);
	/* The listener waits before that; connections with a PROXY header come later than it. */
	if (proxy->handshakes > proxy->options.ceilings.handshakes) {
		stat_add(&session_stats(s)->sessions_shed, 1);
		return false;
	}
	return server && transport_tls_accept(s->ends[CLIENT], server);
}

/* Some two handshakes with ECDSA: requests of others wait no longer than that, and for one more. */
enum { TURN_NS = 1000000 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_turn_end(void *context)
{
	struct proxy *proxy = context;

	proxy->turns.spent_ns = 0;
	if (proxy->turns.first)
		timer_start(&proxy->turns.next, 0);
}

static void on_next_turn(void *context)
{
	struct proxy *proxy = context;
	struct handshake_turns *turns = &proxy->turns;

	while (turns->first && turns->spent_ns < TURN_NS) {
		struct session *s = turns->first;

		secure_forget(s);
		turns->called = s;
		session_run(s);
		turns->called = NULL;
	}
	if (turns->first)
		loop_defer(proxy->options.loop, &turns->end);
}

void secure_init(struct proxy *proxy)
{
	proxy->turns.end = (struct defer){ .on_defer = on_turn_end, .context = proxy };
	timer_init(&proxy->turns.next, proxy->options.loop, on_next_turn, proxy);
}

void secure_fini(struct proxy *proxy)
{
	MUST(!proxy->turns.first);
	loop_defer_cancel(proxy->options.loop, &proxy->turns.end);
	timer_stop(&proxy->turns.next);
}

void secure_forget(struct session *s)
{
	struct handshake_turns *turns = &s->proxy->turns;

	if (!s->shaking)
		return;
	*(s->shake_prev ? &s->shake_prev->shake_next : &turns->first) = s->shake_next;
	*(s->shake_next ? &s->shake_next->shake_prev : &turns->last) = s->shake_prev;
	s->shake_next = s->shake_prev = NULL;
	s->shaking = false;
}

/* Whether s may have a step now; else it is called when it is its turn. */
static bool has_turn(struct session *s)
{
	struct handshake_turns *turns = &s->proxy->turns;

	if (turns->called == s || (!turns->first && turns->spent_ns < TURN_NS))
		return true;
	if (s->shaking)
		return false;
	s->shaking = true;
	s->shake_prev = turns->last;
	*(turns->last ? &turns->last->shake_next : &turns->first) = s;
	turns->last = s;
	loop_defer(s->proxy->options.loop, &turns->end);
	return false;
}

static int take_step(struct session *s)
{
	uint64_t began = now_ns();
	int error = conn_handshake(s->ends[CLIENT]);

	s->proxy->turns.spent_ns += now_ns() - began;
	loop_defer(s->proxy->options.loop, &s->proxy->turns.end);
	return error;
}

bool secure_handshake(struct session *s)
{
	int error;

	if (s->ends[CLIENT]->away || !has_turn(s))
		return false;
	error = take_step(s);
	if (error == EINPROGRESS) {
		stat_add(&session_stats(s)->handshake_steps_aside, s->ends[CLIENT]->away);
		return false;
	}
	if (error) {
		stat_add(&session_stats(s)->handshakes_failed, 1);
		session_close(s);
		return false;
	}
	if (s->handshake_us) {
		s->idle_from_us = session_now_us(s);
		s->handshake_us = s->idle_from_us - s->handshake_us;
	}
	stat_add(&session_stats(s)->handshakes, 1);
	session_enter(s, SESSION_READING);
	s->readable[CLIENT] = true; /* the request may have come with the last flight */
	return true;
}

bool secure_connect(struct session *s, struct conn *conn, const struct upstream *upstream)
{
	const struct tls_client *client = s->snapshot->clients[upstream->index];

	return !client || transport_tls_connect(conn, client);
}

uint64_t secure_identity(const struct snapshot *snapshot, const struct upstream *upstream)
{
	const struct tls_client *client = snapshot->clients[upstream->index];

	return client ? tls_client_identity(client) : 0;
}
