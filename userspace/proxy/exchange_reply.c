/* Answers of our own, instead of an endpoint's. */
#include <stdio.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_writer.h"
#include "userspace/proxy/session.h"

enum { REPLY_TEXT_MAX = 384, REPLY_FIELDS_MAX = 3 + ANSWER_FIELDS_MAX, SECONDS_TEXT_MAX = 24 };

/* In out: what went wrong, for people, and what to call it when they ask. */
static struct span error_text(const struct exchange *ex, uint16_t status, enum end_reason why,
			      char out[REPLY_TEXT_MAX])
{
	struct span id = access_note_piece(ex->note, PIECE_ID);

	snprintf(out, REPLY_TEXT_MAX, "%u: %s%s%.160s\n%s%.*s%s", status, end_reason_texts[why],
		 ex->detail ? ": " : "", ex->detail ? ex->detail : "", id.len > 0 ? "request " : "",
		 SPAN_ARG(id), id.len > 0 ? "\n" : "");
	return span_of(out);
}

/* The client is told when to come back. */
static bool is_for_later(enum end_reason end)
{
	return end == END_OVERLOADED || end == END_ENDPOINTS_FULL || end == END_QUEUE_FULL ||
	       end == END_QUEUE_TIMEOUT || end == END_BREAKER_FULL || end == END_BREAKER_OPEN ||
	       end == END_ROUTE_FULL || end == END_ROUTE_RATE || end == END_SOURCE_FULL ||
	       end == END_SOURCE_RATE || end == END_DRAINED;
}

/* What an answer of ours to this exchange says besides; returns how many. */
static uint32_t reply_fields(const struct session *s, uint16_t status,
			     struct field set[REPLY_FIELDS_MAX], char later[SECONDS_TEXT_MAX])
{
	const struct exchange *ex = &s->ex;
	const struct listener_request_id *policy = &s->listener->request_id;
	struct span id = access_note_piece(ex->note, PIECE_ID);
	uint32_t count = 0;

	if (ex->route && ex->route->action == ROUTE_REDIRECT && status == ex->route->status)
		set[count++] = (struct field){ .name = SPAN("Location"), .value = ex->location };
	if (is_for_later((enum end_reason)ex->end)) {
		uint64_t s_left = (exchange_breaker_left_ms(s) + ex->later_ms + 999) / 1000;

		snprintf(later, SECONDS_TEXT_MAX, "%llu",
			 (unsigned long long)(s_left ? s_left : 1));
		set[count++] =
			(struct field){ .name = SPAN("Retry-After"), .value = span_of(later) };
	}
	if (id.len > 0 && (policy->answer || ex->end != END_DONE))
		set[count++] = (struct field){ .name = span_of(policy->header), .value = id };
	return count;
}

/* What the route says, behind the fields that are there. */
static void take_fixed(const struct fixed_answer *answer, struct h1_reply *reply,
		       struct field set[REPLY_FIELDS_MAX])
{
	reply->body = answer->body;
	reply->typed = true;
	for (uint32_t i = 0; i < answer->field_count; i++)
		set[reply->set_count++] = answer->fields[i];
}

void exchange_reply(struct session *s, uint16_t status, enum end_reason why)
{
	struct exchange *ex = &s->ex;
	struct field set[REPLY_FIELDS_MAX];
	char text[REPLY_TEXT_MAX], later[SECONDS_TEXT_MAX];
	struct h1_writer w;
	struct h1_reply reply = { .status = status, .head_only = ex->head_only };
	uint32_t room;
	char *at;

	MUST(!ex->response_begun);
	/* What follows an unread body cannot be found: the connection ends. */
	ex->client_keep = ex->client_keep && ex->request_done && !s->proxy->draining;
	reply.close = !ex->client_keep;
	reply.minor = ex->client_minor;
	if (why != END_DONE) {
		reply.body = error_text(ex, status, why, text);
		ex->end = why;
	}
	reply.set = set;
	reply.set_count = reply_fields(s, status, set, later);
	if (why == END_DONE && ex->route && ex->route->action == ROUTE_RESPOND)
		take_fixed(ex->route->answer, &reply, set);
	ex->status = status;
	exchange_reached(s, &ex->times.answered);
	stat_add(&session_stats(s)->replies_own, 1);
	at = buf_room(&s->out[CLIENT], &s->proxy->blocks, &room);
	h1_writer_init(&w, at, room);
	if (!at || !h1_writer_reply(&w, &reply)) {
		session_fail(s, END_NO_ROOM);
		return;
	}
	buf_added(&s->out[CLIENT], (uint32_t)w.len);
	ex->bytes_out += reply.body.len;
	ex->response_begun = ex->response_done = true;
	exchange_end(s);
}

void exchange_refuse(struct session *s, uint16_t status, enum end_reason why)
{
	if (s->state == SESSION_HELLO)
		passthrough_fail(s, why);
	else
		exchange_reply(s, status, why);
}
