#include <string.h>

#include "tests/harness/test.h"
#include "userspace/proxy/request_id.h"

/* The key of the authors' reference vectors: the bytes 0 to 15. */
static const uint64_t reference_key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

static struct span make(struct request_ids *ids, char out[REQUEST_ID_DIGITS])
{
	request_ids_make(ids, out);
	return span_make(out, REQUEST_ID_DIGITS);
}

TEST(an_id_is_what_the_authors_of_siphash_say)
{
	struct request_ids ids;
	char id[REQUEST_ID_DIGITS];

	request_ids_init(&ids, reference_key);
	ids.next = 0x0706050403020100; /* as bytes: the vector of length 8 */
	CHECK_SPAN(make(&ids, id), SPAN("3b62a9ba6258f5610f83e264f31497b4"));
}

TEST(no_two_ids_of_a_worker_nor_of_two_workers_are_the_same)
{
	enum { COUNT = 500 };
	static char seen[2 * COUNT][REQUEST_ID_DIGITS];
	const uint64_t other_key[2] = { reference_key[0], reference_key[1] ^ 1 };
	struct request_ids workers[2];

	request_ids_init(&workers[0], reference_key);
	request_ids_init(&workers[1], other_key);
	for (int i = 0; i < 2 * COUNT; i++) {
		make(&workers[i % 2], seen[i]);
		for (int k = 0; k < i; k++)
			CHECK(memcmp(seen[i], seen[k], REQUEST_ID_DIGITS) != 0);
	}
}

TEST(an_id_from_outside_is_taken_where_it_can_do_no_harm)
{
	static const struct {
		const char *name;
		struct span id;
		bool want;
	} rows[] = {
		{ "one of ours", SPAN("3b62a9ba6258f5610f83e264f31497b4"), true },
		{ "a UUID", SPAN("123e4567-e89b-12d3-a456-426614174000"), true },
		{ "of a cloud", SPAN("Root=1-67891233-abcdef012345678912345678"), true },
		{ "one byte", SPAN("!"), true },
		{ "the last that is visible", SPAN("~"), true },
		{ "64 bytes",
		  SPAN("0123456789012345678901234567890123456789012345678901234567890123"), true },
		{ "65 bytes",
		  SPAN("01234567890123456789012345678901234567890123456789012345678901234"),
		  false },
		{ "empty", SPAN(""), false },
		{ "a space", SPAN("a b"), false },
		{ "a tab", SPAN("a\tb"), false },
		{ "a quote", SPAN("a\"b"), false },
		{ "a backslash", SPAN("a\\b"), false },
		{ "DEL", SPAN("a\x7f"), false },
		{ "no ASCII", SPAN("\xc3\xa4"), false },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(request_id_may_be_taken(row->id), row->want);
}
