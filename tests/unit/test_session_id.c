#include "userspace/base/session_id.h"

#include "tests/harness/test.h"

TEST(ids_are_16_digits_in_lower_case_and_0_is_none)
{
	static const struct {
		const char *name, *text;
		uint64_t number; /* 0: none */
	} rows[] = {
		{ "letters", "fedcba9876543210", 0xfedcba9876543210 },
		{ "zeros in front", "0000000000000001", 1 },
		{ "the last", "ffffffffffffffff", UINT64_MAX },
		{ "nothing", "", 0 },
		{ "no session", "0000000000000000", 0 },
		{ "too short", "123456789abcdef", 0 },
		{ "too long", "0123456789abcdef0", 0 },
		{ "upper case", "0123456789ABCDEF", 0 },
		{ "before the digits", "012345678/abcdef", 0 },
		{ "behind the digits", "012345678:abcdef", 0 },
		{ "before the letters", "0123456789`bcdef", 0 },
		{ "behind the letters", "0123456789gbcdef", 0 },
		{ "a space", " 123456789abcdef", 0 },
	};
	char text[SESSION_ID_DIGITS];
	uint64_t number;

	FOR_ROWS (row, rows) {
		number = 7;
		CHECK_INT(session_id_parse(span_of(row->text), &number), row->number != 0);
		CHECK_INT(number, row->number ? row->number : 7);
		if (row->number)
			CHECK_SPAN(session_id_print(row->number, text), span_of(row->text));
	}
	CHECK(!session_id_print(0, text).at);
}

TEST(what_ids_may_begin_with)
{
	static const struct {
		const char *name, *text;
		bool want;
	} rows[] = {
		{ "a digit", "0", true },
		{ "zeros", "0000000000000000", true },
		{ "all of one", "0123456789abcdef", true },
		{ "nothing", "", false },
		{ "too much", "0123456789abcdef0", false },
		{ "another letter", "0g", false },
		{ "upper case", "A", false },
	};
	uint64_t number;

	FOR_ROWS (row, rows)
		CHECK_INT(session_id_may_begin(span_of(row->text), &number), row->want);
}
