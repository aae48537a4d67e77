/* How long the parts of an exchange may last, and what follows when all of it lasts too long. */
#include "userspace/proxy/session.h"

static const struct route_timeouts *of_route(const struct session *s)
{
	static const struct route_timeouts none;

	const struct route_timeouts *own = route_conduct(s->ex.route)->timeouts;

	return own ? own : &none;
}

void exchange_limits_begin(struct session *s)
{
	const struct route_timeouts *own = of_route(s);
	const struct timeouts *t = &s->listener->timeouts;
	struct exchange *ex = &s->ex;
	uint32_t request_ms = own->request_ms ? own->request_ms : t->request_ms;
	uint32_t total_ms = own->total_ms ? own->total_ms : t->total_ms;

	ex->request_until_ms = request_ms && !ex->request_done ? ex->began_ms + request_ms : 0;
	ex->until_ms = total_ms ? ex->began_ms + total_ms : 0;
	session_progress(s); /* by what the route says */
}

uint64_t exchange_idle_ms(const struct session *s)
{
	const struct route_timeouts *own = of_route(s);

	return own->idle_ms ? own->idle_ms : s->listener->timeouts.body_ms;
}

/* Bodies are timed by their progress, the endpoint's answer from the request's last byte. */
uint64_t exchange_forwarding_ms(const struct session *s)
{
	const struct route_timeouts *own = of_route(s);

	if (!s->ex.request_done || s->ex.response_begun)
		return exchange_idle_ms(s);
	return own->head_ms ? own->head_ms : s->listener->timeouts.response_ms;
}

uint64_t exchange_connect_ms(const struct session *s)
{
	const struct route_timeouts *own = of_route(s);

	return own->connect_ms ? own->connect_ms : s->ex.upstream->connect_timeout_ms;
}

uint64_t exchange_until_ms(const struct session *s)
{
	const struct exchange *ex = &s->ex;
	uint64_t until = ex->until_ms ? ex->until_ms : UINT64_MAX;

	if (s->state != SESSION_FORWARDING)
		return UINT64_MAX;
	if (ex->request_until_ms && !ex->request_done && ex->request_until_ms < until)
		until = ex->request_until_ms;
	return until;
}

/* What it was at, for the log and the client. */
static const char *phase(const struct session *s)
{
	static const char *const texts[EXCHANGE_PHASES] = {
		[PHASE_QUEUED] = "while it waited for room",
		[PHASE_PAUSES] = "while a retry waited",
		[PHASE_CONNECTS] = "while it connected",
		[PHASE_REQUEST] = "while the request came",
		[PHASE_ASKED] = "while the endpoint was to answer",
		[PHASE_RESPONSE] = "while the response came",
	};

	return texts[exchange_phase(s)];
}

bool exchange_is_overdue(struct session *s, uint64_t now_ms)
{
	struct exchange *ex = &s->ex;
	bool total = ex->until_ms && now_ms >= ex->until_ms;

	if (now_ms < exchange_until_ms(s))
		return false;
	stat_add(&session_stats(s)->timeouts, 1);
	ex->detail = total ? phase(s) : NULL;
	ex->client_keep = ex->client_keep && ex->request_done;
	/* The endpoint had all of the request, and nobody else can be blamed for the silence. */
	if (total && ex->request_done && !ex->response_begun && s->ends[SERVER] &&
	    !s->ends[SERVER]->connecting)
		exchange_failed(s);
	if (ex->response_begun)
		session_fail(s, total ? END_TOTAL_TIMEOUT : END_REQUEST_TIMEOUT);
	else if (total)
		exchange_reply(s, ex->request_done ? 504 : 408, END_TOTAL_TIMEOUT);
	else
		exchange_reply(s, 408, END_REQUEST_TIMEOUT);
	return true;
}
