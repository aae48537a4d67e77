/* Results of probes, and what follows: with times that the tests make up. */
#include "tests/harness/test.h"
#include "userspace/upstream/health_state.h"

static const struct health rules = {
	.kind = HEALTH_TCP, .rise = 2, .fall = 3, .interval_ms = 2000, .mtu = true
};

static struct health_result result(enum health_layer layer)
{
	return (struct health_result){ .layer = layer, .detail = "x" };
}

TEST(an_endpoint_falls_and_rises_after_as_many_results_in_a_row)
{
	static const struct {
		const char *name, *results; /* '-': failed, '+': good */
		bool down;
		uint64_t since; /* number of the result, from 1 */
	} rows[] = {
		{ "the first decides: good", "+", false, 1 },
		{ "the first decides: bad", "-", true, 1 },
		{ "two failures are not enough", "+--", false, 1 },
		{ "three are", "+---", true, 4 },
		{ "not in a row", "+--+--", false, 1 },
		{ "in a row at last", "+--+---", true, 7 },
		{ "more change nothing", "+------", true, 4 },
		{ "one good is not enough", "+---+", true, 4 },
		{ "not two in a row", "+---+-+-", true, 4 },
		{ "two are", "+---++", false, 6 },
		{ "again", "+---++---", true, 9 },
		{ "down at first, up after two", "-++", false, 3 },
	};

	FOR_ROWS (row, rows) {
		struct health_state h = { 0 };
		uint64_t now = 0;

		for (const char *at = row->results; *at; at++) {
			struct health_result got = result(*at == '+' ? HEALTH_OK : HEALTH_PORT);
			bool was = h.down;

			CHECK_INT(health_state_take(&h, &rules, &got, ++now * 1000), h.down != was);
		}
		CHECK_INT(h.down, row->down);
		CHECK_INT(h.since_ms, row->since * 1000);
		CHECK_INT(h.probes, strlen(row->results));
	}
}

TEST(the_full_size_is_asked_for_now_and_then_and_while_it_fails)
{
	struct health_state h = { 0 };
	struct health no_mtu = rules;
	int asked = 0;

	no_mtu.mtu = false;
	for (int i = 0; i < 100; i++) {
		struct health_result ok = result(HEALTH_OK);

		asked += health_state_wants_full(&h, &rules);
		CHECK(!health_state_wants_full(&h, &no_mtu));
		health_state_take(&h, &rules, &ok, 1);
	}
	CHECK_INT(asked, 10);
	for (int i = 0; i < 20; i++) {
		struct health_result narrow = result(HEALTH_MTU);

		health_state_take(&h, &rules, &narrow, 1);
		CHECK(health_state_wants_full(&h, &rules));
	}
}

TEST(probes_spread_out_and_are_never_later_than_the_interval)
{
	static const uint32_t randoms[] = { 0, 1, 1 << 20, 1u << 31, UINT32_MAX };
	static const struct health_state steady = { 0 };
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
		uint32_t pause = health_state_pause_ms(&steady, &rules, randoms[i]);
		uint32_t first = health_state_first_ms(&rules, randoms[i]);

		CHECK(pause <= 2000 && pause >= 1800);
		CHECK(first < 1000);
		least = pause < least ? pause : least;
	}
	CHECK(least < 1810);
}

TEST(while_it_changes_it_is_asked_more_often)
{
	struct health hasty = rules;
	struct health_state h = { 0 };
	struct health_result ok = result(HEALTH_OK), bad = result(HEALTH_PORT);

	hasty.fast_interval_ms = 100;
	health_state_take(&h, &hasty, &ok, 1);
	CHECK_INT(health_state_pause_ms(&h, &hasty, 0), 2000);
	health_state_take(&h, &hasty, &bad, 2);
	CHECK_INT(health_state_pause_ms(&h, &hasty, 0), 100);
	health_state_take(&h, &hasty, &bad, 3);
	health_state_take(&h, &hasty, &bad, 4);
	CHECK(h.down);
	CHECK_INT(health_state_pause_ms(&h, &hasty, 0), 2000);
	health_state_take(&h, &hasty, &ok, 5);
	CHECK_INT(health_state_pause_ms(&h, &hasty, 0), 100);
}

TEST(who_comes_and_goes_must_be_well_for_longer)
{
	static const struct {
		const char *name;
		uint32_t up_ms, turns, rise;
	} rows[] = {
		{ "once is no habit", 1000, 1, 2 },
		{ "twice", 1000, 2, 4 },
		{ "three times", 1000, 3, 8 },
		{ "at most 64 times as long", 1000, 30, 128 },
		{ "well for long in between", 60000, 9, 2 },
	};
	struct health damped = rules;

	damped.damping_ms = 60000;
	FOR_ROWS (row, rows) {
		struct health_result ok = result(HEALTH_OK), bad = result(HEALTH_PORT);
		struct health_state h = { 0 };
		uint64_t now = 1000;

		health_state_take(&h, &damped, &ok, now);
		for (uint32_t turn = 0; turn < row->turns; turn++) {
			if (turn)
				while (!health_state_take(&h, &damped, &ok, now))
					;
			now += row->up_ms;
			while (!health_state_take(&h, &damped, &bad, now))
				;
		}
		CHECK_INT(health_state_rise(&h, &damped), row->rise);
		for (uint32_t i = 1; i < row->rise; i++)
			CHECK(!health_state_take(&h, &damped, &ok, now));
		CHECK(health_state_take(&h, &damped, &ok, now));
	}
}

TEST(the_layer_that_failed_is_found_step_by_step)
{
	static const struct {
		const char *name;
		bool tunnel, full;
		enum health_outcome outcomes[4];
		uint32_t steps; /* until it is done */
		enum health_layer layer;
	} rows[] = {
		{ "answered", true, false, { HEALTH_ANSWERED }, 1, HEALTH_OK },
		{ "answered, in full size too",
		  true,
		  true,
		  { HEALTH_ANSWERED, HEALTH_ANSWERED },
		  2,
		  HEALTH_OK },
		{ "a small packet comes, a large one does not",
		  true,
		  true,
		  { HEALTH_ANSWERED, HEALTH_SILENT, HEALTH_ANSWERED },
		  3,
		  HEALTH_MTU },
		{ "echo requests are not answered at all",
		  true,
		  true,
		  { HEALTH_ANSWERED, HEALTH_SILENT, HEALTH_SILENT },
		  3,
		  HEALTH_OK },
		{ "refused", true, true, { HEALTH_REFUSED }, 1, HEALTH_PORT },
		{ "another answer", true, true, { HEALTH_WRONG }, 1, HEALTH_ANSWER },
		{ "silent, but there",
		  true,
		  true,
		  { HEALTH_SILENT, HEALTH_ANSWERED },
		  2,
		  HEALTH_PORT },
		{ "only its host is there",
		  true,
		  true,
		  { HEALTH_SILENT, HEALTH_SILENT, HEALTH_ANSWERED },
		  3,
		  HEALTH_TUNNEL },
		{ "nobody is there",
		  true,
		  true,
		  { HEALTH_SILENT, HEALTH_SILENT, HEALTH_SILENT },
		  3,
		  HEALTH_HOST },
		{ "plain: answered", false, true, { HEALTH_ANSWERED }, 1, HEALTH_OK },
		{ "plain: silent, but there",
		  false,
		  true,
		  { HEALTH_SILENT, HEALTH_ANSWERED },
		  2,
		  HEALTH_PORT },
		{ "plain: nobody is there",
		  false,
		  true,
		  { HEALTH_SILENT, HEALTH_SILENT },
		  2,
		  HEALTH_HOST },
	};

	FOR_ROWS (row, rows) {
		enum health_step step = HEALTH_STEP_MAIN;
		enum health_layer layer = HEALTH_LAYERS;
		uint32_t steps = 0;

		while (step != HEALTH_STEP_DONE && steps < 4)
			step = health_step_after(step, row->outcomes[steps++], row->tunnel,
						 row->full, &layer);
		CHECK_INT(steps, row->steps);
		CHECK_INT(layer, row->layer);
	}
}
