/* Regular expressions: whole subjects, limits, and the bytes that are looked for before. */
#include "tests/harness/test.h"
#include "userspace/base/arena.h"
#include "userspace/route/regex.h"
#include "userspace/route/regex_literal.h"

TEST(all_of_a_subject_must_match)
{
	static const struct {
		const char *name, *text, *subject;
		enum regex_result want;
	} rows[] = {
		{ "all", "/v[0-9]+", "/v12", REGEX_YES },
		{ "only its beginning", "/v[0-9]+", "/v12/x", REGEX_NO },
		{ "only its end", "v[0-9]+", "/v12", REGEX_NO },
		{ "anchors are no matter", "^/a$", "/a", REGEX_YES },
		{ "alternatives are anchored too", "/a|/b", "/bx", REGEX_NO },
		{ "the second alternative", "/a|/b", "/b", REGEX_YES },
		{ "case matters", "/a", "/A", REGEX_NO },
		{ "unless it does not", "(?i)/a", "/A", REGEX_YES },
		{ "nothing", "", "", REGEX_YES },
		{ "steps without end", "(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
		  REGEX_GAVE_UP },
	};

	FOR_ROWS (row, rows) {
		struct arena *arena = arena_create();
		struct err err = { "" };
		const struct regex *regex = regex_create(arena, row->text, &err);

		CHECK_STR(err.text, "");
		/* "b" is looked for first: the subject must have one. */
		if (row->want == REGEX_GAVE_UP)
			CHECK_INT(regex_match(regex, SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"
							  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac")),
				  REGEX_GAVE_UP);
		else
			CHECK_INT(regex_match(regex, span_of(row->subject)), row->want);
		arena_destroy(arena);
	}
}

TEST(what_is_no_expression_is_said_with_its_place)
{
	struct arena *arena = arena_create();
	struct err err = { "" };

	CHECK(!regex_create(arena, "/a(b", &err));
	CHECK_STR(err.text, "\"/a(b\" is no regular expression: missing closing parenthesis, at "
			    "byte 4");
	arena_destroy(arena);
}

TEST(bytes_that_every_subject_has_are_known)
{
	static const struct {
		const char *name, *text, *want;
		bool at_start;
	} rows[] = {
		{ "at the start", "/users/[0-9]+", "/users/", true },
		{ "behind an anchor", "^/users/[0-9]+", "/users/", true },
		{ "the start before longer ones", "/u.*longer", "/u", true },
		{ "the longest elsewhere", ".*ab[0-9]cdef", "cdef", false },
		{ "a last byte that may be missing", "/ab?", "/a", true },
		{ "a last byte that comes again", "/ab{2}", "/a", true },
		{ "alternatives", "/a|/b", "", false },
		{ "alternatives in a group", "/a(b|c)d", "/a", true },
		{ "a bar in a class", "/a[|]b", "/a", true },
		{ "a bracket in a class", "/a[]|]b|c", "", false },
		{ "another case", "/a(?i)b", "", false },
		{ "quoting", "/a\\Q|\\E", "", false },
		{ "a byte by its number", "/a\\x41|b", "", false },
		{ "a class of classes", "/a[[:alpha:]|]|b", "", false },
		{ "braces that are no count", "/a{b|c}", "", false },
		{ "a group with a name", "/a(?<x>b)", "/a", true },
		{ "nothing", "", "", false },
	};

	FOR_ROWS (row, rows) {
		struct regex_literal got = regex_literal_of(span_of(row->text));
		char text[32] = "";

		memcpy(text, got.at ? got.at : "", got.len);
		CHECK_STR(text, row->want);
		CHECK_INT(got.at_start, row->at_start);
	}
}

TEST(groups_are_found_by_number_and_name)
{
	struct arena *arena = arena_create();
	struct span groups[REGEX_CAPTURES_MAX];
	const struct regex *regex = regex_create(arena, "/(?<who>[a-z]+)/([0-9]+)?(/.*)?", NULL);

	CHECK_INT(regex_capture(regex, SPAN("/bob/7"), groups), REGEX_YES);
	CHECK(span_is(groups[0], SPAN("/bob/7")));
	CHECK(span_is(groups[regex_group(regex, SPAN("who"))], SPAN("bob")));
	CHECK(span_is(groups[2], SPAN("7")));
	CHECK(!groups[3].at && !groups[9].at);
	CHECK_INT(regex_group(regex, SPAN("3")), 3);
	CHECK_INT(regex_group(regex, SPAN("4")), UINT32_MAX);
	CHECK_INT(regex_group(regex, SPAN("what")), UINT32_MAX);
	arena_destroy(arena);
}
