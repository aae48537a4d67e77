/* When a worker stops asking an upstream, and how it finds out that it may again. */
#include "tests/harness/test.h"
#include "userspace/upstream/breaker.h"

enum { SECOND = 1000, NOW = 1000000 };

static const struct breaker_rules rules = { .failed_percent = 50,
					    .window_ms = 10 * SECOND,
					    .least = 10,
					    .time_ms = 5 * SECOND,
					    .trials = 2 };

/* Until it has just opened. */
static struct breaker opened(uint64_t now_ms)
{
	struct breaker b = { 0 };

	for (int i = 0; i < 9; i++)
		CHECK(!breaker_note(&b, &rules, now_ms, false, true));
	CHECK(breaker_note(&b, &rules, now_ms, false, true));
	CHECK_INT(b.state, BREAKER_OPEN);
	return b;
}

/* One trial. Whether that changed it. */
static bool attempt(struct breaker *b, uint64_t now_ms, bool failed)
{
	CHECK_INT(breaker_ask(b, &rules, now_ms), BREAKER_TRIAL);
	return breaker_note(b, &rules, now_ms, true, failed);
}

TEST(it_opens_where_so_great_a_share_of_a_window_failed)
{
	static const struct {
		const char *name;
		uint32_t good, bad;
		uint64_t pause_ms; /* between the good and the bad */
		enum breaker_state state;
	} rows[] = {
		{ "half of ten", 5, 5, 0, BREAKER_OPEN },
		{ "less than half", 6, 5, 0, BREAKER_CLOSED },
		{ "too few to say", 0, 9, 0, BREAKER_CLOSED },
		{ "all of enough", 0, 10, 0, BREAKER_OPEN },
		{ "what was good is of another window", 20, 10, 10 * SECOND, BREAKER_OPEN },
		{ "none", 100, 0, 0, BREAKER_CLOSED },
	};

	FOR_ROWS (row, rows) {
		struct breaker b = { 0 };

		for (uint32_t i = 0; i < row->good; i++)
			CHECK(!breaker_note(&b, &rules, NOW, false, false));
		for (uint32_t i = 0; i < row->bad; i++)
			breaker_note(&b, &rules, NOW + row->pause_ms, false, true);
		CHECK_INT(b.state, row->state);
	}
}

TEST(while_it_is_open_nobody_passes_and_then_one_at_a_time)
{
	struct breaker b = opened(NOW);

	CHECK_INT(breaker_ask(&b, &rules, NOW), BREAKER_REFUSED);
	CHECK_INT(breaker_left_ms(&b, NOW + SECOND), 4 * SECOND);
	CHECK_INT(breaker_ask(&b, &rules, NOW + 5 * SECOND - 1), BREAKER_REFUSED);
	/* What was under way says nothing, good or bad. */
	CHECK(!breaker_note(&b, &rules, NOW + SECOND, false, true));
	CHECK(!breaker_note(&b, &rules, NOW + SECOND, false, false));
	CHECK_INT(breaker_ask(&b, &rules, NOW + 5 * SECOND), BREAKER_TRIAL);
	CHECK_INT(breaker_ask(&b, &rules, NOW + 5 * SECOND), BREAKER_REFUSED);
	breaker_drop(&b); /* its client has gone: another one tries */
	CHECK(!attempt(&b, NOW + 5 * SECOND, false));
	CHECK(attempt(&b, NOW + 5 * SECOND, false));
	CHECK_INT(b.state, BREAKER_CLOSED);
	CHECK_INT(breaker_ask(&b, &rules, NOW + 5 * SECOND), BREAKER_PASS);
}

TEST(each_trial_that_fails_doubles_the_time_up_to_a_limit)
{
	struct breaker b = opened(NOW);
	uint64_t now_ms = NOW, time_ms = rules.time_ms;

	for (int i = 0; i < 10; i++) {
		now_ms += time_ms;
		CHECK(!attempt(&b, now_ms, false));
		CHECK(attempt(&b, now_ms, true));
		time_ms = i < 6 ? time_ms * 2 : time_ms;
		CHECK_INT(breaker_left_ms(&b, now_ms), time_ms);
	}
	CHECK_INT(time_ms, (uint64_t)rules.time_ms * 64);
}

TEST(a_window_that_went_well_forgets_what_was_before)
{
	struct breaker b = opened(NOW);
	uint64_t now_ms = NOW + 5 * SECOND;

	CHECK(attempt(&b, now_ms, true));
	now_ms += 10 * SECOND;
	CHECK(!attempt(&b, now_ms, false));
	CHECK(attempt(&b, now_ms, false));
	for (int i = 0; i < 20; i++)
		breaker_note(&b, &rules, now_ms, false, false);
	for (int i = 0; i < 10; i++)
		breaker_note(&b, &rules, now_ms + 10 * SECOND, false, true);
	CHECK_INT(breaker_left_ms(&b, now_ms + 10 * SECOND), rules.time_ms);
}

TEST(without_a_share_it_never_opens)
{
	const struct breaker_rules none = { .active = 1, .least = 1, .window_ms = SECOND };
	struct breaker b = { 0 };

	for (int i = 0; i < 1000; i++)
		CHECK(!breaker_note(&b, &none, NOW, false, true));
	CHECK_INT(breaker_ask(&b, &none, NOW), BREAKER_PASS);
}

TEST(what_breaks_off_later_was_one_result_and_a_bad_one)
{
	struct breaker b = { 0 };

	for (int i = 0; i < 9; i++) {
		breaker_note(&b, &rules, NOW, false, false);
		CHECK(!breaker_spoil(&b, &rules, NOW));
	}
	CHECK_INT(b.tried, 9);
	CHECK_INT(b.failed, 9);
	breaker_note(&b, &rules, NOW, false, false);
	CHECK(breaker_spoil(&b, &rules, NOW));
	CHECK_INT(b.state, BREAKER_OPEN);
}
