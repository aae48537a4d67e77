#include <jansson.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/digits.h"
#include "userspace/base/json_line.h"

static json_t *read_line(const char *at, uint32_t len)
{
	json_t *got;

	CHECK(len > 0 && at[len - 1] == '\n');
	CHECK(memchr(at, '\n', len) == at + len - 1);
	for (uint32_t i = 0; i + 1 < len; i++)
		CHECK(at[i] >= ' ' && at[i] <= '~');
	got = json_loadb(at, len, 0, NULL);
	if (!got)
		test_fail(__FILE__, __LINE__, "no JSON: %.*s", (int)len, at);
	return got;
}

TEST(numbers_are_as_printf_writes_them)
{
	static const uint64_t rows[] = { 0,    1,          9,          10,         99,
					 100,  4294967295, 4294967296, UINT64_MAX, UINT64_MAX / 10,
					 1000, 999 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[32], got[32];

		snprintf(want, sizeof(want), "%llu", (unsigned long long)rows[i]);
		*digits_put(got, rows[i]) = '\0';
		CHECK_STR(got, want);
	}
}

TEST(digits_of_a_width_have_zeros_in_front)
{
	char got[8];

	*digits_put_fixed(got, 42, 6) = '\0';
	CHECK_STR(got, "000042");
	*digits_put_fixed(got, 0, 2) = '\0';
	CHECK_STR(got, "00");
}

TEST(every_byte_of_a_text_can_be_told_from_the_line)
{
	char bytes[256], out[4096];
	struct json_line line;
	const unsigned char *got;
	json_t *json;

	for (int i = 0; i < 256; i++)
		bytes[i] = (char)(255 - i); /* the NUL is last: jansson's string ends there */
	json_line_begin(&line, out, sizeof(out));
	json_line_text(&line, SPAN("x"), span_make(bytes, 255), 4000);
	json = read_line(out, json_line_end(&line));
	got = (const unsigned char *)json_string_value(json_object_get(json, "x"));
	for (int i = 0; i < 255; i++) { /* code points below 256 are one or two bytes of UTF-8 */
		unsigned want = 255 - (unsigned)i;

		CHECK_INT(*got < 0x80 ? got[0] : (got[0] & 3) << 6 | (got[1] & 0x3f), want);
		got += *got < 0x80 ? 1 : 2;
	}
	CHECK_INT(*got, 0);
	CHECK(!json_object_get(json, "cut"));
	json_decref(json);
}

/* Every size of line, filled with too much of everything. */
TEST(a_line_that_is_too_short_for_all_is_json_and_says_so)
{
	static const struct {
		const char *name;
		char byte;
	} rows[] = {
		{ "plain bytes", 'a' },
		{ "bytes that become two", '"' },
		{ "bytes that become six", '\1' },
		{ "no UTF-8", (char)0xff },
	};

	FOR_ROWS (row, rows) {
		for (uint32_t size = JSON_LINE_MIN; size < 400; size++) {
			char *out = malloc(size); /* so that a byte too many is found out */
			char worst[300];
			struct addr none = { 0 };
			struct json_line line;
			json_t *json;
			uint32_t len;

			memset(worst, row->byte, sizeof(worst));
			json_line_begin(&line, out, size);
			json_line_number(&line, SPAN("n"), 1ull << 60);
			json_line_text(&line, SPAN("first"), span_make(worst, sizeof(worst)), 100);
			if (json_line_open(&line, SPAN("in"))) {
				json_line_text(&line, SPAN("x"), span_make(worst, 40), 60);
				json_line_close(&line);
			}
			json_line_addr(&line, SPAN("addr"), &none);
			json_line_true(&line, SPAN("yes"));
			json_line_text(&line, SPAN("rest"), span_make(worst, sizeof(worst)), 5000);
			len = json_line_end(&line);
			CHECK(len <= size);
			json = read_line(out, len);
			CHECK(json_is_true(json_object_get(json, "cut")));
			json_decref(json);
			free(out);
		}
	}
}

TEST(fields_are_apart_and_objects_hold_theirs)
{
	char out[256];
	struct json_line line;

	json_line_begin(&line, out, sizeof(out));
	json_line_number(&line, SPAN("a"), 7);
	CHECK(json_line_open(&line, SPAN("b")));
	json_line_word(&line, SPAN("c"), SPAN("d"));
	json_line_true(&line, SPAN("e"));
	json_line_close(&line);
	json_line_text(&line, SPAN("f"), SPAN(""), 10);
	CHECK_SPAN(span_make(out, json_line_end(&line)),
		   SPAN("{\"a\":7,\"b\":{\"c\":\"d\",\"e\":true},\"f\":\"\"}\n"));
	json_line_begin(&line, out, sizeof(out));
	CHECK_SPAN(span_make(out, json_line_end(&line)), SPAN("{}\n"));
}

TEST(a_text_is_cut_at_its_own_limit_and_never_within_an_escape)
{
	char out[256];
	struct json_line line;

	json_line_begin(&line, out, sizeof(out));
	json_line_text(&line, SPAN("a"), SPAN("ab\1cd"), 7);
	json_line_text(&line, SPAN("b"), SPAN("abc"), 3);
	CHECK_SPAN(span_make(out, json_line_end(&line)),
		   SPAN("{\"a\":\"ab\",\"b\":\"abc\",\"cut\":true}\n"));
}
