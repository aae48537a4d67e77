#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/control/admin_request.h"

TEST(a_request_is_served_or_refused_by_its_head)
{
	static const struct {
		const char *name;
		const char *in;
		size_t len; /* 0: that of the string */
		int result;
		unsigned status;
		const char *path;
	} rows[] = {
		{ "a plain GET", "GET /status HTTP/1.1\r\nHost: x\r\n\r\n", 0, ADMIN_REQUEST, 0,
		  "/status" },
		{ "HTTP/1.0 without fields", "GET /flows HTTP/1.0\r\n\r\n", 0, ADMIN_REQUEST, 0,
		  "/flows" },
		{ "a query", "GET /status?x=1 HTTP/1.1\r\n\r\n", 0, ADMIN_REQUEST, 0, "/status" },
		{ "a head that goes on", "GET /status HTTP/1.1\r\nHost", 0, ADMIN_NEED_MORE, 0,
		  "" },
		{ "nothing yet", "", 0, ADMIN_NEED_MORE, 0, "" },
		{ "another method", "PUT /status HTTP/1.1\r\n\r\n", 0, ADMIN_REFUSED, 405, "" },
		{ "a POST", "POST /flows/kill?all HTTP/1.1\r\n\r\n", 0, ADMIN_REQUEST, 0,
		  "/flows/kill" },
		{ "a body", "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", 0, ADMIN_REQUEST, 0,
		  "/x" },
		{ "a body that goes on", "POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", 0,
		  ADMIN_NEED_MORE, 0, "/x" },
		{ "a body without end", "POST /x HTTP/1.1\r\nContent-Length: 262145\r\n\r\n", 0,
		  ADMIN_REFUSED, 413, "/x" },
		{ "a length that is none", "POST /x HTTP/1.1\r\nContent-Length: 2x\r\n\r\nab", 0,
		  ADMIN_REFUSED, 400, "/x" },
		{ "no length", "POST /x HTTP/1.1\r\nContent-Length: \r\n\r\n", 0, ADMIN_REFUSED,
		  400, "/x" },
		{ "a method in lower case", "get / HTTP/1.1\r\n\r\n", 0, ADMIN_REFUSED, 405, "" },
		{ "another version", "GET / HTTP/2.0\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "no version", "GET /\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "two blanks", "GET  / HTTP/1.1\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "a target without slash", "GET status HTTP/1.1\r\n\r\n", 0, ADMIN_REFUSED, 400,
		  "" },
		{ "nothing but the end", "\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "a NUL in the path", "GET /s\0t HTTP/1.1\r\n\r\n", 21, ADMIN_REFUSED, 400, "" },
		{ "a lone CR", "GET / HTTP/1.1\rX: y\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "a lone LF", "GET / HTTP/1.1\nX: y\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
		{ "bytes beyond ASCII", "GET /\xff HTTP/1.1\r\n\r\n", 0, ADMIN_REFUSED, 400, "" },
	};

	FOR_ROWS (row, rows) {
		struct span in = { row->in, row->len ? row->len : strlen(row->in) };
		struct admin_request request = { .path = SPAN("") };
		uint32_t status = 0;

		CHECK_INT(admin_request_parse(in, &request, &status), row->result);
		CHECK_INT(status, row->status);
		CHECK_SPAN(request.path, span_of(row->path));
	}
}

TEST(a_head_that_never_ends_is_refused)
{
	static char long_head[ADMIN_HEAD_MAX];
	struct admin_request request;
	uint32_t status = 0;

	memset(long_head, 'a', sizeof(long_head));
	CHECK_INT(
		admin_request_parse(span_make(long_head, sizeof(long_head) - 1), &request, &status),
		ADMIN_NEED_MORE);
	CHECK_INT(admin_request_parse(span_make(long_head, sizeof(long_head)), &request, &status),
		  ADMIN_REFUSED);
	CHECK_INT(status, 431);
}

/* Each prefix lies in memory of its own length, so that the sanitizer sees a read beyond it. */
TEST(a_head_cut_at_any_byte_needs_more)
{
	static const char head[] = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";

	for (size_t len = 0; len < sizeof(head) - 1; len++) {
		char *copy = malloc(len ? len : 1);
		struct admin_request request;
		uint32_t status;

		memcpy(copy, head, len);
		CHECK_INT(admin_request_parse(span_make(copy, len), &request, &status),
			  ADMIN_NEED_MORE);
		free(copy);
	}
}
