/* Values of requests against what routes want of them, also where an expression gives up. */
#include "tests/harness/test.h"
#include "userspace/base/arena.h"
#include "userspace/route/regex.h"
#include "userspace/route/value_match.h"

#define HARD "(a+)+b" /* takes twice as long for each a, where no b follows */
#define MANY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

TEST(a_value_is_what_is_wanted_or_with_not_all_else)
{
	static const struct {
		const char *name;
		enum value_kind kind;
		const char *want, *value; /* value NULL: there is none */
		bool holds, negated;      /* what comes of it, and with "not" */
	} rows[] = {
		{ "the same", VALUE_EXACT, "a", "a", true, false },
		{ "another", VALUE_EXACT, "a", "ab", false, true },
		{ "another case", VALUE_EXACT, "a", "A", false, true },
		{ "empty, wanted so", VALUE_EXACT, "", "", true, false },
		{ "none, where empty is wanted", VALUE_EXACT, "", NULL, false, true },
		{ "it begins so", VALUE_PREFIX, "ab", "abc", true, false },
		{ "it is only that", VALUE_PREFIX, "ab", "ab", true, false },
		{ "it ends before", VALUE_PREFIX, "ab", "a", false, true },
		{ "none begins with anything", VALUE_PREFIX, "a", NULL, false, true },
		{ "it is there", VALUE_PRESENT, "", "", true, false },
		{ "it is not", VALUE_PRESENT, "", NULL, false, true },
		{ "all of it matches", VALUE_REGEX, "a+", "aaa", true, false },
		{ "a part matches", VALUE_REGEX, "a+", "aab", false, true },
		{ "none matches nothing", VALUE_REGEX, ".*", NULL, false, true },
		{ "it gives up: neither", VALUE_REGEX, HARD, MANY "b" MANY "c", false, false },
	};
	struct arena *arena = arena_create();

	FOR_ROWS (row, rows) {
		struct value_match want = { .name = "n", .value = row->want, .kind = row->kind };

		if (row->kind == VALUE_REGEX)
			want.regex = regex_create(arena, row->want, NULL);
		CHECK_INT(value_match(&want, span_of(row->value)), row->holds);
		want.negated = true;
		CHECK_INT(value_match(&want, span_of(row->value)), row->negated);
	}
	arena_destroy(arena);
}

TEST(the_first_cookie_of_a_name_is_meant)
{
	static const struct {
		const char *name, *cookies, *want; /* want NULL: none */
	} rows[] = {
		{ "alone", "a=1", "1" },
		{ "the second", "b=2; a=1", "1" },
		{ "without spaces", "b=2;a=1;c=3", "1" },
		{ "twice", "a=1; a=2", "1" },
		{ "empty", "a=", "" },
		{ "with another sign in it", "a=x=y", "x=y" },
		{ "longer names are others", "aa=2; ba=3", NULL },
		{ "names have their case", "A=1", NULL },
		{ "no value", "a; b=1", NULL },
		{ "nothing", "", NULL },
	};

	FOR_ROWS (row, rows) {
		struct span got = cookie_value(span_of(row->cookies), SPAN("a"));

		CHECK_INT(got.at != NULL, row->want != NULL);
		if (row->want)
			CHECK_SPAN(got, span_of(row->want));
	}
}

TEST(parameters_are_decoded_and_bounded)
{
	static const struct {
		const char *name, *query, *want;
	} rows[] = {
		{ "plain", "a b=2&x=1", "1" },
		{ "coded name and value", "%78=%41+%62", "A b" },
		{ "the first", "x=1&x=2", "1" },
		{ "without a sign", "x&y=1", "" },
		{ "broken codes stay", "x=%4&y=1", "%4" },
		{ "a sign in the value", "x=1=2", "1=2" },
		{ "another", "xx=1", NULL },
	};
	static char bytes[QUERY_VALUE_MAX], query[2 * QUERY_VALUE_MAX] = "x=";

	FOR_ROWS (row, rows) {
		struct span got = query_value(span_of(row->query), SPAN("x"), bytes);

		CHECK_INT(got.at != NULL, row->want != NULL);
		if (row->want)
			CHECK_SPAN(got, span_of(row->want));
	}
	memset(query + 2, 'v', sizeof(query) - 3);
	CHECK_INT(query_value(span_of(query), SPAN("x"), bytes).len, QUERY_VALUE_MAX);
}
