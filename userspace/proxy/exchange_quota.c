/* Whether a route takes one more request, of this size and from this client. */
#include "userspace/base/clock.h"
#include "userspace/proxy/session.h"
#include "userspace/route/quota.h"

struct quota_refusal exchange_quota_refusal(enum quota_answer answer)
{
	static const struct quota_refusal refusals[] = {
		[QUOTA_SOURCE_RATE] = { END_SOURCE_RATE, 429 },
		[QUOTA_SOURCE_FULL] = { END_SOURCE_FULL, 429 },
		[QUOTA_RATE] = { END_ROUTE_RATE, 429 },
		[QUOTA_FULL] = { END_ROUTE_FULL, 503 },
	};

	return refusals[answer];
}

static atomic_uint_fast64_t *counter(struct session *s, enum quota_answer answer)
{
	struct stats *stats = session_stats(s);

	switch (answer) {
	case QUOTA_SOURCE_RATE:
		return &stats->limited_source_rate;
	case QUOTA_SOURCE_FULL:
		return &stats->limited_source_requests;
	case QUOTA_RATE:
		return &stats->limited_rate;
	case QUOTA_FULL:
	case QUOTA_PASS:
		break;
	}
	return &stats->limited_requests;
}

/* What is left of it is not read: the connection ends. */
static void refuse_body(struct session *s)
{
	stat_add(&session_stats(s)->limited_body, 1);
	exchange_reply(s, 413, END_BODY_LIMIT);
}

bool exchange_quota_refuses(struct session *s, const struct message *msg)
{
	const struct route_limits *limits = route_conduct(s->ex.route)->limits;
	struct exchange *ex = &s->ex;
	struct quota_refusal refusal;
	enum quota_answer answer;
	uint64_t wait_ns;

	if (!limits)
		return false;
	if (msg->framing == BODY_LENGTH && msg->content_length > limits->body_bytes) {
		refuse_body(s);
		return true;
	}
	answer = quota_enter(limits, &s->client, clock_ns(CLOCK_MONOTONIC), &wait_ns);
	ex->rationed = answer == QUOTA_PASS;
	if (ex->rationed)
		return false;
	stat_add(counter(s, answer), 1);
	ex->later_ms = (uint32_t)(wait_ns / 1000000);
	refusal = exchange_quota_refusal(answer);
	exchange_reply(s, refusal.status, refusal.end);
	return true;
}

void exchange_quota_leave(struct session *s)
{
	if (s->ex.rationed)
		quota_leave(route_conduct(s->ex.route)->limits, &s->client);
	s->ex.rationed = false;
}

bool exchange_quota_ends_body(struct session *s)
{
	const struct route_limits *limits = route_conduct(s->ex.route)->limits;

	if (!limits || s->ex.bytes_in <= limits->body_bytes)
		return false;
	if (!s->ex.response_begun) {
		refuse_body(s);
		return true;
	}
	stat_add(&session_stats(s)->limited_body, 1);
	session_fail(s, END_BODY_LIMIT);
	return true;
}
