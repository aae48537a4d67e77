#include "tests/harness/test.h"
#include "userspace/http/h1_parser.h"
#include "userspace/http/h1_writer.h"

static struct message msg;
static char bytes[4096];

static void parse(enum h1_kind kind, const char *head)
{
	struct h1_parser p;
	enum h1_reject why = H1_REJECT_NONE;
	size_t used;

	h1_parser_init(&p, kind, &H1_LIMITS_DEFAULT);
	p.asked_upgrade = true;
	if (h1_parser_head(&p, span_of(head), &msg, &used, &why) != H1_DONE)
		test_fail(__FILE__, __LINE__, "bad head: %s", h1_reject_name(why));
}

static const struct field cookie[] = { { .name = { "X-Key", 5 }, .value = { "v", 1 } } };

TEST(requests_go_on_without_what_was_meant_for_us)
{
	/* clang-format off */
	static const struct {
		const char *name, *head;
		struct h1_sent how;
		const char *want;
	} rows[] = {
		{ "a plain one", "GET /a?b HTTP/1.1\r\nHost: h:8\r\nAccept: x\r\n\r\n", { .keep_alive = true },
		  "GET /a?b HTTP/1.1\r\nHost: h:8\r\nAccept: x\r\n\r\n" },
		{ "one that ends the connection", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", { 0 },
		  "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" },
		{ "absolute-form and HTTP/1.0", "GET http://h/?q HTTP/1.0\r\nUser-Agent: x\r\n\r\n", { .keep_alive = true },
		  "GET /?q HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\n\r\n" },
		{ "a normalised path, another host", "GET /a/../b?c HTTP/1.1\r\nHost: h\r\n\r\n",
		  { .keep_alive = true, .path = { "/b", 2 }, .host = { "in", 2 } },
		  "GET /b?c HTTP/1.1\r\nHost: in\r\n\r\n" },
		{ "hop-by-hop fields", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nX-HOP: 1\r\nKeep-Alive: 5\r\n"
		  "Proxy-Connection: x\r\nUpgrade: h2c\r\nX-End: 2\r\n\r\n", { .keep_alive = true },
		  "GET / HTTP/1.1\r\nHost: h\r\nX-End: 2\r\n\r\n" },
		{ "an attempt to have Host removed", "GET / HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n", { .keep_alive = true },
		  "GET / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ "TE", "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: gzip, trailers\r\n\r\n", { .keep_alive = true },
		  "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: trailers\r\n\r\n" },
		{ "a counted body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\nTrailer: x\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_LENGTH, .length = 7 },
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n" },
		{ "a chunked body", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\nTrailer: x\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_CHUNKED },
		  "POST / HTTP/1.1\r\nHost: h\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ "Expect answered by us", "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_LENGTH, .length = 1 },
		  "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n" },
		{ "Expect passed on", "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_LENGTH, .length = 1, .keep_expect = true },
		  "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n" },
		{ "WebSocket passed on", "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket, x\r\n\r\n",
		  { .keep_alive = true, .upgrade = true },
		  "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
		{ "WebSocket not passed on", "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		  { .keep_alive = true }, "GET / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ "an upgrade that nobody asked for", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", { .keep_alive = true, .upgrade = true },
		  "GET / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ "a field that was set", "GET / HTTP/1.1\r\nHost: h\r\nx-key: forged\r\nConnection: x-key\r\n\r\n",
		  { .keep_alive = true, .set = cookie, .set_count = 1 },
		  "GET / HTTP/1.1\r\nHost: h\r\nX-Key: v\r\n\r\n" },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct h1_writer w;

		parse(H1_REQUEST, row->head);
		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK(h1_writer_request(&w, &msg, &row->how));
		CHECK_SPAN(span_make(bytes, w.len), span_of(row->want));
		/* Whatever is a byte too long is refused, and nothing is written over. */
		for (size_t cap = 0; cap < strlen(row->want); cap++) {
			h1_writer_init(&w, bytes, cap);
			bytes[cap] = '!';
			CHECK(!h1_writer_request(&w, &msg, &row->how));
			CHECK_INT(w.len, 0);
			CHECK_INT(bytes[cap], '!');
		}
	}
}

#define GET(fields) "GET / HTTP/1.1\r\nHost: h:8\r\n" fields "\r\n"
#define FOR         { .x_forwarded_for = FORWARDED_APPEND }
#define PROTO       { .x_forwarded_proto = FORWARDED_APPEND }
#define ELEMENT     { .forwarded = FORWARDED_APPEND }
#define VIA         { .via = FORWARDED_APPEND }
#define SET_ALL     { FORWARDED_SET, FORWARDED_SET, FORWARDED_SET, FORWARDED_SET, FORWARDED_SET }
#define APPEND_ALL                                                                                 \
	{ FORWARDED_APPEND, FORWARDED_APPEND, FORWARDED_APPEND, FORWARDED_APPEND, FORWARDED_APPEND }
#define SAID                                                                                       \
	"via: 1.0 a\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"                     \
	"X-FORWARDED-PROTO: x\r\nX-Forwarded-Host: evil\r\nX-Forwarded-For: 7.7.7.7\r\n"
#define OURS                                                                                       \
	"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:8\r\n"         \
	"Forwarded: for=1.2.3.4;proto=http;host=\"h:8\"\r\nVia: 1.1 shunt\r\n"

TEST(endpoints_hear_of_a_request_s_way_from_us_and_from_whom_we_trust)
{
	/* clang-format off */
	static const struct {
		const char *name, *head;
		bool trusted;
		struct forwarded_modes modes;
		const char *client, *want; /* NULL: 1.2.3.4 */
	} rows[] = {
		{ "off, from anybody", GET(SAID), false, { 0 }, NULL, GET("") },
		{ "off, from a trusted one", GET(SAID), true, { 0 }, NULL, GET(SAID) },
		{ "set, from anybody", GET(SAID), false, SET_ALL, NULL, GET(OURS) },
		{ "set, from a trusted one", GET(SAID), true, SET_ALL, NULL, GET(OURS) },
		{ "set, where nothing was said", GET(""), true, SET_ALL, NULL, GET(OURS) },
		{ "append, from anybody", GET(SAID), false, APPEND_ALL, NULL, GET(OURS) },
		{ "append, where nothing was said", GET(""), true, APPEND_ALL, NULL, GET(OURS) },
		{ "append, from a trusted one", GET(SAID), true, APPEND_ALL, NULL,
		  GET("X-Forwarded-For: 6.6.6.6, 7.7.7.7, 1.2.3.4\r\nX-Forwarded-Proto: x, http\r\nX-Forwarded-Host: evil, h:8\r\n"
		      "Forwarded: for=6.6.6.6, for=1.2.3.4;proto=http;host=\"h:8\"\r\nVia: 1.0 a, 1.1 shunt\r\n") },
		{ "one appended, the others off, from a trusted one", GET("Via: a\r\nX-Forwarded-Proto: https\r\n"), true, PROTO, NULL,
		  GET("Via: a\r\nX-Forwarded-Proto: https, http\r\n") },
		{ "one appended, the others off, from anybody", GET("Via: a\r\nX-Forwarded-Proto: https\r\n"), false, PROTO, NULL,
		  GET("X-Forwarded-Proto: http\r\n") },
		{ "an empty value", GET("X-Forwarded-For:  \r\n"), true, FOR, NULL, GET("X-Forwarded-For: 1.2.3.4\r\n") },
		{ "a field that Connection names", GET("Connection: x-forwarded-for, via\r\nX-Forwarded-For: 6.6.6.6\r\nVia: a\r\n"), true, FOR, NULL,
		  GET("X-Forwarded-For: 1.2.3.4\r\n") },
		{ "no client", GET("X-Forwarded-For: 6.6.6.6\r\n"), false, FOR, "", GET("") },
		{ "no client, behind a trusted one", GET("X-Forwarded-For: 6.6.6.6\r\n"), true, FOR, "", GET("X-Forwarded-For: 6.6.6.6\r\n") },
		{ "a client of IPv6", GET(""), false, FOR, "2001:db8::1", GET("X-Forwarded-For: 2001:db8::1\r\n") },
		{ "a client of IPv6 in Forwarded", GET(""), false, ELEMENT, "2001:db8::1",
		  GET("Forwarded: for=\"[2001:db8::1]\";proto=http;host=\"h:8\"\r\n") },
		{ "a host that is a token", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", false, ELEMENT, NULL,
		  "GET / HTTP/1.1\r\nHost: a.example\r\nForwarded: for=1.2.3.4;proto=http;host=a.example\r\n\r\n" },
		{ "a host of IPv6", "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", false, ELEMENT, NULL,
		  "GET / HTTP/1.1\r\nHost: [::1]\r\nForwarded: for=1.2.3.4;proto=http;host=\"[::1]\"\r\n\r\n" },
		{ "no host", "GET / HTTP/1.0\r\n\r\n", false, SET_ALL, NULL,
		  "GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\n"
		  "Forwarded: for=1.2.3.4;proto=http\r\nVia: 1.0 shunt\r\n\r\n" },
		{ "no host, and one that somebody claims", "GET / HTTP/1.0\r\nX-Forwarded-Host: evil\r\n\r\n", false,
		  { .x_forwarded_host = FORWARDED_SET }, NULL, "GET / HTTP/1.1\r\nHost: \r\n\r\n" },
		{ "two Forwarded, one of several elements", GET("Forwarded: for=a;by=\"b,c\", for=d\r\nForwarded: for=\"e\\\"\"\r\n"), true, ELEMENT, NULL,
		  GET("Forwarded: for=a;by=\"b,c\", for=d, for=\"e\\\"\", for=1.2.3.4;proto=http;host=\"h:8\"\r\n") },
		{ "a quoted string without end", GET("Forwarded: for=\"a\r\nForwarded: for=b\r\n"), true, ELEMENT, NULL,
		  GET("Forwarded: for=b, for=1.2.3.4;proto=http;host=\"h:8\"\r\n") },
		{ "a quote that is escaped at the end", GET("Forwarded: for=\"a\\\"\r\n"), true, ELEMENT, NULL,
		  GET("Forwarded: for=1.2.3.4;proto=http;host=\"h:8\"\r\n") },
		{ "two Via", GET("Via: 1.1 a (b)\r\nvia: HTTP/2 c, 1.1 d\r\n"), true, VIA, NULL,
		  GET("Via: 1.1 a (b), HTTP/2 c, 1.1 d, 1.1 shunt\r\n") },
		{ "names that are only alike", GET("X-Forwarded-Port: 1\r\nX-Forwarded: 2\r\n"), false, VIA, NULL,
		  GET("X-Forwarded-Port: 1\r\nX-Forwarded: 2\r\nVia: 1.1 shunt\r\n") },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct h1_sent how = { .keep_alive = true };
		struct h1_writer w;

		how.forwarded = (struct forwarded){ row->modes, SPAN("shunt"), row->trusted,
						    span_of(row->client ? row->client : "1.2.3.4"),
						    SPAN("http") };
		parse(H1_REQUEST, row->head);
		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK(h1_writer_request(&w, &msg, &how));
		CHECK_SPAN(span_make(bytes, w.len), span_of(row->want));
		h1_writer_init(&w, bytes, strlen(row->want) - 1);
		CHECK(!h1_writer_request(&w, &msg, &how));
	}
}

TEST(clients_hear_of_a_response_s_way_in_via_alone)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum forwarded_mode mode;
		const char *want;
	} rows[] = {
		{ "append", FORWARDED_APPEND, "X-Forwarded-For: x\r\nForwarded: y\r\nVia: 1.1 a, 1.1 b, 1.0 s\r\n" },
		{ "set", FORWARDED_SET, "X-Forwarded-For: x\r\nForwarded: y\r\nVia: 1.0 s\r\n" },
		{ "off", FORWARDED_OFF, "Via: 1.1 a\r\nX-Forwarded-For: x\r\nForwarded: y\r\nVia: 1.1 b\r\n" },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct h1_sent how = { .minor = 1, .forwarded = { SET_ALL, .via = SPAN("s") } };
		struct h1_writer w;
		char want[256];

		how.forwarded.modes.via = row->mode;
		snprintf(want, sizeof(want), "HTTP/1.1 103 E\r\n%s\r\n", row->want);
		parse(H1_RESPONSE, "HTTP/1.0 103 E\r\nVia: 1.1 a\r\nX-Forwarded-For: x\r\n"
				   "Forwarded: y\r\nVia: 1.1 b\r\n\r\n");
		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK(h1_writer_response(&w, &msg, &how));
		CHECK_SPAN(span_make(bytes, w.len), span_of(want));
	}
}

TEST(a_field_that_is_set_takes_the_place_of_ours)
{
	static const struct field set = { .name = { "x-forwarded-for", 15 },
					  .value = { "CN=a", 4 } };
	struct h1_sent how = { .keep_alive = true, .set = &set, .set_count = 1 };
	struct h1_writer w;

	how.forwarded = (struct forwarded){ FOR, SPAN("s"), true, SPAN("1.2.3.4"), SPAN("http") };
	parse(H1_REQUEST, GET("X-Forwarded-For: 6.6.6.6\r\n"));
	h1_writer_init(&w, bytes, sizeof(bytes));
	CHECK(h1_writer_request(&w, &msg, &how));
	CHECK_SPAN(span_make(bytes, w.len), SPAN(GET("x-forwarded-for: CN=a\r\n")));
}

TEST(responses_go_on_in_the_framing_that_the_client_knows)
{
	/* clang-format off */
	static const struct {
		const char *name, *head;
		struct h1_sent how;
		const char *want;
	} rows[] = {
		{ "a counted one", "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nConnection: close, x\r\nX: 1\r\nY: 2\r\n\r\n",
		  { .keep_alive = true, .minor = 1, .framing = BODY_LENGTH, .length = 5 },
		  "HTTP/1.1 200 Fine\r\nY: 2\r\nContent-Length: 5\r\n\r\n" },
		{ "to HTTP/1.0 that stays", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_LENGTH, .length = 5 },
		  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n" },
		{ "to HTTP/1.0, of unknown length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		  { .keep_alive = true, .framing = BODY_UNTIL_CLOSE },
		  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" },
		{ "of unknown length", "HTTP/1.0 200 OK\r\n\r\n", { .keep_alive = true, .minor = 1, .framing = BODY_CHUNKED,
		    .forwarded = { .modes = { .via = FORWARDED_APPEND }, .via = { "s", 1 } } },
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.0 s\r\n\r\n" },
		{ "one that ends the connection", "HTTP/1.1 204 No\r\n\r\n", { .minor = 1 },
		  "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n" },
		{ "not modified", "HTTP/1.1 304 NM\r\nContent-Length: 9\r\nETag: e\r\n\r\n", { .minor = 1, .keep_alive = true },
		  "HTTP/1.1 304 NM\r\nETag: e\r\nContent-Length: 9\r\n\r\n" },
		{ "an interim one", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", { .minor = 1 },
		  "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" },
		{ "WebSocket", "HTTP/1.1 101 SP\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: k\r\n\r\n",
		  { .minor = 1, .upgrade = true, .keep_alive = true },
		  "HTTP/1.1 101 SP\r\nSec-WebSocket-Accept: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
		{ "no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", { .minor = 1, .keep_alive = true, .framing = BODY_LENGTH },
		  "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n" },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct h1_writer w;

		parse(H1_RESPONSE, row->head);
		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK(h1_writer_response(&w, &msg, &row->how));
		CHECK_SPAN(span_make(bytes, w.len), span_of(row->want));
	}
}

TEST(fields_that_would_end_their_line_or_touch_framing_are_not_set)
{
	static const struct {
		const char *name, *field, *value;
		bool ok;
	} rows[] = {
		{ "a redirect", "Location", "https://a/", true },
		{ "a value with a new line", "Location", "/\r\nSet-Cookie: x", false },
		{ "a value with a bare CR", "Location", "/\r", false },
		{ "a name with a space", "A B", "x", false },
		{ "no name", "", "x", false },
		{ "Content-Length", "content-length", "5", false },
		{ "Transfer-Encoding", "Transfer-Encoding", "chunked", false },
		{ "Connection", "connection", "close", false },
	};

	FOR_ROWS (row, rows) {
		struct field set = { .name = span_of(row->field), .value = span_of(row->value) };
		struct h1_reply reply = { .status = 302, .minor = 1, .set = &set, .set_count = 1 };
		struct h1_writer w;

		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK_INT(h1_writer_reply(&w, &reply), row->ok);
		CHECK_INT(w.len > 0, row->ok);
	}
}

TEST(replies_are_whole_messages)
{
	/* clang-format off */
	static const struct {
		const char *name;
		struct h1_reply reply;
		const char *want;
	} rows[] = {
		{ "not found", { .status = 404, .minor = 1, .body = { "no\n", 3 } },
		  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nno\n" },
		{ "an answer to HEAD", { .status = 502, .minor = 1, .body = { "no\n", 3 }, .head_only = true, .close = true },
		  "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nConnection: close\r\n\r\n" },
		{ "no body, to HTTP/1.0", { .status = 503 },
		  "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n" },
		{ "no content", { .status = 204, .minor = 1, .body = { "no\n", 3 } }, "HTTP/1.1 204 No Content\r\n\r\n" },
		{ "an odd status", { .status = 599, .minor = 1 }, "HTTP/1.1 599 Unknown\r\nContent-Length: 0\r\n\r\n" },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct h1_writer w;

		h1_writer_init(&w, bytes, sizeof(bytes));
		CHECK(h1_writer_reply(&w, &row->reply));
		CHECK_SPAN(span_make(bytes, w.len), span_of(row->want));
		h1_writer_init(&w, bytes, strlen(row->want) - 1);
		CHECK(!h1_writer_reply(&w, &row->reply));
		CHECK_INT(w.len, 0);
	}
}

TEST(chunk_heads_are_hexadecimal_without_leading_zeros)
{
	char out[H1_CHUNK_HEAD_MAX];

	CHECK_SPAN(span_make(out, h1_writer_chunk_head(1, out)), SPAN("1\r\n"));
	CHECK_SPAN(span_make(out, h1_writer_chunk_head(16, out)), SPAN("10\r\n"));
	CHECK_SPAN(span_make(out, h1_writer_chunk_head(0xabcdef, out)), SPAN("abcdef\r\n"));
	CHECK_SPAN(span_make(out, h1_writer_chunk_head(UINT64_MAX, out)),
		   SPAN("ffffffffffffffff\r\n"));
}

TEST(unknown_lengths_are_chunks_for_those_who_know_them)
{
	msg.framing = BODY_UNTIL_CLOSE;
	CHECK_INT(message_framing_for(&msg, 1), BODY_CHUNKED);
	CHECK_INT(message_framing_for(&msg, 0), BODY_UNTIL_CLOSE);
	msg.framing = BODY_CHUNKED;
	CHECK_INT(message_framing_for(&msg, 0), BODY_UNTIL_CLOSE);
	msg.framing = BODY_LENGTH;
	CHECK_INT(message_framing_for(&msg, 0), BODY_LENGTH);
}
