#include "tests/harness/test.h"
#include "userspace/base/span.h"

TEST(spans_are_compared_by_their_bytes)
{
	static const struct {
		const char *name;
		struct span a, b;
		bool same, same_nocase;
	} rows[] = {
		{ "equal", SPAN("host"), SPAN("host"), true, true },
		{ "another case", SPAN("Host"), SPAN("hOST"), false, true },
		{ "another letter", SPAN("host"), SPAN("hose"), false, false },
		{ "only the start", SPAN("host"), SPAN("hos"), false, false },
		{ "both empty", SPAN(""), SPAN(""), true, true },
		{ "empty and none", SPAN(""), { NULL, 0 }, true, true },
		{ "empty and not", SPAN(""), SPAN("a"), false, false },
		{ "a NUL inside", SPAN("a\0b"), SPAN("a\0c"), false, false },
		{ "the same NUL inside", SPAN("a\0b"), SPAN("a\0b"), true, true },
		{ "behind Z, 32 apart", SPAN("["), SPAN("{"), false, false },
		{ "before A, 32 apart", SPAN("@"), SPAN("`"), false, false },
		{ "the first letter", SPAN("A"), SPAN("a"), false, true },
		{ "the last letter", SPAN("Z"), SPAN("z"), false, true },
		{ "beyond ASCII", SPAN("\xc4"), SPAN("\xe4"), false, false },
	};

	FOR_ROWS (row, rows) {
		CHECK_INT(span_is(row->a, row->b), row->same);
		CHECK_INT(span_is(row->b, row->a), row->same);
		CHECK_INT(span_is_nocase(row->a, row->b), row->same_nocase);
		CHECK_INT(span_is_nocase(row->b, row->a), row->same_nocase);
	}
}

TEST(a_prefix_is_found_at_the_front_only)
{
	static const struct {
		const char *name;
		struct span s, prefix;
		bool want;
	} rows[] = {
		{ "at the front", SPAN("/v2/x"), SPAN("/v2"), true },
		{ "all of it", SPAN("/v2"), SPAN("/v2"), true },
		{ "nothing", SPAN("/v2"), SPAN(""), true },
		{ "nothing of nothing", { NULL, 0 }, { NULL, 0 }, true },
		{ "longer than the text", SPAN("/v"), SPAN("/v2"), false },
		{ "further on", SPAN("x/v2"), SPAN("/v2"), false },
		{ "another case", SPAN("/V2"), SPAN("/v2"), false },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(span_has_prefix(row->s, row->prefix), row->want);
}

TEST(a_span_of_no_text_is_empty)
{
	CHECK_INT(span_of(NULL).len, 0);
	CHECK(!span_of(NULL).at);
	CHECK_INT(span_of("").len, 0);
	CHECK(span_of("").at != NULL); /* present, but empty */
}

TEST(what_stands_behind_n_bytes_may_be_nothing)
{
	CHECK_SPAN(span_after(SPAN("abc"), 0), SPAN("abc"));
	CHECK_SPAN(span_after(SPAN("abc"), 2), SPAN("c"));
	CHECK_INT(span_after(SPAN("abc"), 3).len, 0);
}
