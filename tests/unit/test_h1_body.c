#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/http/h1_body.h"
#include "userspace/http/h1_writer.h"

struct answer {
	enum h1_body_result got;
	enum h1_reject why;
	size_t left; /* bytes behind the body */
	char payload[4096];
	char trailers[4096];
};

/* Gives step bytes more at a time. */
static void decode(struct h1_body *b, struct span in, size_t step, struct answer *out)
{
	size_t used = 0, have = 0;

	memset(out, 0, sizeof(*out));
	do {
		struct span now = span_make(in.at + used, have - used), data;

		out->got = h1_body_next(b, &now, &data, &out->why);
		used = have - now.len;
		if (out->got == H1_BODY_DATA)
			strncat(out->payload, data.at, data.len);
		if (out->got == H1_BODY_TRAILER)
			strncat(out->trailers, data.at, data.len);
		if (out->got == H1_BODY_MORE && have == in.len)
			break;
		if (out->got == H1_BODY_MORE)
			have = have + step < in.len ? have + step : in.len;
	} while (out->got != H1_BODY_END && out->got != H1_BODY_REJECT);
	out->left = in.len - used;
}

TEST(chunked_bodies_end_where_they_say_however_they_are_cut)
{
	/* clang-format off */
	static const struct {
		const char *name, *in, *payload, *trailers;
		size_t left;
	} rows[] = {
		{ "no data", "0\r\n\r\n", "", "" },
		{ "one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "" },
		{ "two chunks, and the next request", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET /", "abc", "", 5 },
		{ "digits of both cases", "a\r\n0123456789\r\nB\r\n0123456789x\r\n0\r\n\r\n", "01234567890123456789x", "" },
		{ "sixteen digits", "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a", "" },
		{ "extensions", "1;x\r\na\r\n1;n=\"v w\"; y\r\nb\r\n0;z\r\n\r\n", "ab", "" },
		{ "CR LF as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "" },
		{ "trailers", "0\r\nX-A: 1\r\nx-b:2 \r\n\r\nG", "", "X-A: 1\r\nx-b:2 \r\n", 1 },
		{ "forbidden trailers", "0\r\nHost: b\r\nX: 1\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\n\r\n", "", "X: 1\r\n" },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		for (size_t step = 1; step <= strlen(row->in); step++) {
			static struct answer a;
			struct h1_body b;

			h1_body_init(&b, BODY_CHUNKED, 0);
			CHECK(!h1_body_may_close(&b));
			decode(&b, span_of(row->in), step, &a);
			CHECK_INT(a.got, H1_BODY_END);
			CHECK_STR(a.payload, row->payload);
			CHECK_STR(a.trailers, row->trailers);
			CHECK(a.left >= row->left);
			CHECK_INT(b.payload, strlen(row->payload));
			CHECK(h1_body_may_close(&b));
		}
	}
}

TEST(chunks_that_somebody_could_read_differently_are_refused)
{
	/* clang-format off */
	static const struct {
		const char *name, *in;
		enum h1_reject why;
	} rows[] = {
		{ "no size", "\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a space before the size", " 1\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a space behind the size", "1 \r\na", H1_REJECT_CHUNK_SIZE },
		{ "a tab behind the size", "1\t;x\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a sign", "+1\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a negative size", "-1\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a prefix", "0x1\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a letter beyond f", "1g\r\na", H1_REJECT_CHUNK_SIZE },
		{ "an underscore", "1_0\r\na", H1_REJECT_CHUNK_SIZE },
		{ "seventeen digits", "00000000000000001\r\na", H1_REJECT_CHUNK_SIZE },
		{ "2^64 - 1", "ffffffffffffffff\r\na", H1_REJECT_CHUNK_SIZE },
		{ "2^63", "8000000000000000\r\na", H1_REJECT_CHUNK_SIZE },
		{ "2^63 with an extension", "8000000000000000;x\r\na", H1_REJECT_CHUNK_SIZE },
		{ "a bare LF behind the size", "1\na\r\n", H1_REJECT_CHUNK_SIZE },
		{ "a bare CR behind the size", "1\ra\r\n", H1_REJECT_CHUNK_SIZE },
		{ "only an extension", ";x\r\n", H1_REJECT_CHUNK_SIZE },
		{ "a bare LF in an extension", "1;x\na\r\n", H1_REJECT_CHUNK_EXTENSION },
		{ "a bare CR in an extension", "1;x\ry\r\na\r\n", H1_REJECT_CHUNK_SIZE },
		{ "a control byte in an extension", "1;\x01\r\na", H1_REJECT_CHUNK_EXTENSION },
		{ "data longer than the size", "1\r\nab\r\n", H1_REJECT_CHUNK_END },
		{ "data shorter than the size", "3\r\na\r\n0\r\n\r\n", H1_REJECT_CHUNK_END },
		{ "a bare LF behind the data", "1\r\na\n0\r\n", H1_REJECT_CHUNK_END },
		{ "a bare CR behind the data", "1\r\na\r0\r\n", H1_REJECT_CHUNK_END },
		{ "bytes in place of trailers", "0\r\nGET / HTTP/1.1\r\n\r\n", H1_REJECT_TRAILER },
		{ "a space before a trailer's colon", "0\r\nX : 1\r\n\r\n", H1_REJECT_TRAILER },
		{ "a folded trailer", "0\r\nX: 1\r\n y: 2\r\n\r\n", H1_REJECT_TRAILER },
		{ "a trailer without name", "0\r\n: 1\r\n\r\n", H1_REJECT_TRAILER },
		{ "a bare LF behind a trailer", "0\r\nX: 1\n\r\n", H1_REJECT_TRAILER },
		{ "a bare LF at the end", "0\r\n\n", H1_REJECT_TRAILER },
		{ "a bare CR in a trailer", "0\r\nX: a\rb\r\n\r\n", H1_REJECT_TRAILER },
		{ "a control byte in a trailer", "0\r\nX: \x02\r\n\r\n", H1_REJECT_TRAILER },
	};
	/* clang-format on */

	FOR_ROWS (row, rows) {
		for (size_t step = 1; step <= strlen(row->in); step++) {
			static struct answer a;
			struct h1_body b;

			h1_body_init(&b, BODY_CHUNKED, 0);
			decode(&b, span_of(row->in), step, &a);
			CHECK_INT(a.got, H1_BODY_REJECT);
			CHECK_STR(h1_reject_name(a.why), h1_reject_name(row->why));
		}
	}
}

/* head, n times byte, tail. */
static struct span filled(char *out, const char *head, char byte, size_t n, const char *tail)
{
	size_t len = strlen(head);

	memcpy(out, head, len);
	memset(out + len, byte, n);
	memcpy(out + len + n, tail, strlen(tail));
	return span_make(out, len + n + strlen(tail));
}

TEST(extensions_and_trailers_have_limits_to_the_byte)
{
	static const struct {
		const char *name, *head, *tail;
		size_t n;
		enum h1_reject why;
	} rows[] = {
		{ "an extension", "0;", "\r\n\r\n", H1_CHUNK_EXTENSION_MAX, H1_REJECT_NONE },
		{ "an extension too long", "0;", "\r\n\r\n", H1_CHUNK_EXTENSION_MAX + 1,
		  H1_REJECT_CHUNK_EXTENSION },
		{ "a trailer", "0\r\nX:", "\r\n\r\n", H1_TRAILER_LINE_MAX - 4, H1_REJECT_NONE },
		{ "a trailer too long", "0\r\nX:", "\r\n\r\n", H1_TRAILER_LINE_MAX - 3,
		  H1_REJECT_TRAILER_BYTES },
		{ "a trailer without end", "0\r\nX:", "", H1_TRAILER_LINE_MAX,
		  H1_REJECT_TRAILER_BYTES },
	};

	FOR_ROWS (row, rows) {
		static const size_t steps[] = { 1, 7, 4096 };
		char text[2048];
		struct span in = filled(text, row->head, 'x', row->n, row->tail);

		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			static struct answer a;
			struct h1_body b;

			h1_body_init(&b, BODY_CHUNKED, 0);
			decode(&b, in, steps[i], &a);
			CHECK_INT(a.got, row->why ? H1_BODY_REJECT : H1_BODY_END);
			if (row->why)
				CHECK_INT(a.why, row->why);
		}
	}
}

/* Decodes the same piece again and again until something else than data or hunger comes. */
static enum h1_reject repeat(struct h1_body *b, struct span piece, size_t times)
{
	enum h1_reject why = H1_REJECT_NONE;
	struct span data;

	for (size_t i = 0; i < times; i++) {
		struct span now = piece;

		while (now.len > 0) {
			if (h1_body_next(b, &now, &data, &why) == H1_BODY_REJECT)
				return why;
		}
	}
	return H1_REJECT_NONE;
}

TEST(many_small_extensions_or_trailers_are_no_way_round_a_limit)
{
	struct h1_body b;
	char text[300];
	struct span piece = filled(text, "1;", 'x', 256, "\r\na\r\n");

	h1_body_init(&b, BODY_CHUNKED, 0);
	CHECK_INT(repeat(&b, piece, H1_EXTENSIONS_MAX / 256), H1_REJECT_NONE);
	CHECK_INT(repeat(&b, piece, 1), H1_REJECT_CHUNK_EXTENSION);
	h1_body_init(&b, BODY_CHUNKED, 0);
	CHECK_INT(repeat(&b, SPAN("0\r\n"), 1), H1_REJECT_NONE);
	CHECK_INT(repeat(&b, SPAN("X: 456\r\n"), H1_TRAILERS_MAX / 8), H1_REJECT_NONE);
	CHECK_INT(repeat(&b, SPAN("Host: \r\n"), 1), H1_REJECT_TRAILER_BYTES);
}

TEST(counted_bodies_end_after_their_bytes)
{
	static struct answer a;
	struct h1_body b;

	h1_body_init(&b, BODY_LENGTH, 5);
	decode(&b, SPAN("hello world"), 2, &a);
	CHECK_INT(a.got, H1_BODY_END);
	CHECK_STR(a.payload, "hello");
	h1_body_init(&b, BODY_LENGTH, 5);
	decode(&b, SPAN("hel"), 3, &a);
	CHECK_INT(a.got, H1_BODY_MORE);
	CHECK(!h1_body_may_close(&b));
	CHECK_INT(h1_body_left(&b), 2);
	h1_body_skip(&b, 2);
	CHECK_INT(b.payload, 5);
	CHECK(h1_body_may_close(&b));
	decode(&b, SPAN("x"), 1, &a);
	CHECK_INT(a.got, H1_BODY_END);
	CHECK_STR(a.payload, "");
}

TEST(no_body_ends_at_once_and_an_open_one_with_the_connection)
{
	static struct answer a;
	struct h1_body b;

	h1_body_init(&b, BODY_NONE, 7);
	decode(&b, SPAN(""), 1, &a);
	CHECK_INT(a.got, H1_BODY_END);
	h1_body_init(&b, BODY_LENGTH, 0);
	decode(&b, SPAN(""), 1, &a);
	CHECK_INT(a.got, H1_BODY_END);
	h1_body_init(&b, BODY_UNTIL_CLOSE, 0);
	decode(&b, SPAN("0\r\n\r\n"), 1, &a);
	CHECK_INT(a.got, H1_BODY_MORE);
	CHECK_STR(a.payload, "0\r\n\r\n");
	CHECK(h1_body_may_close(&b));
}
