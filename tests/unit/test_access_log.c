#include <jansson.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/proxy/access_log.h"
#include "userspace/proxy/stats.h"

enum { JSON_SAFE = 1 << 20 };

static const struct node a_node = { .name = "lb-1" };
static const struct vip a_vip = { .name = "web" };
static const struct listener a_listener = { .vip = &a_vip, .port = 80, .protocol = LISTENER_HTTP };
static struct log_config a_config;

static void note_put(struct access_note *note, enum access_piece piece, const char *text)
{
	access_note_put(note, piece, span_of(text));
}

static struct access_note *a_note(void)
{
	struct access_notes none = { NULL };
	struct access_note *note = access_note_take(&none);

	note_put(note, PIECE_ID, "0123456789abcdef");
	note_put(note, PIECE_METHOD, "GET");
	note_put(note, PIECE_HOST, "a.example");
	note_put(note, PIECE_PATH, "/x");
	return note;
}

static struct access_line a_line(const struct access_note *note)
{
	struct access_line line = { .node = &a_node,
				    .config = &a_config,
				    .note = note,
				    .session = 5,
				    .listener = &a_listener,
				    .route = "rest",
				    .upstream = "site",
				    .status = 200,
				    .bytes_in = 1,
				    .bytes_out = 2,
				    .times = { 10, 30, 60, 0 },
				    .idle_us = 7,
				    .total_us = 100,
				    .splice = "none",
				    .splice_reason = "" };

	addr_parse(SPAN("192.0.2.1:4000"), &line.client);
	addr_parse(SPAN("192.0.2.2:8080"), &line.endpoint);
	return line;
}

static json_t *formatted(const struct access_line *line, uint64_t now_us)
{
	struct log_sink *sink = log_sink_create();
	struct access_log *log = access_log_create(sink);
	char *out = malloc(LINE_BYTES_MAX); /* so that a byte too many is found out */
	uint32_t len = access_log_format(log, line, now_us, out);
	json_t *got;

	CHECK(len <= LINE_BYTES_MAX && out[len - 1] == '\n');
	CHECK(memchr(out, '\n', len) == out + len - 1);
	got = json_loadb(out, len, JSON_REJECT_DUPLICATES, NULL);
	if (!got)
		test_fail(__FILE__, __LINE__, "no JSON: %.*s", (int)len, out);
	free(out);
	access_log_destroy(log);
	log_sink_destroy(sink);
	return got;
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : "(none)";
}

/* -1: it is not there. */
static long long number_of(const json_t *json, const char *name)
{
	const json_t *number = json_object_get(json, name);

	return number ? json_integer_value(number) : -1;
}

TEST(an_exchange_is_one_line_of_json)
{
	struct access_note *note = a_note();
	struct access_line line = a_line(note);
	json_t *got = formatted(&line, 1767323045678901);

	CHECK_STR(text_of(got, "time"), "2026-01-02T03:04:05.678901Z");
	CHECK_STR(text_of(got, "node"), "lb-1");
	CHECK_STR(text_of(got, "request_id"), "0123456789abcdef");
	CHECK_STR(text_of(got, "client"), "192.0.2.1:4000");
	CHECK_STR(text_of(got, "vip"), "web");
	CHECK_INT(number_of(got, "port"), 80);
	CHECK_STR(text_of(got, "protocol"), "http");
	CHECK_STR(text_of(got, "method"), "GET");
	CHECK_STR(text_of(got, "host"), "a.example");
	CHECK_STR(text_of(got, "path"), "/x");
	CHECK_STR(text_of(got, "route"), "rest");
	CHECK_STR(text_of(got, "upstream"), "site");
	CHECK_STR(text_of(got, "endpoint"), "192.0.2.2:8080");
	CHECK_INT(number_of(got, "retries"), 0);
	CHECK_INT(number_of(got, "status"), 200);
	CHECK_INT(number_of(got, "bytes_in"), 1);
	CHECK_INT(number_of(got, "bytes_out"), 2);
	CHECK_STR(text_of(got, "end"), "done");
	CHECK(!json_object_get(got, "query") && !json_object_get(got, "headers"));
	CHECK(!json_object_get(got, "error") && !json_object_get(got, "cut"));
	CHECK(!json_object_get(got, "splice_reason") && !json_object_get(got, "reused"));
	json_decref(got);
	free(note);
}

TEST(phases_that_were_reached_add_up_to_the_total)
{
	static const struct {
		const char *name;
		struct access_times times;
		bool endpoint, tunnel;
		int head, connect, response, transfer, body, queue;
	} rows[] = {
		{ "all of them", { 10, 30, 60, 0 }, true, false, 10, 20, 30, 40, -1 },
		{ "with a body", { 10, 30, 60, 45 }, true, false, 10, 20, 30, 40, 35 },
		{ "no answer yet", { 10, 30, 0, 0 }, true, false, 10, 20, 70, -1, -1 },
		{ "no connection yet", { 10, 0, 0, 0 }, true, false, 10, 90, -1, -1, -1 },
		{ "no connection, our answer", { 10, 0, 60, 0 }, true, false, 10, 50, -1, 40, -1 },
		{ "no upstream", { 10, 0, 11, 0 }, false, false, 10, -1, -1, 90, -1 },
		{ "no head", { 0, 0, 0, 0 }, false, false, 100, -1, -1, -1, -1 },
		{ "a bad head", { 0, 0, 60, 0 }, false, false, 60, -1, -1, 40, -1 },
		{ "a tunnel of no HTTP", { 10, 30, 0, 0 }, true, true, 10, 20, -1, 70, -1 },
		{ "a WebSocket", { 10, 30, 60, 0 }, true, true, 10, 20, 30, 40, -1 },
		{ "it waited", { 10, 40, 60, 0, 25 }, true, false, 10, 15, 20, 40, -1, 15 },
		{ "it waited in vain", { 10, 0, 60, 0, 55 }, true, false, 10, 5, -1, 40, -1, 45 },
	};

	FOR_ROWS (row, rows) {
		struct access_line line = a_line(NULL);
		long long sum = 0;
		json_t *got;

		line.times = row->times;
		line.tunnel = row->tunnel;
		line.upstream = row->endpoint ? "site" : NULL;
		got = formatted(&line, 1);
		CHECK_INT(number_of(got, "head_us"), row->head);
		CHECK_INT(number_of(got, "connect_us"), row->connect);
		CHECK_INT(number_of(got, "response_us"), row->response);
		CHECK_INT(number_of(got, "transfer_us"), row->transfer);
		CHECK_INT(number_of(got, "body_us"), row->body);
		CHECK_INT(number_of(got, "queue_us"), row->queue ? row->queue : -1);
		CHECK_INT(number_of(got, "total_us"), 100);
		CHECK_INT(number_of(got, "idle_us"), 7);
		sum = row->head + row->queue + (row->connect > 0 ? row->connect : 0) +
		      (row->response > 0 ? row->response : 0) +
		      (row->transfer > 0 ? row->transfer : 0);
		CHECK_INT(sum, 100);
		json_decref(got);
	}
}

TEST(a_query_is_shown_or_hidden_as_configured)
{
	struct access_note *note = a_note();
	struct access_line line = a_line(note);
	json_t *got;

	note->has_query = true;
	note_put(note, PIECE_QUERY, "token=1");
	got = formatted(&line, 1);
	CHECK_STR(text_of(got, "query"), "token=1");
	json_decref(got);
	a_config.hide_query = true;
	got = formatted(&line, 1);
	a_config.hide_query = false;
	CHECK(!json_object_get(got, "query"));
	json_decref(got);
	free(note);
}

TEST(header_fields_that_were_asked_for_and_came_are_shown)
{
	struct access_note *note = a_note();
	struct access_line line = a_line(note);
	struct log_config config = { .headers = { "User-Agent", "Referer" }, .header_count = 2 };
	json_t *got, *headers;

	note_put(note, (enum access_piece)(PIECE_HEADERS + 1), "http://a/");
	line.config = &config;
	got = formatted(&line, 1);
	headers = json_object_get(got, "headers");
	CHECK_INT(json_object_size(headers), 1);
	CHECK_STR(text_of(headers, "Referer"), "http://a/");
	json_decref(got);
	free(note);
}

/* Every field at its longest, of bytes that become six each. */
TEST(a_line_of_the_worst_bytes_stays_json_and_has_its_end)
{
	static char worst[4000];
	static const struct vip vip = { .name = worst };
	static const struct listener listener = { .vip = &vip,
						  .port = 65535,
						  .protocol = LISTENER_TLS_PASSTHROUGH };
	static const struct node node = { .name = worst };
	struct log_config config = { .header_count = LOG_HEADERS_MAX };
	struct access_note *note = a_note();
	struct access_line line = a_line(note);
	json_t *got;

	memset(worst, 1, sizeof(worst) - 1);
	note->used = 0;
	for (int i = PIECE_METHOD; i < PIECES; i++)
		access_note_put(note, (enum access_piece)i, span_of(worst));
	for (int i = 0; i < LOG_HEADERS_MAX; i++)
		config.headers[i] = "User-Agent";
	note->has_query = true;
	line.config = &config;
	line.node = &node;
	line.listener = &listener;
	line.route = line.upstream = line.splice_reason = line.name = line.detail = worst;
	line.tls = "TLSv1.3";
	line.session = line.bytes_in = line.bytes_out = line.total_us = INT64_MAX;
	line.times = (struct access_times){ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	line.end = END_ENDPOINT_TLS;
	note->pieces[PIECE_ID].len = 0;
	config.header_count = 1; /* the same name twice would be refused by the reader */
	got = formatted(&line, 1);
	CHECK_STR(text_of(got, "end"), "endpoint_tls");
	CHECK(json_object_get(got, "error") && json_object_get(got, "total_us"));
	CHECK(json_object_get(got, "query") && json_object_get(got, "splice_reason"));
	CHECK(json_is_true(json_object_get(got, "cut")));
	json_decref(got);
	free(note);
}

TEST(what_a_note_has_no_room_for_is_cut_and_said)
{
	static char text[4000];
	struct access_notes notes = { NULL };
	struct access_note *note = access_note_take(&notes), *again;
	size_t sum = 0;

	memset(text, 'a', sizeof(text) - 1);
	note_put(note, PIECE_METHOD, "GET");
	CHECK(!note->cut);
	for (int i = PIECE_HOST; i < PIECES; i++)
		access_note_put(note, (enum access_piece)i, span_of(text));
	for (int i = 0; i < PIECES; i++)
		sum += access_note_piece(note, (enum access_piece)i).len;
	CHECK_INT(sum, ACCESS_NOTE_BYTES);
	CHECK(note->cut);
	CHECK_SPAN(access_note_piece(note, PIECE_METHOD), SPAN("GET"));
	access_note_give(&notes, note);
	again = access_note_take(&notes);
	CHECK(again == note && !again->cut);
	CHECK_INT(access_note_piece(again, PIECE_PATH).len, 0);
	CHECK_INT(access_note_piece(NULL, PIECE_PATH).len, 0);
	access_note_give(&notes, again);
	access_notes_fini(&notes);
}

/* The rows of a table below a heading are exactly these names. */
static void check_table(const char *docs, const char *heading, const char *const *names, int count)
{
	const char *at = strstr(docs, heading), *end;
	int rows = 0;

	if (!at)
		test_fail(__FILE__, __LINE__, "no heading \"%s\"", heading);
	end = strstr(at + 1, "\n## ");
	for (int i = 0; i < count; i++) {
		char row[64];
		const char *found;

		snprintf(row, sizeof(row), "\n| `%s` |", names[i]);
		found = strstr(at, row);
		if (!found || (end && found > end))
			test_fail(__FILE__, __LINE__, "%s: no row for %s", heading, names[i]);
	}
	for (const char *row = at; (row = strstr(row, "\n| `")) && (!end || row < end); row++)
		rows++;
	CHECK_INT(rows, count);
}

TEST(every_field_end_and_counter_has_its_row_in_the_docs)
{
#define X(name) #name,
	static const char *const counters[] = { STAT_LIST(X) };
#undef X
	char *docs = calloc(1, JSON_SAFE);
	FILE *file = fopen("docs/operation.md", "r");
	int fields = 0;

	CHECK(file != NULL);
	CHECK(fread(docs, 1, JSON_SAFE - 1, file) > 0);
	fclose(file);
	while (access_log_fields[fields])
		fields++;
	check_table(docs, "\n## Fields of the access log\n", access_log_fields, fields);
	check_table(docs, "\n## Why it ended\n", end_reason_words, END_REASONS);
	check_table(docs, "\n## Counters\n", counters, ARRAY_LEN(counters));
	free(docs);
}

TEST(a_log_of_no_sink_is_none)
{
	CHECK(!access_log_create(NULL));
	CHECK(!access_log_is_used(NULL));
	access_log_destroy(NULL);
}
