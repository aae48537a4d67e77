/* Who waits is told once, with the others of his tick, and never late. */
#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/upstream/health_wheel.h"

enum { START_MS = 123457, MANY = 500 };

struct waiting {
	struct health_turn turn;
	uint64_t due_ms, told_ms; /* told_ms: 0: not yet */
	unsigned told;
	struct waiting *removes;
	uint64_t again_ms; /* 0: it does not wait again */
};

static struct health_wheel *wheel;
static uint64_t now_ms;
static unsigned turns;

static void put(struct waiting *w, uint64_t after_ms)
{
	w->due_ms = now_ms + after_ms;
	health_wheel_put(wheel, &w->turn, now_ms, after_ms);
}

static void on_turn(struct health_turn *turn)
{
	struct waiting *w = CONTAINER_OF(turn, struct waiting, turn);

	w->told++;
	w->told_ms = now_ms;
	if (w->removes)
		health_wheel_remove(&w->removes->turn);
	if (w->again_ms)
		put(w, w->again_ms);
}

static void begin(void)
{
	now_ms = START_MS;
	turns = 0;
	wheel = health_wheel_create(now_ms);
}

/* As a loop would, until nobody waits or the time is over. */
static void run_until(uint64_t end_ms)
{
	uint64_t next_ms;

	while ((next_ms = health_wheel_next_ms(wheel)) != 0 && next_ms <= end_ms) {
		now_ms = next_ms > now_ms ? next_ms : now_ms;
		turns++;
		health_wheel_turn(wheel, now_ms, on_turn);
	}
	now_ms = end_ms;
}

TEST(who_waits_is_told_once_and_not_late_nor_much_too_early)
{
	static const uint64_t waits[] = { 0,    1,    9,     10,    15,     99,     100,     1999,
					  2000, 4000, 10239, 10240, 100000, 999999, 3600000, 20 };

	for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
		struct waiting w = { 0 };
		uint64_t early = waits[i] / 100 > 10 ? waits[i] / 100 : 10;

		begin();
		put(&w, waits[i]);
		run_until(START_MS + 4000000);
		CHECK_INT(w.told, 1);
		/* The next tick is the first. */
		CHECK(w.told_ms <= w.due_ms || w.told_ms <= START_MS + 10);
		CHECK(w.told_ms + early >= w.due_ms);
		CHECK_INT(health_wheel_next_ms(wheel), 0);
		health_wheel_destroy(wheel);
	}
}

TEST(thousands_in_five_seconds_are_told_in_a_few_turns)
{
	static struct waiting all[MANY * 10];

	begin();
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		put(&all[i], 4000 + i % 1000);
	run_until(START_MS + 5000);
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		CHECK_INT(all[i].told, 1);
		CHECK(all[i].told_ms <= all[i].due_ms);
	}
	CHECK(turns <= 27); /* each 40 ms, and the ends */
	health_wheel_destroy(wheel);
}

TEST(who_was_told_may_wait_again_and_take_others_away)
{
	struct waiting goes = { 0 }, takes = { .removes = &goes, .again_ms = 1 }, later = { 0 };

	begin();
	put(&takes, 100);
	put(&goes, 100);
	put(&later, 100);
	put(&later, 300); /* anew: only then */
	run_until(START_MS + 200);
	CHECK_INT(goes.told, 0);
	CHECK(takes.told >= 9); /* never in the same tick, so it ends */
	CHECK(takes.told <= 12);
	CHECK_INT(later.told, 0);
	health_wheel_remove(&takes.turn);
	health_wheel_remove(&takes.turn);
	run_until(START_MS + 400);
	CHECK_INT(later.told, 1);
	health_wheel_destroy(wheel);
}

TEST(a_wheel_that_stood_still_tells_all_that_it_missed)
{
	static struct waiting all[MANY];

	begin();
	for (unsigned i = 0; i < MANY; i++)
		put(&all[i], (uint64_t)i * 97);
	now_ms += 86400000;
	health_wheel_turn(wheel, now_ms, on_turn);
	for (unsigned i = 0; i < MANY; i++)
		CHECK_INT(all[i].told, 1);
	CHECK_INT(health_wheel_next_ms(wheel), 0);
	put(&all[0], 50);
	run_until(now_ms + 50);
	CHECK_INT(all[0].told, 2);
	health_wheel_destroy(wheel);
}
