/* Who waits for room, in which order, and that no place is lost between workers. */
#include "tests/harness/test.h"
#include "userspace/upstream/wait_line.h"
#include "tests/harness/fake_clock.h"

enum { WAITERS = 8 };

/* Places at an endpoint, and who had them in which order. */
static uint32_t room, served, wanted, asked;
static struct loop *loop;
static struct waiter *order[4 * WAITERS];

static const struct waiter *unlucky; /* no place is for it */

/* What follows when somebody has had a place: NULL is nothing. */
static struct defer frees;

static bool on_turn(struct waiter *waiter)
{
	if (room == 0 || waiter == unlucky)
		return false;
	room--;
	order[served++] = waiter;
	wait_lines_quit(waiter);
	if (served == wanted)
		loop_stop(loop);
	if (frees.on_defer)
		loop_defer(loop, &frees);
	return true;
}

static void on_call(void *context)
{
	(void)context;
	asked++;
}

static void on_free(void *context)
{
	room++;
	wait_lines_freed(context);
}

/* A worker; all turn by one loop here. */
struct side {
	struct wait_lines *lines;
	struct waiter waiters[WAITERS];
};

static void side_begin(struct side *s)
{
	*s = (struct side){ .lines = wait_lines_create(loop, on_call, NULL) };
	for (int i = 0; i < WAITERS; i++)
		s->waiters[i].on_turn = on_turn;
}

static void join(struct side *s, struct tally *upstream, int count)
{
	for (int i = 0; i < count; i++)
		CHECK(wait_lines_join(s->lines, upstream, WAITERS, &s->waiters[i]));
}

static struct tally *begin(struct side *a, struct side *b, uint32_t want)
{
	room = served = asked = 0;
	unlucky = NULL;
	wanted = want;
	frees = (struct defer){ 0 };
	loop = loop_create();
	side_begin(a);
	side_begin(b);
	return tally_take(7, NULL);
}

static void end(struct side *a, struct side *b, struct tally *upstream)
{
	for (int i = 0; i < WAITERS; i++) {
		wait_lines_quit(&a->waiters[i]);
		wait_lines_quit(&b->waiters[i]);
	}
	CHECK(!wait_lines_is_busy(upstream));
	wait_lines_destroy(a->lines);
	wait_lines_destroy(b->lines);
	loop_destroy(loop);
	tally_give(upstream);
}

TEST(no_more_may_wait_than_that_in_all_workers)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 0);

	join(&a, upstream, 5);
	join(&b, upstream, 3);
	CHECK(!wait_lines_join(a.lines, upstream, WAITERS, &a.waiters[5]));
	CHECK(!wait_lines_join(b.lines, upstream, WAITERS, &b.waiters[3]));
	wait_lines_quit(&a.waiters[1]);
	wait_lines_quit(&a.waiters[1]); /* nothing happens */
	CHECK(wait_lines_join(b.lines, upstream, WAITERS, &b.waiters[3]));
	CHECK(!wait_lines_join(b.lines, upstream, WAITERS, &b.waiters[4]));
	CHECK(wait_lines_is_busy(upstream));
	end(&a, &b, upstream);
}

TEST(places_that_become_free_at_once_reach_all_who_wait)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 5);

	join(&a, upstream, 3);
	join(&b, upstream, 2);
	room = 5;
	wait_lines_freed(upstream); /* one call for all of them */
	loop_run(loop);
	CHECK_INT(served, 5);
	CHECK_INT(room, 0);
	end(&a, &b, upstream);
}

TEST(workers_have_their_turns_and_each_line_its_order)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 6);
	uint64_t began_ms = loop_now_ms(loop);
	bool first_is_a;

	join(&a, upstream, 3);
	join(&b, upstream, 3);
	frees.on_defer = on_free;
	frees.context = upstream;
	on_free(upstream);
	loop_run(loop);
	first_is_a = order[0] == &a.waiters[0];
	CHECK_INT(served, 6);
	/* On a machine that stood still a line may have looked for room by itself. */
	for (int i = 0; i < 6 && loop_now_ms(loop) - began_ms < WAIT_LOOK_MS / 2; i++)
		CHECK(order[i] == &((i % 2 == 0) == first_is_a ? &a : &b)->waiters[i / 2]);
	loop_defer_cancel(loop, &frees);
	end(&a, &b, upstream);
}

TEST(who_left_is_passed_over_and_room_that_nobody_told_of_is_found)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 1);

	join(&a, upstream, 2);
	wait_lines_quit(&a.waiters[0]);
	room = 1;
	fake_clock_advance(WAIT_LOOK_MS + 1);
	loop_run(loop);
	CHECK_INT(served, 1);
	CHECK(order[0] == &a.waiters[1]);
	end(&a, &b, upstream);
}

TEST(all_workers_hear_of_who_asks_for_room)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 1);

	join(&a, upstream, 1);
	wait_lines_ask();
	wait_lines_ask(); /* both calls are on their way already */
	room = 1;
	wait_lines_freed(upstream);
	loop_run(loop);
	CHECK_INT(served, 1);
	end(&a, &b, upstream); /* its loop runs what was posted */
	CHECK_INT(asked, 2);
}

TEST(who_cannot_use_a_place_holds_nobody_up)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 3);

	a.waiters[0].picky = true;
	unlucky = &a.waiters[0];
	join(&a, upstream, 1);
	CHECK(wait_lines_is_busy(upstream));
	CHECK(!wait_lines_is_ahead(upstream)); /* there may be room for all others */
	wait_lines_quit(&a.waiters[0]);
	join(&a, upstream, 2);
	join(&b, upstream, 2);
	CHECK(wait_lines_is_ahead(upstream));
	room = 4;
	wait_lines_freed(upstream);
	loop_run(loop); /* until all three others are served */
	CHECK_INT(room, 1);
	CHECK(a.waiters[0].line);
	CHECK(!wait_lines_is_ahead(upstream));
	unlucky = NULL;
	wanted = 4;
	loop_again(loop);
	wait_lines_freed(upstream);
	loop_run(loop);
	CHECK(order[3] == &a.waiters[0]);
	CHECK(!wait_lines_is_busy(upstream));
	end(&a, &b, upstream);
}

TEST(who_does_not_know_all_places_holds_nobody_up)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 2);

	unlucky = &a.waiters[0];
	join(&a, upstream, 2);
	wait_lines_outdate(a.lines);
	wait_lines_outdate(a.lines);
	CHECK(!wait_lines_is_ahead(upstream));
	CHECK(wait_lines_join(a.lines, upstream, WAITERS, &a.waiters[2]));
	CHECK(wait_lines_is_ahead(upstream));
	room = 2;
	wait_lines_freed(upstream);
	loop_run(loop);
	CHECK(order[0] == &a.waiters[1]); /* and keeps his place */
	CHECK(order[1] == &a.waiters[2]);
	CHECK(wait_lines_is_busy(upstream) && !wait_lines_is_ahead(upstream));
	end(&a, &b, upstream);
}

TEST(the_first_one_who_takes_any_place_waits_before_the_others)
{
	struct side a, b;
	struct tally *upstream = begin(&a, &b, 1);

	unlucky = &a.waiters[0];
	join(&a, upstream, 2);
	join(&b, upstream, 1);
	room = 1;
	wait_lines_freed(upstream);
	fake_clock_advance(WAIT_LOOK_MS + 1);
	loop_run(loop);
	CHECK_INT(served, 1);
	CHECK(order[0] == &b.waiters[0]);
	CHECK(a.waiters[1].line);
	end(&a, &b, upstream);
}
