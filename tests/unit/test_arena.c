#include <stddef.h>
#include <stdint.h>

#include "tests/harness/test.h"
#include "userspace/base/arena.h"

/* Pieces must not overlap: each is filled with its own byte, and all are looked at in the end. */
TEST(pieces_of_any_size_are_zero_aligned_and_apart)
{
	static const size_t sizes[] = { 1,     0,     15,    16,    17, 4096, 8192, 16383,
					16384, 16385, 40000, 16383, 1,  3,    5000, 12000 };
	enum { PIECES = sizeof(sizes) / sizeof(sizes[0]) };
	struct arena *arena = arena_create();
	uint8_t *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = arena_take(arena, sizes[i]);
		CHECK_INT((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < sizes[i]; k++)
			CHECK_INT(pieces[i][k], 0);
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			CHECK_INT(pieces[i][k], i + 1);
	arena_destroy(arena);
}

TEST(a_text_is_copied_and_ended)
{
	static const struct {
		const char *name;
		struct span text;
		const char *want;
	} rows[] = {
		{ "a part of a longer one", { "upstream", 2 }, "up" },
		{ "empty", SPAN(""), "" },
		{ "none", { NULL, 0 }, "" },
	};
	struct arena *arena = arena_create();

	FOR_ROWS (row, rows) {
		char *copy = arena_text(arena, row->text);

		CHECK(copy != row->text.at);
		CHECK_STR(copy, row->want);
	}
	arena_destroy(arena);
	arena_destroy(NULL);
}

static char ended[8];

static void note_end(void *object)
{
	strncat(ended, object, 1);
}

TEST(what_is_told_the_end_is_told_it_once_and_the_last_one_first)
{
	struct arena *arena = arena_create();

	arena_at_end(arena, note_end, arena_text(arena, SPAN("a")));
	arena_at_end(arena, note_end, arena_text(arena, SPAN("b")));
	CHECK_STR(ended, "");
	arena_destroy(arena);
	CHECK_STR(ended, "ba");
}
