#include "userspace/proxy/access_log.h"

#include <stdlib.h>
#include <time.h>

#include "userspace/base/clock.h"
#include "userspace/base/digits.h"
#include "userspace/base/json_line.h"
#include "userspace/base/must.h"
#include "userspace/base/session_id.h"

/* Limits count escaped bytes, so that the worst bytes in one field leave room for the others. */
enum { TEXT_MAX = 160, PATH_MAX_BYTES = 768, TIME_BYTES = 27 };

/* In the order of writing. */
/* clang-format off */
#define FIELD_LIST(X) \
	X(time) X(node) X(request_id) X(session) X(client) X(vip) X(port) X(protocol) X(tls) \
	X(server_name) X(session_id) X(session_resumed) X(method) X(host) X(path) X(query) X(route) X(upstream) \
	X(endpoint) X(reused) X(retries) X(status) X(bytes_in) X(bytes_out) X(idle_us) \
	X(handshake_us) X(head_us) X(queue_us) X(connect_us) X(response_us) X(transfer_us) X(total_us) \
	X(body_us) X(splice) X(splice_reason) X(splice_us) \
	X(closed_by) X(bytes_spliced) X(end) X(error) X(headers) X(cut)
/* clang-format on */

const char *const access_log_fields[] = {
#define X(name) #name,
	FIELD_LIST(X)
#undef X
		NULL
};

#define X(name)                                                                                    \
	static const struct span key_##name __attribute__((unused)) = { #name, sizeof(#name) - 1 };
FIELD_LIST(X)
#undef X

struct access_log {
	struct log_sink *sink;
	struct line_ring *ring;
	uint64_t second; /* of time */
	char time[TIME_BYTES];
};

struct access_log *access_log_create(struct log_sink *sink)
{
	struct access_log *log;

	if (!sink)
		return NULL;
	log = must_alloc(sizeof(*log));
	log->sink = sink;
	log->ring = log_sink_take_ring(sink);
	return log;
}

void access_log_destroy(struct access_log *log)
{
	if (log)
		log_sink_give_ring(log->sink, log->ring);
	free(log);
}

bool access_log_is_used(const struct access_log *log)
{
	return log && log_sink_is_used(log->sink);
}

/* 2026-01-02T03:04:05.678901Z; all but the end is made once a second. */
static struct span time_of(struct access_log *log, uint64_t now_us)
{
	time_t second = (time_t)(now_us / 1000000);
	struct tm utc;

	if (log->second != (uint64_t)second || !log->second) {
		gmtime_r(&second, &utc);
		memcpy(log->time, "0000-00-00T00:00:00.000000Z", TIME_BYTES);
		digits_put_fixed(log->time, (uint64_t)utc.tm_year + 1900, 4);
		digits_put_fixed(log->time + 5, (uint64_t)utc.tm_mon + 1, 2);
		digits_put_fixed(log->time + 8, (uint64_t)utc.tm_mday, 2);
		digits_put_fixed(log->time + 11, (uint64_t)utc.tm_hour, 2);
		digits_put_fixed(log->time + 14, (uint64_t)utc.tm_min, 2);
		digits_put_fixed(log->time + 17, (uint64_t)utc.tm_sec, 2);
		log->second = (uint64_t)second;
	}
	digits_put_fixed(log->time + 20, now_us % 1000000, 6);
	return span_make(log->time, TIME_BYTES);
}

static void put_text(struct json_line *out, struct span key, const char *text)
{
	if (text && *text)
		json_line_text(out, key, span_of(text), TEXT_MAX);
}

static void put_headers(struct json_line *out, const struct access_line *line)
{
	bool open = false;

	for (uint32_t i = 0; i < line->config->header_count; i++) {
		struct span value =
			access_note_piece(line->note, (enum access_piece)(PIECE_HEADERS + i));

		if (value.len == 0)
			continue;
		open = open || json_line_open(out, key_headers);
		if (!open)
			return;
		json_line_text(out, span_of(line->config->headers[i]), value, TEXT_MAX);
	}
	if (open)
		json_line_close(out);
}

static void put_listener(struct json_line *out, const struct listener *listener)
{
	if (!listener)
		return;
	put_text(out, key_vip, listener->vip->name);
	json_line_number(out, key_port, listener->port);
	put_text(out, key_protocol, listener_protocol_names[listener->protocol]);
}

static void put_session(struct json_line *out, const struct access_line *line)
{
	char id[SESSION_ID_DIGITS];

	if (line->session_id)
		json_line_word(out, key_session_id, session_id_print(line->session_id, id));
	if (line->session_resumed)
		json_line_true(out, key_session_resumed);
}

static void put_request(struct json_line *out, const struct access_line *line)
{
	const struct access_note *note = line->note;
	struct span method = access_note_piece(note, PIECE_METHOD);
	struct span host = access_note_piece(note, PIECE_HOST);

	if (method.len > 0)
		json_line_text(out, key_method, method, TEXT_MAX);
	if (host.len > 0)
		json_line_text(out, key_host, host, 2 * TEXT_MAX);
	if (method.len > 0)
		json_line_text(out, key_path, access_note_piece(note, PIECE_PATH), PATH_MAX_BYTES);
	if (note && note->has_query && !line->config->hide_query)
		json_line_text(out, key_query, access_note_piece(note, PIECE_QUERY), 2 * TEXT_MAX);
	if (note)
		out->cut |= note->cut;
}

static void put_endpoint(struct json_line *out, const struct access_line *line)
{
	static const struct addr none;

	put_text(out, key_route, line->route);
	put_text(out, key_upstream, line->upstream);
	if (!addr_is(&line->endpoint, &none))
		json_line_addr(out, key_endpoint, &line->endpoint);
	if (line->reused)
		json_line_true(out, key_reused);
	if (line->upstream && !line->closed_by)
		json_line_number(out, key_retries, line->retries);
}

/* Phases follow each other without a gap: those that are written add up to the total. */
static void put_times(struct json_line *out, const struct access_line *line)
{
	const struct access_times *t = &line->times;
	uint64_t begin = 0, end;

	if (line->handshake_us)
		json_line_number(out, key_handshake_us, line->handshake_us);
	if (!line->total_us)
		return;
	json_line_number(out, key_idle_us, line->idle_us);
	end = t->head ? t->head : t->answered ? t->answered : line->total_us;
	json_line_number(out, key_head_us, end);
	begin = end;
	if (t->queued > t->head) {
		json_line_number(out, key_queue_us, t->queued - t->head);
		begin = t->queued;
	}
	if (t->head && line->upstream) {
		end = t->connected ? t->connected : t->answered ? t->answered : line->total_us;
		json_line_number(out, key_connect_us, end - begin);
		begin = end;
	}
	if (t->connected && (t->answered || !line->tunnel)) {
		end = t->answered ? t->answered : line->total_us;
		json_line_number(out, key_response_us, end - begin);
		begin = end;
	}
	if (t->answered || (t->connected && line->tunnel))
		json_line_number(out, key_transfer_us, line->total_us - begin);
	json_line_number(out, key_total_us, line->total_us);
	if (t->body)
		json_line_number(out, key_body_us, t->body > t->head ? t->body - t->head : 0);
}

/* A word for programs always; a sentence for people where it ended badly. */
static void put_end(struct json_line *out, const struct access_line *line)
{
	char text[2 * TEXT_MAX];
	struct span why = span_of(end_reason_texts[line->end]), more = span_of(line->detail);

	json_line_word(out, key_end, span_of(end_reason_words[line->end]));
	if (line->end == END_DONE)
		return;
	if (more.len > 0 && why.len + 2 < sizeof(text)) {
		memcpy(text, why.at, why.len);
		memcpy(text + why.len, ": ", 2);
		if (more.len > sizeof(text) - why.len - 2)
			more.len = sizeof(text) - why.len - 2;
		memcpy(text + why.len + 2, more.at, more.len);
		why = span_make(text, why.len + 2 + more.len);
	}
	json_line_text(out, key_error, why, 2 * TEXT_MAX);
}

uint32_t access_log_format(struct access_log *log, const struct access_line *line, uint64_t now_us,
			   char *out)
{
	struct span id = access_note_piece(line->note, PIECE_ID);
	struct json_line j;

	json_line_begin(&j, out, LINE_BYTES_MAX);
	json_line_word(&j, key_time, time_of(log, now_us));
	put_text(&j, key_node, line->node->name);
	if (id.len > 0)
		json_line_word(&j, key_request_id, id);
	json_line_number(&j, key_session, line->session);
	json_line_addr(&j, key_client, &line->client);
	put_listener(&j, line->listener);
	put_text(&j, key_tls, line->tls);
	put_text(&j, key_server_name, line->name);
	put_session(&j, line);
	put_request(&j, line);
	put_endpoint(&j, line);
	if (line->status)
		json_line_number(&j, key_status, line->status);
	json_line_number(&j, key_bytes_in, line->bytes_in);
	json_line_number(&j, key_bytes_out, line->bytes_out);
	put_times(&j, line);
	put_text(&j, key_splice, line->splice);
	put_text(&j, key_splice_reason, line->splice_reason);
	if (line->splice_us)
		json_line_number(&j, key_splice_us, line->splice_us);
	put_text(&j, key_closed_by, line->closed_by);
	if (line->bytes_spliced)
		json_line_number(&j, key_bytes_spliced, line->bytes_spliced);
	put_end(&j, line);
	put_headers(&j, line); /* last: however long they are, all else has room */
	return json_line_end(&j);
}

void access_log_write(struct access_log *log, const struct access_line *line)
{
	char *out = line_ring_begin(log->ring);

	if (out)
		line_ring_end(log->ring,
			      access_log_format(log, line, clock_ns(CLOCK_REALTIME) / 1000, out));
	log_sink_wake(log->sink, log->ring);
}
