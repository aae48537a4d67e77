#include <errno.h>

#include "tests/harness/test.h"
#include "userspace/base/err.h"

TEST(every_kind_of_error_returns_false_and_says_a_sentence)
{
	struct err err;

	CHECK(!err_set(&err, "cannot open %s", "eth7"));
	CHECK_STR(err.text, "cannot open eth7");
	errno = ENOENT;
	CHECK(!err_sys(&err, "cannot open %s", "a.pem"));
	CHECK_STR(err.text, "cannot open a.pem: No such file or directory");
}

TEST(a_place_stands_in_front)
{
	static const struct {
		const char *name;
		struct place at;
		const char *want;
	} rows[] = {
		{ "a place", { "shunt.yaml", 12, 9 }, "shunt.yaml:12:9: expected a time" },
		{ "no file", { NULL, 1, 1 }, "?:1:1: expected a time" },
	};

	FOR_ROWS (row, rows) {
		struct err err;

		CHECK(!err_at(&err, row->at, "expected a %s", "time"));
		CHECK_STR(err.text, row->want);
	}
}

TEST(nobody_needs_to_listen)
{
	CHECK(!err_set(NULL, "%d", 1));
	CHECK(!err_sys(NULL, "%d", 1));
	CHECK(!err_at(NULL, (struct place){ "f", 1, 1 }, "%d", 1));
}

TEST(a_sentence_that_is_too_long_is_cut_and_ended)
{
	static char much[2 * ERR_TEXT_MAX];
	struct {
		struct err err;
		char behind[8];
	} got = { .behind = "behind" };

	memset(much, 'x', sizeof(much) - 1);
	CHECK(!err_set(&got.err, "%s", much));
	CHECK_INT(strlen(got.err.text), ERR_TEXT_MAX - 1);
	errno = ENOENT;
	CHECK(!err_sys(&got.err, "%s", much));
	CHECK_INT(strlen(got.err.text), ERR_TEXT_MAX - 1);
	CHECK(!err_at(&got.err, (struct place){ "f", 1, 1 }, "%s", much));
	CHECK_INT(strlen(got.err.text), ERR_TEXT_MAX - 1);
	CHECK_STR(got.behind, "behind");
}

/* A place alone may fill the text to any point near its end. */
TEST(a_file_with_a_long_name_leaves_no_room_for_more_than_there_is)
{
	for (size_t len = ERR_TEXT_MAX - 16; len < ERR_TEXT_MAX + 8; len++) {
		char file[ERR_TEXT_MAX + 8] = { 0 };
		struct {
			struct err err;
			char behind[16];
		} got = { .behind = "behind" };

		memset(file, 'x', len);
		CHECK(!err_at(&got.err, (struct place){ file, 1, 1 }, "expected more"));
		CHECK(strlen(got.err.text) < ERR_TEXT_MAX);
		CHECK_STR(got.behind, "behind");
	}
}
