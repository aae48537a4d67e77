#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/http/h1_parser.h"
#include "userspace/http/path.h"

#define HOST "Host: a.example\r\n"
#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST

static struct message msg;

static enum h1_reject parse(enum h1_kind kind, struct span in)
{
	struct h1_parser p;
	enum h1_reject why = H1_REJECT_NONE;
	size_t used = 0;
	enum h1_result got;

	h1_parser_init(&p, kind, &H1_LIMITS_DEFAULT);
	p.asked_upgrade = true;
	got = h1_parser_head(&p, in, &msg, &used, &why);
	if (got == H1_NEED_MORE)
		test_fail(__FILE__, __LINE__, "needs more");
	return why;
}

/* clang-format off */
static const struct bad_head {
	const char *name;
	const char *head;
	enum h1_reject why;
	size_t len; /* where it has a NUL */
} bad_requests[] = {
	{ "both framings", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "both framings, the other way round", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "both framings, with a length of 0", POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "both framings, with an unknown coding", POST "Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "two lengths that differ", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", H1_REJECT_LENGTH_TWICE },
	{ "two equal lengths", POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n", H1_REJECT_LENGTH_TWICE },
	{ "a list of lengths", POST "Content-Length: 5, 5\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length with a sign", POST "Content-Length: +5\r\n\r\n", H1_REJECT_LENGTH },
	{ "a negative length", POST "Content-Length: -1\r\n\r\n", H1_REJECT_LENGTH },
	{ "a hexadecimal length", POST "Content-Length: 0x5\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length with a space inside", POST "Content-Length: 1 2\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length with a fraction", POST "Content-Length: 5.0\r\n\r\n", H1_REJECT_LENGTH },
	{ "an empty length", POST "Content-Length:\r\n\r\n", H1_REJECT_LENGTH },
	{ "a quoted length", POST "Content-Length: \"5\"\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length of 2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length of 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n", H1_REJECT_LENGTH },
	{ "a length with non-ASCII digits", POST "Content-Length: \xd9\xa5\r\n\r\n", H1_REJECT_LENGTH },
	{ "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", H1_REJECT_CODING },
	{ "chunked twice in two fields", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_CODING },
	{ "chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n", H1_REJECT_CODING },
	{ "chunked, then identity in another field", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", H1_REJECT_CODING },
	{ "an unknown coding under chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", H1_REJECT_CODING_UNKNOWN },
	{ "an unknown coding", POST "Transfer-Encoding: xchunked\r\n\r\n", H1_REJECT_CODING_UNKNOWN },
	{ "identity", POST "Transfer-Encoding: identity\r\n\r\n", H1_REJECT_CODING_UNKNOWN },
	{ "no coding at all", POST "Transfer-Encoding:\r\n\r\n", H1_REJECT_CODING },
	{ "chunked with an empty element", POST "Transfer-Encoding: chunked,\r\n\r\n", H1_REJECT_CODING },
	{ "chunked after an empty element", POST "Transfer-Encoding: ,chunked\r\n\r\n", H1_REJECT_CODING },
	{ "chunked with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", H1_REJECT_CODING },
	{ "quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", H1_REJECT_CODING },
	{ "chunked behind a vertical tab", POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", H1_REJECT_CONTROL },
	{ "chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_CODING_VERSION },
	{ "a space before the colon", POST "Transfer-Encoding : chunked\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "a tab before the colon", POST "Content-Length\t: 5\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "a space in a field name", POST "Content Length: 5\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "no field name", POST ": x\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "no colon", POST "Content-Length\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "a field name with a non-ASCII byte", POST "X-\xe9: 1\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "a field name with a NUL", POST "X-\0: 1\r\n\r\n", H1_REJECT_CONTROL, sizeof(POST "X-\0: 1\r\n\r\n") - 1 },
	{ "a folded field", POST "X: a\r\n b\r\n\r\n", H1_REJECT_FOLD },
	{ "a field folded by a tab", POST "X: a\r\n\tContent-Length: 5\r\n\r\n", H1_REJECT_FOLD },
	{ "a first field that begins with a space", GET " " HOST "\r\n", H1_REJECT_FOLD },
	{ "a line of one space", POST " \r\n\r\n", H1_REJECT_FOLD },
	{ "a bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", H1_REJECT_LINE_END },
	{ "a bare LF after a field", GET "Host: a.example\n\r\n", H1_REJECT_LINE_END },
	{ "a bare LF at the head's end", GET HOST "\n", H1_REJECT_LINE_END },
	{ "a bare CR in a value", POST "X: a\rContent-Length: 5\r\n\r\n", H1_REJECT_LINE_END },
	{ "two CR before LF", POST "X: a\r\r\n\r\n", H1_REJECT_LINE_END },
	{ "a NUL in a value", POST "X: a\0b\r\n\r\n", H1_REJECT_CONTROL, sizeof(POST "X: a\0b\r\n\r\n") - 1 },
	{ "a DEL in a value", POST "X: a\x7f\r\n\r\n", H1_REJECT_CONTROL },
	{ "an escape in a value", POST "X: \x1b[2J\r\n\r\n", H1_REJECT_CONTROL },
	{ "a TLS record", "\x16\x03\x01\x02", H1_REJECT_CONTROL },
	{ "two empty lines first", "\r\n\r\n" GET HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "a space first", " " GET HOST "\r\n", H1_REJECT_METHOD },
	{ "a method that is no token", "G(T / HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_METHOD },
	{ "two spaces after the method", "GET  / HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "a space after the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "a tab in place of a space", "GET\t/\tHTTP/1.1\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "HTTP/0.9", "GET /\r\n\r\n", H1_REJECT_REQUEST_LINE },
	{ "a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "a backslash in the path", "GET /a\\b HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "a non-ASCII path", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "a quote in the query", "GET /?\" HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "a relative target", "GET a HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "another scheme", "GET ftp://a.example/ HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "user information in the target", "GET http://u@a.example/ HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "a target without host", "GET http:/// HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "an asterisk for GET", "GET * HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "CONNECT without port", "CONNECT a.example HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "CONNECT to a path", "CONNECT / HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_TARGET },
	{ "CONNECT with a body", "CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\nContent-Length: 1\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "TRACE with a body", "TRACE / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "HTTP/2", "PRI * HTTP/2.0\r\n\r\n", H1_REJECT_VERSION },
	{ "HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", H1_REJECT_VERSION },
	{ "a version of two digits", "GET / HTTP/1.10\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "http in lower case", "GET / http/1.1\r\n" HOST "\r\n", H1_REJECT_REQUEST_LINE },
	{ "no Host", GET "\r\n", H1_REJECT_HOST_MISSING },
	{ "two Hosts", GET HOST HOST "\r\n", H1_REJECT_HOST_TWICE },
	{ "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "host: b\r\n\r\n", H1_REJECT_HOST_TWICE },
	{ "an empty Host", GET "Host:\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with a path", GET "Host: a.example/x\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with a user", GET "Host: x@a.example\r\n\r\n", H1_REJECT_HOST },
	{ "two hosts in Host", GET "Host: a.example, b.example\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with port 0", GET "Host: a.example:0\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with port 65536", GET "Host: a.example:65536\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with a port that is no number", GET "Host: a.example:80x\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with an open bracket", GET "Host: [::1\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with bytes behind the bracket", GET "Host: [::1]x\r\n\r\n", H1_REJECT_HOST },
	{ "a Host with a name in brackets", GET "Host: [a.example]\r\n\r\n", H1_REJECT_HOST },
	{ "a target with another host", "GET http://b.example/ HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_HOST_DIFFERS },
	{ "a target with another port", "GET http://a.example:81/ HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_HOST_DIFFERS },
	{ "CONNECT with another Host", "CONNECT a.example:22 HTTP/1.1\r\n" HOST "\r\n", H1_REJECT_HOST_DIFFERS },
	{ "Connection that is no list of tokens", GET HOST "Connection: a b\r\n\r\n", H1_REJECT_CONNECTION },
	{ "Connection with 17 options", GET HOST "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n", H1_REJECT_CONNECTION },
	{ "an unknown expectation", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", H1_REJECT_EXPECT },
}, bad_responses[] = {
	{ "another protocol", "SSH-2.0-x\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a request", GET HOST "\r\n", H1_REJECT_STATUS_LINE },
	{ "an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", H1_REJECT_VERSION },
	{ "HTTP/1.9", "HTTP/1.9 200 OK\r\n\r\n", H1_REJECT_VERSION },
	{ "http in lower case", "http/1.1 200 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "status 099", "HTTP/1.1 099 x\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "status 600", "HTTP/1.1 600 x\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a negative status", "HTTP/1.1 -20 OK\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "no status", "HTTP/1.1\r\n\r\n", H1_REJECT_STATUS_LINE },
	{ "a control byte in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n", H1_REJECT_CONTROL },
	{ "a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", H1_REJECT_LINE_END },
	{ "a bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", H1_REJECT_LINE_END },
	{ "both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "both framings in 304", "HTTP/1.1 304 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_LENGTH_AND_CODING },
	{ "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", H1_REJECT_LENGTH_TWICE },
	{ "a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: 1a\r\n\r\n", H1_REJECT_LENGTH },
	{ "a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_CODING_VERSION },
	{ "an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", H1_REJECT_CODING_UNKNOWN },
	{ "chunked not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", H1_REJECT_CODING },
	{ "chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_CODING },
	{ "a length on 204", "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "chunks on 204", "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "a length on 100", "HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "chunks on 103", "HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "chunks on 101", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n", H1_REJECT_BODY_FORBIDDEN },
	{ "101 without Upgrade", "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n", H1_REJECT_UPGRADE },
	{ "101 without Connection", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", H1_REJECT_UPGRADE },
	{ "101 to another protocol", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", H1_REJECT_UPGRADE },
	{ "a folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", H1_REJECT_FOLD },
	{ "a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", H1_REJECT_FIELD_NAME },
	{ "Connection that is no list of tokens", "HTTP/1.1 200 OK\r\nConnection: (x)\r\n\r\n", H1_REJECT_CONNECTION },
};
/* clang-format on */

static void check_bad(enum h1_kind kind, const struct bad_head *row)
{
	struct span in = row->len ? span_make(row->head, row->len) : span_of(row->head);

	CHECK_STR(h1_reject_name(parse(kind, in)), h1_reject_name(row->why));
}

TEST(requests_that_two_servers_could_read_differently_are_refused)
{
	FOR_ROWS (row, bad_requests) {
		check_bad(H1_REQUEST, row);
		CHECK(h1_reject_status(row->why) >= 400);
		CHECK(h1_reject_text(row->why).len > 0);
	}
}

TEST(responses_that_two_clients_could_read_differently_are_refused)
{
	FOR_ROWS (row, bad_responses) {
		check_bad(H1_RESPONSE, row);
	}
}

TEST(requests_mean_what_they_say)
{
	/* clang-format off */
	static const struct {
		const char *name, *head, *path, *query, *host;
		uint16_t port;
		enum body_framing framing;
		uint64_t length;
		bool keep_alive, upgrade, expect_100;
	} rows[] = {
		{ "a plain one", GET HOST "\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true },
		{ "one after an empty line", "\r\n" GET HOST "\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true },
		{ "path and query", "GET /a/b?c=d?e HTTP/1.1\r\n" HOST "\r\n", "/a/b", "c=d?e", "a.example", 0, BODY_NONE, 0, true },
		{ "an empty query", "GET /? HTTP/1.1\r\n" HOST "\r\n", "/", "", "a.example", 0, BODY_NONE, 0, true },
		{ "a host with a port", GET "Host: A.example:8080\r\n\r\n", "/", NULL, "A.example", 8080, BODY_NONE, 0, true },
		{ "a host with an empty port", GET "Host: a:\r\n\r\n", "/", NULL, "a", 0, BODY_NONE, 0, true },
		{ "an IPv6 host", GET "Host: [::1]:80\r\n\r\n", "/", NULL, "[::1]", 80, BODY_NONE, 0, true },
		{ "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "/", NULL, "", 0, BODY_NONE, 0, false },
		{ "HTTP/1.0 that stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", NULL, "", 0, BODY_NONE, 0, true },
		{ "close", GET HOST "Connection: x, Close\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, false },
		{ "close in the second field", GET HOST "Connection: x\r\nConnection: close\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, false },
		{ "a body of known length", POST "Content-Length: 007\r\n\r\n", "/", NULL, "a.example", 0, BODY_LENGTH, 7, true },
		{ "the longest body", POST "Content-Length: 9223372036854775807\r\n\r\n", "/", NULL, "a.example", 0, BODY_LENGTH, INT64_MAX, true },
		{ "an empty body", POST "Content-Length: 0\r\n\r\n", "/", NULL, "a.example", 0, BODY_LENGTH, 0, true },
		{ "a chunked body", POST "Transfer-Encoding: \t Chunked \r\n\r\n", "/", NULL, "a.example", 0, BODY_CHUNKED, 0, true },
		{ "absolute-form", "GET HTTP://a.example:80/x?y HTTP/1.1\r\n" HOST "\r\n", "/x", "y", "a.example", 80, BODY_NONE, 0, true },
		{ "absolute-form of https", "GET https://a.example/ HTTP/1.1\r\nHost: A.example:443\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true },
		{ "absolute-form without path", "GET http://a.example?y HTTP/1.1\r\n" HOST "\r\n", "/", "y", "a.example", 0, BODY_NONE, 0, true },
		{ "OPTIONS of a server", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "*", NULL, "a.example", 0, BODY_NONE, 0, true },
		{ "OPTIONS of a server in absolute-form", "OPTIONS http://a.example HTTP/1.1\r\n" HOST "\r\n", "*", NULL, "a.example", 0, BODY_NONE, 0, true },
		{ "CONNECT", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", "", NULL, "a.example", 443, BODY_NONE, 0, true },
		{ "WebSocket", GET HOST "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true, true },
		{ "WebSocket without Connection", GET HOST "Upgrade: websocket\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true, false },
		{ "WebSocket by POST", POST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true, false },
		{ "h2c", GET HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true, false },
		{ "one that waits", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", "/", NULL, "a.example", 0, BODY_LENGTH, 1, true, false, true },
		{ "one that waits without a body", POST "Expect: 100-continue\r\n\r\n", "/", NULL, "a.example", 0, BODY_NONE, 0, true, false, false },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		CHECK_STR(h1_reject_name(parse(H1_REQUEST, span_of(row->head))), "NONE");
		CHECK_SPAN(msg.path, span_of(row->path));
		CHECK_SPAN(msg.query, span_of(row->query));
		CHECK_INT(!msg.query.at, !row->query);
		CHECK_SPAN(msg.host, span_of(row->host));
		CHECK_INT(msg.port, row->port);
		CHECK_INT(msg.framing, row->framing);
		CHECK_INT(msg.content_length, row->length);
		CHECK_INT(msg.keep_alive, row->keep_alive);
		CHECK_INT(msg.upgrade, row->upgrade);
		CHECK_INT(msg.expect_100, row->expect_100);
	}
}

TEST(responses_mean_what_they_say_to_what_was_asked)
{
	/* clang-format off */
	static const struct {
		const char *name, *head, *asked;
		uint16_t status;
		enum body_framing framing;
		bool keep_alive, tunnel;
	} rows[] = {
		{ "a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 200, BODY_LENGTH, true },
		{ "chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 200, BODY_CHUNKED, true },
		{ "neither", "HTTP/1.1 200 OK\r\n\r\n", "GET", 200, BODY_UNTIL_CLOSE, false },
		{ "no reason, and no space", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "GET", 404, BODY_LENGTH, true },
		{ "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 200, BODY_LENGTH, false },
		{ "an answer to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, BODY_NONE, true },
		{ "an answer to HEAD with a coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, BODY_NONE, true },
		{ "an answer to HEAD without framing", "HTTP/1.1 200 OK\r\n\r\n", "HEAD", 200, BODY_NONE, true },
		{ "not modified", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", "GET", 304, BODY_NONE, true },
		{ "no content", "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", "GET", 204, BODY_NONE, true },
		{ "continue", "HTTP/1.1 100 Continue\r\n\r\n", "GET", 100, BODY_NONE, true },
		{ "a tunnel", "HTTP/1.1 200 OK\r\n\r\n", "CONNECT", 200, BODY_NONE, false, true },
		{ "no tunnel", "HTTP/1.1 403 x\r\nContent-Length: 5\r\n\r\n", "CONNECT", 403, BODY_LENGTH, true },
		{ "WebSocket", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "UPGRADE", 101, BODY_NONE, false, true },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		struct message request = { .method_id = message_method(span_of(row->asked)),
					   .upgrade = !strcmp(row->asked, "UPGRADE") };
		struct h1_parser p;
		enum h1_reject why;
		size_t used;

		h1_parser_init(&p, H1_RESPONSE, &H1_LIMITS_DEFAULT);
		h1_parser_answers(&p, &request);
		CHECK_INT(h1_parser_head(&p, span_of(row->head), &msg, &used, &why), H1_DONE);
		CHECK_INT(used, strlen(row->head));
		CHECK_INT(msg.status, row->status);
		CHECK_INT(msg.framing, row->framing);
		CHECK_INT(msg.keep_alive, row->keep_alive);
		CHECK_INT(msg.tunnel, row->tunnel);
	}
}

TEST(a_switch_of_protocols_that_nobody_asked_for_is_refused)
{
	struct span in =
		SPAN("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	struct message request = { .method_id = METHOD_GET };
	struct h1_parser p;
	enum h1_reject why;
	size_t used;

	h1_parser_init(&p, H1_RESPONSE, &H1_LIMITS_DEFAULT);
	h1_parser_answers(&p, &request);
	CHECK_INT(h1_parser_head(&p, in, &msg, &used, &why), H1_REJECT);
	CHECK_INT(why, H1_REJECT_UPGRADE);
}

TEST(a_head_that_comes_byte_by_byte_is_looked_at_once_and_ends_where_it_ends)
{
	struct span in = SPAN("\r\n" GET HOST "X: y\r\n\r\nGET /next");
	size_t head = in.len - strlen("GET /next"), used = 0;
	struct h1_parser p;
	enum h1_reject why;

	h1_parser_init(&p, H1_REQUEST, &H1_LIMITS_DEFAULT);
	for (size_t n = 0; n < head; n++) {
		CHECK_INT(h1_parser_head(&p, span_make(in.at, n), &msg, &used, &why), H1_NEED_MORE);
		CHECK(p.seen + 2 > n); /* at most a CR is left to look at again */
	}
	CHECK_INT(h1_parser_head(&p, in, &msg, &used, &why), H1_DONE);
	CHECK_INT(used, head);
	CHECK_INT(p.seen, 0);
	CHECK_SPAN(message_value(&msg, SPAN("x")), SPAN("y"));
}

TEST(limits_hold_to_the_byte_and_the_field)
{
	static const char head[] = "GET /12345 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
	static const struct {
		const char *name;
		struct h1_limits limits;
		enum h1_reject why;
	} rows[] = {
		{ "just enough", { sizeof(head) - 1, 19, 2 }, H1_REJECT_NONE },
		{ "a byte too many", { sizeof(head) - 2, 19, 2 }, H1_REJECT_HEAD_BYTES },
		{ "a line too long", { sizeof(head) - 1, 18, 2 }, H1_REJECT_LINE_BYTES },
		{ "a field too many", { sizeof(head) - 1, 19, 1 }, H1_REJECT_FIELD_COUNT },
	};

	FOR_ROWS (row, rows) {
		struct h1_parser p;
		enum h1_reject why = H1_REJECT_NONE;
		size_t used;

		h1_parser_init(&p, H1_REQUEST, &row->limits);
		h1_parser_head(&p, span_of(head), &msg, &used, &why);
		CHECK_STR(h1_reject_name(why), h1_reject_name(row->why));
	}
}

TEST(a_hundred_fields_are_taken_and_one_more_is_not)
{
	char head[FIELDS_MAX * 8 + 64] = GET HOST;
	size_t len = strlen(head);

	for (int i = 1; i < FIELDS_MAX; i++, len += 4)
		memcpy(head + len, "x:\r\n", 4);
	memcpy(head + len, "\r\n", 2);
	CHECK_INT(parse(H1_REQUEST, span_make(head, len + 2)), H1_REJECT_NONE);
	CHECK_INT(msg.field_count, FIELDS_MAX);
	memcpy(head + len, "x:\r\n\r\n", 6);
	CHECK_INT(parse(H1_REQUEST, span_make(head, len + 6)), H1_REJECT_FIELD_COUNT);
}

TEST(fields_named_by_connection_are_marked_and_found_by_any_case)
{
	struct span in = SPAN(GET HOST "x-A: 1\r\nX-B: 2\r\nX-a: 3\r\nTE: trailers\r\n"
				       "Connection: close, X-A\r\n\r\n");
	const struct field *f;

	CHECK_INT(parse(H1_REQUEST, in), H1_REJECT_NONE);
	CHECK(msg.te_trailers);
	f = message_find(&msg, SPAN("X-A"));
	CHECK(f && f->is_hop);
	CHECK_SPAN(f->value, SPAN("1"));
	f = message_find_next(&msg, f);
	CHECK(f && f->is_hop);
	CHECK_SPAN(f->value, SPAN("3"));
	CHECK(!message_find_next(&msg, f));
	CHECK(!message_find(&msg, SPAN("x-b"))->is_hop);
	CHECK(message_find(&msg, SPAN("te"))->is_hop);
}
