/* Pairs of Cookie fields, read and taken out. */
#include <stdio.h>

#include "tests/harness/test.h"
#include "userspace/http/cookie.h"

TEST(pairs_are_found_as_browsers_write_them_and_otherwise)
{
	static const struct {
		const char *name, *field, *want; /* [name|value] */
	} rows[] = {
		{ "one", "a=1", "[a|1]" },
		{ "several", "a=1; b=2;c=3", "[a|1][b|2][c|3]" },
		{ "an equals sign within", "a=b=c", "[a|b=c]" },
		{ "no name", "abc; =x", "[|abc][|x]" },
		{ "no value", "a=; b", "[a|][|b]" },
		{ "blanks", "  a=1 ;\t b=2 ", "[a|1][b|2]" },
		{ "nothing", "", "" },
		{ "semicolons", ";;a=1;", "[|][|][a|1]" },
	};

	FOR_ROWS (row, rows) {
		struct span rest = span_of(row->field), name, value;
		char got[128] = "";
		size_t len = 0;

		while (cookie_take(&rest, &name, &value))
			len += (size_t)snprintf(got + len, sizeof(got) - len, "[%.*s|%.*s]",
						SPAN_ARG(name), SPAN_ARG(value));
		CHECK_STR(got, row->want);
	}
}

TEST(what_is_ours_is_taken_out_and_nothing_else)
{
	static const struct {
		const char *name, *field, *want;
	} rows[] = {
		{ "alone", "S=x", "" },
		{ "first", "S=x; a=1; b=2", "a=1; b=2" },
		{ "between", "a=1; S=x; b=2", "a=1; b=2" },
		{ "last", "a=1; b=2; S=x", "a=1; b=2" },
		{ "twice", "S=x; a=1; S=y", "a=1" },
		{ "others that look alike", "SS=1; aS=2; s=3; S", "SS=1; aS=2; s=3; S" },
		{ "in a value", "a=S=x; b=S", "a=S=x; b=S" },
		{ "without blanks", "a;b;S=;c", "a;b;c" },
		{ "odd ones stay as they were", "a=1;;S=x;  b=2 ;", "a=1;;  b=2 " },
		{ "nothing of ours", "a=1; b=2", "a=1; b=2" },
		{ "nothing", "", "" },
	};

	FOR_ROWS (row, rows) {
		char field[64];
		size_t len;

		snprintf(field, sizeof(field), "%s", row->field);
		len = cookie_strip(field, strlen(field), SPAN("S"));
		field[len] = '\0';
		CHECK_STR(field, row->want);
	}
}
