/* TLS on a session: with its client before anything is read, with endpoints while connecting. */
#include <errno.h>

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

bool secure_handshake(struct session *s)
{
	int error;

	if (s->ends[CLIENT]->away)
		return false;
	error = conn_handshake(s->ends[CLIENT]);
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

uint64_t secure_identity(const struct session *s, const struct upstream *upstream)
{
	const struct tls_client *client = s->snapshot->clients[upstream->index];

	return client ? tls_client_identity(client) : 0;
}
