/* What an exchange is called and what is said of it when it has ended. */
#include <stdlib.h>

#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

/* A name that somebody gave it and that may be taken, or one of ours. */
static void note_id(struct session *s, struct access_note *note, const struct message *msg)
{
	const struct listener_request_id *policy = &s->listener->request_id;
	struct addr client = s->client;
	char id[REQUEST_ID_DIGITS];
	struct span given = { 0 };

	client.port = 0;
	if (msg && (policy->take == REQUEST_ID_ANY ||
		    (policy->take == REQUEST_ID_TRUSTED &&
		     network_list_has(&s->listener->forwarded.trusted, &client))))
		given = message_value(msg, span_of(policy->header));
	if (!request_id_may_be_taken(given)) {
		request_ids_make(&s->proxy->ids, id);
		given = span_make(id, sizeof(id));
	}
	access_note_put(note, PIECE_ID, given);
}

static void note_head(struct session *s, struct access_note *note, const struct message *msg)
{
	const struct log_config *config = &s->snapshot->model->log;

	note->has_query = msg->query.at != NULL;
	if (!config->hide_query)
		access_note_put(note, PIECE_QUERY, msg->query);
	for (uint32_t i = 0; i < config->header_count; i++)
		access_note_put(note, (enum access_piece)(PIECE_HEADERS + i),
				message_value(msg, span_of(config->headers[i])));
}

void exchange_note(struct session *s, const struct message *msg)
{
	struct access_note *note = access_note_take(&s->proxy->notes);

	access_note_give(&s->proxy->notes, s->ex.note);
	s->ex.note = note;
	if (!note)
		return;
	exchange_story_begin(&s->ex);
	note_id(s, note, msg);
	if (msg) {
		access_note_put(note, PIECE_METHOD, msg->method);
		access_note_put(note, PIECE_HOST, msg->host);
		access_note_put(note, PIECE_PATH, msg->path);
	}
	if (msg && access_log_is_used(s->proxy->log))
		note_head(s, note, msg);
}

/* At least 1, since 0 is "not reached"; a tunnel of over an hour has long passed all phases. */
void exchange_reached(const struct session *s, uint32_t *phase)
{
	uint64_t now, began = s->began_us;

	if (*phase)
		return;
	now = began ? session_now_us(s) : 0;
	if (!now) { /* nobody logs it: by turns of the loop, which cost nothing */
		now = loop_now_ms(s->proxy->options.loop) * 1000;
		began = s->ex.began_ms * 1000;
	}
	*phase = now <= began ? 1 : now - began > UINT32_MAX ? UINT32_MAX : (uint32_t)(now - began);
}

/* What became of its bodies, where no tunnel has begun. */
static void note_bodies(const struct exchange *ex, struct access_line *line)
{
	line->bytes_spliced = ex->bytes_spliced;
	if (ex->bytes_spliced > 0) {
		line->splice = "body";
		line->splice_reason = splice_reason_texts[SPLICE_REASON_DONE];
	} else if (line->splice_reason[0] == '\0') {
		line->splice_reason = splice_reason_texts[ex->splice_reason];
	}
}

static void log_line_of(struct session *s, const char *splice, const char *reason)
{
	const struct exchange *ex = &s->ex;
	uint64_t now = session_now_us(s);
	struct access_line line = {
		.node = &s->snapshot->model->node,
		.config = &s->snapshot->model->log,
		.note = ex->note,
		.session = s->id,
		.client = s->client,
		.listener = s->listener,
		.route = ex->route ? ex->route->name : NULL,
		.upstream = ex->upstream ? ex->upstream->name : NULL,
		.reused = ex->reused,
		.retries = ex->tries > 1 ? ex->tries - 1u : 0,
		.status = ex->status,
		.bytes_in = ex->bytes_in + s->tunnel_bytes[CLIENT],
		.bytes_out = ex->bytes_out + s->tunnel_bytes[SERVER],
		.times = ex->times,
		.tunnel = s->state == SESSION_TUNNEL,
		.handshake_us = s->handshake_us,
		.tls = transport_tls_version(s->ends[CLIENT]),
		.name = transport_tls_name(s->ends[CLIENT]),
		.session_id = s->ends[CLIENT]->secured_as,
		.session_resumed = s->ends[CLIENT]->resumed,
		.splice = splice,
		.splice_reason = reason,
		.end = (enum end_reason)ex->end,
		.detail = ex->detail,
	};

	if (!line.tunnel)
		note_bodies(ex, &line);
	if (ex->endpoint)
		line.endpoint = ex->endpoint->address;
	if (s->began_us) {
		if (s->idle_from_us && s->idle_from_us < s->began_us)
			line.idle_us = s->began_us - s->idle_from_us;
		line.total_us = now > s->began_us ? now - s->began_us : 1;
	}
	access_log_write(s->proxy->log, &line);
	s->idle_from_us = now;
	s->handshake_us = 0;
}

void exchange_log(struct session *s, const char *splice, const char *reason)
{
	const struct exchange *ex = &s->ex;

	exchange_queue_quit(s);
	if (access_log_is_used(s->proxy->log))
		log_line_of(s, splice, reason);
	else
		s->idle_from_us = 0;
	if (ex->note)
		exchange_deed(s);
	s->began_us = 0;
	stat_add(&session_stats(s)->exchanges, 1);
	stat_add(&session_stats(s)->bytes_in, ex->bytes_in + s->tunnel_bytes[CLIENT]);
	stat_add(&session_stats(s)->bytes_out, ex->bytes_out + s->tunnel_bytes[SERVER]);
}
