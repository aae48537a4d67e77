/* Another attempt at another endpoint: whether it is safe, and whether there is enough to spend. */
#include "userspace/proxy/session.h"

enum { BACKOFF_DOUBLINGS = 6 };

static bool is_listed(const struct retry *retry, enum retry_cause cause, uint16_t status)
{
	if (!status)
		return retry->on & (unsigned)cause;
	for (uint32_t i = 0; i < retry->status_count; i++)
		if (status >= retry->statuses[i].first && status <= retry->statuses[i].last)
			return true;
	return false;
}

/* Nothing of the request has left, or all that left can be had again. */
static bool is_whole(const struct session *s)
{
	bool unsent = s->ends[SERVER] && s->ends[SERVER]->put == 0 && s->ends[SERVER]->connecting;

	return unsent || s->out[SERVER].pinned;
}

/* One exchange more is in a retry, or one of these once more. */
static bool begin(struct exchange *ex, const struct retry *retry)
{
	return ex->retries > 0 ? roster_may_retry(ex->roster, retry->budget, retry->budget_least)
			       : roster_retry_begin(ex->roster, retry->budget, retry->budget_least);
}

/* What speaks against it; else it has begun: a place is chosen, or all others are full and it may
 * wait. */
static enum retry_refusal refusal(struct session *s, const struct retry *retry)
{
	struct exchange *ex = &s->ex;

	/* Connections that failed at once are not retries, but they are attempts as well. */
	if (ex->retries >= retry->attempts || ex->attempts >= ROSTER_TRIED_MAX)
		return RETRY_NO_ATTEMPTS;
	if (!is_whole(s))
		return ex->method_again ? RETRY_NO_BODY : RETRY_NO_METHOD;
	if (!begin(ex, retry))
		return RETRY_NO_BUDGET;
	ex->chosen = exchange_choose(s, ex->upstream) == ROSTER_FOUND;
	if (ex->chosen || exchange_may_queue(s))
		return RETRY_NOT_REFUSED;
	if (ex->retries == 0)
		roster_retry_end(ex->roster);
	return RETRY_NOBODY;
}

/* Whether anything speaks against it, which is counted. */
static bool is_refused(struct session *s, const struct retry *retry)
{
	struct stats *stats = session_stats(s);
	atomic_uint_fast64_t *counters[RETRY_REFUSALS] = {
		[RETRY_NO_ATTEMPTS] = &stats->retries_refused_attempts,
		[RETRY_NO_METHOD] = &stats->retries_refused_method,
		[RETRY_NO_BODY] = &stats->retries_refused_body,
		[RETRY_NO_BUDGET] = &stats->retries_refused_budget,
		[RETRY_NOBODY] = &stats->retries_refused_nobody,
	};
	enum retry_refusal why = refusal(s, retry);

	if (why == RETRY_NOT_REFUSED)
		return false;
	stat_add(counters[why], 1);
	exchange_story_refused(&s->ex, why);
	return true;
}

/* Half of it and a part by chance, so that those who failed together do not return together. */
static uint32_t backoff_ms(struct session *s, const struct retry *retry)
{
	uint32_t doublings = s->ex.retries - 1u;
	uint64_t most = (uint64_t)retry->backoff_ms
			<< (doublings < BACKOFF_DOUBLINGS ? doublings : BACKOFF_DOUBLINGS);

	return (uint32_t)(most / 2 + balance_below(&s->proxy->chance, most / 2 + 1));
}

bool exchange_retry(struct session *s, enum retry_cause cause, uint16_t status)
{
	struct exchange *ex = &s->ex;
	const struct retry *retry = route_conduct(ex->route)->retry;
	uint32_t pause_ms;

	if (!retry || ex->response_begun || s->state != SESSION_FORWARDING ||
	    !is_listed(retry, cause, status))
		return false;
	if (is_refused(s, retry))
		return false;
	ex->retries++;
	ex->retried = false;
	if (ex->chosen)
		exchange_placed(s);
	session_drop_server(s);
	if (!ex->chosen)
		exchange_leave(s);
	if (s->out[SERVER].pinned)
		buf_rewind(&s->out[SERVER]);
	ex->times.connected = 0;
	pause_ms = retry->backoff_ms ? backoff_ms(s, retry) : 0;
	if (pause_ms == 0) {
		exchange_resume(s);
		return true;
	}
	session_deadline(s, pause_ms);
	ex->waits = true;
	return true;
}

void exchange_placed(struct session *s)
{
	struct exchange *ex = &s->ex;

	ex->chosen = true;
	if (ex->retries > 0 && !ex->retried)
		stat_add(&session_stats(s)->retries, 1);
	ex->retried = true;
}

/* Those who were full may have room by now. */
static bool find_place(struct session *s)
{
	enum roster_answer got = exchange_choose(s, s->ex.upstream);

	if (got == ROSTER_FOUND)
		exchange_placed(s);
	else if (got == ROSTER_FULL)
		exchange_queue(s);
	else
		exchange_reply(s, 503, exchange_nobody(&s->ex));
	return got == ROSTER_FOUND;
}

void exchange_resume(struct session *s)
{
	s->ex.waits = false;
	if (s->ex.chosen || find_place(s))
		exchange_connect(s);
}

/* A retry whose time has not come looks for another place then. */
static void give_place_back(struct session *s)
{
	if (s->ex.attempts == ROSTER_TRIED_MAX)
		return;
	exchange_leave(s);
	s->ex.chosen = false;
}

void exchange_drained(struct session *s)
{
	bool unsent = s->ends[SERVER] && s->ends[SERVER]->connecting;

	if (!s->ends[SERVER]) {
		give_place_back(s);
		return;
	}
	if (s->state == SESSION_TUNNEL || s->ex.response_begun) {
		session_fail(s, END_DRAINED);
		return;
	}
	if (exchange_retry(s, RETRY_RESET, 0))
		return;
	session_drop_server(s);
	if (!unsent || !exchange_reconnect(s))
		exchange_refuse(s, 503, END_DRAINED);
}

void exchange_hold(struct session *s, const struct message *msg)
{
	struct exchange *ex = &s->ex;
	const struct retry *retry = route_conduct(ex->route)->retry;
	bool body = message_has_body(msg);
	bool fits =
		retry && (msg->framing != BODY_LENGTH || msg->content_length <= retry->body_bytes);

	ex->method_again = message_is_idempotent(msg) || (retry && retry->any_method);
	ex->replayable = ex->method_again && (!body || (fits && retry->body_bytes > 0));
	if (ex->replayable)
		buf_pin(&s->out[SERVER]);
}

void exchange_hold_no_longer(struct session *s)
{
	const struct retry *retry = route_conduct(s->ex.route)->retry;

	if (s->out[SERVER].pinned && retry && s->ex.bytes_in > retry->body_bytes)
		buf_unpin(&s->out[SERVER], &s->proxy->blocks);
}
