/* What follows from the head of a message. */
#include "tests/harness/test.h"
#include "userspace/http/message.h"

TEST(methods_are_known_by_their_exact_names)
{
	static const struct {
		const char *name; /* the method, too */
		enum method_id want;
		bool idempotent; /* RFC 9110, 9.2.2 */
	} rows[] = {
		{ "GET", METHOD_GET, true },
		{ "HEAD", METHOD_HEAD, true },
		{ "POST", METHOD_POST, false },
		{ "PUT", METHOD_PUT, true },
		{ "DELETE", METHOD_DELETE, true },
		{ "CONNECT", METHOD_CONNECT, false },
		{ "OPTIONS", METHOD_OPTIONS, true },
		{ "TRACE", METHOD_TRACE, true },
		{ "PATCH", METHOD_PATCH, false },
		{ "get", METHOD_OTHER, false }, /* case matters: RFC 9110, 9.1 */
		{ "GETS", METHOD_OTHER, false },
		{ "GE", METHOD_OTHER, false },
		{ "PROPFIND", METHOD_OTHER, false },
		{ "", METHOD_OTHER, false },
	};

	FOR_ROWS (row, rows) {
		struct message msg = { .method_id = message_method(span_of(row->name)) };

		CHECK_INT(msg.method_id, row->want);
		CHECK_INT(message_is_idempotent(&msg), row->idempotent);
	}
}

static struct message with_fields(void)
{
	struct message msg = { .field_count = 5 };

	msg.fields[0] = (struct field){ SPAN("Accept"), SPAN("a/b") };
	msg.fields[1] = (struct field){ SPAN("ACCEPT"), SPAN("c/d") };
	msg.fields[2] = (struct field){ SPAN("X-Id"), SPAN("1") };
	msg.fields[3] = (struct field){ SPAN("Empty"), SPAN("") };
	msg.fields[4] = (struct field){ SPAN("accept"), SPAN("e/f") };
	msg.fields[5] = (struct field){ SPAN("Behind"), SPAN("the end") };
	return msg;
}

TEST(a_field_is_found_by_its_name_in_any_case)
{
	static const struct {
		const char *name;
		struct span field;
		const char *want; /* NULL: absent */
	} rows[] = {
		{ "as written", SPAN("X-Id"), "1" },
		{ "another case", SPAN("x-iD"), "1" },
		{ "the first of several", SPAN("accept"), "a/b" },
		{ "an empty one is there", SPAN("empty"), "" },
		{ "absent", SPAN("x-i"), NULL },
		{ "absent and longer", SPAN("x-id-"), NULL },
		{ "behind the last", SPAN("behind"), NULL },
	};
	struct message msg = with_fields();

	FOR_ROWS (row, rows) {
		struct span value = message_value(&msg, row->field);

		CHECK_INT(message_find(&msg, row->field) != NULL, row->want != NULL);
		CHECK_INT(value.at != NULL, row->want != NULL);
		if (row->want)
			CHECK_SPAN(value, span_of(row->want));
	}
}

TEST(all_fields_of_a_name_are_found_in_order)
{
	static const char *const want[] = { "a/b", "c/d", "e/f" };
	struct message msg = with_fields();
	const struct field *f = message_find(&msg, SPAN("accept"));
	size_t n = 0;

	for (; f; f = message_find_next(&msg, f)) {
		CHECK(n < 3);
		CHECK_SPAN(f->value, span_of(want[n++]));
	}
	CHECK_INT(n, 3);
}

TEST(content_is_framed_for_what_the_next_peer_understands)
{
	static const struct {
		const char *name;
		enum body_framing framing;
		uint64_t length;
		bool has_body;
		enum body_framing for_0, for_1; /* HTTP/1.0 and 1.1 */
	} rows[] = {
		{ "none", BODY_NONE, 0, false, BODY_NONE, BODY_NONE },
		{ "a length", BODY_LENGTH, 5, true, BODY_LENGTH, BODY_LENGTH },
		{ "a length of 0", BODY_LENGTH, 0, false, BODY_LENGTH, BODY_LENGTH },
		{ "chunks", BODY_CHUNKED, 0, true, BODY_UNTIL_CLOSE, BODY_CHUNKED },
		{ "until close", BODY_UNTIL_CLOSE, 0, true, BODY_UNTIL_CLOSE, BODY_CHUNKED },
	};

	FOR_ROWS (row, rows) {
		struct message msg = { .framing = row->framing, .content_length = row->length };

		CHECK_INT(message_has_body(&msg), row->has_body);
		CHECK_INT(message_framing_for(&msg, 0), row->for_0);
		CHECK_INT(message_framing_for(&msg, 1), row->for_1);
	}
}

TEST(every_status_has_a_phrase_that_fits_in_a_status_line)
{
	static const struct {
		const char *name; /* the phrase of RFC 9110, 15 */
		uint16_t status;
	} rows[] = {
		{ "Switching Protocols", 101 },
		{ "OK", 200 },
		{ "Permanent Redirect", 308 },
		{ "Bad Request", 400 },
		{ "Content Too Large", 413 },
		{ "Service Unavailable", 503 },
		{ "HTTP Version Not Supported", 505 },
		{ "Unknown", 599 },
		{ "Unknown", 0 },
	};

	FOR_ROWS (row, rows)
		CHECK_SPAN(message_status_text(row->status), span_of(row->name));
	for (uint16_t status = 100; status < 600; status++) {
		struct span text = message_status_text(status);

		CHECK(text.len > 0);
		CHECK(span_is_all(text, BYTE_VALUE));
	}
}
