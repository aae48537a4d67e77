/* Timers, deferred work, work of other threads. The clock is put forward: nothing waits for it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/fake_clock.h"
#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/base/span.h"
#include "userspace/net/loop.h"

enum { LETTERS_MAX = 64 };

/* What happened, in order, a letter each. */
struct diary {
	struct loop *loop;
	char letters[LETTERS_MAX];
	uint32_t count;
};

/* A callback's context: what it writes, and what it does besides. */
struct line {
	struct diary *diary;
	char letter;
	bool stop;
	struct timer *start, *end;
	struct defer *defer, *cancel;
	struct watch *quiet;
};

static void note(void *context)
{
	struct line *line = context;
	struct diary *diary = line->diary;

	CHECK(diary->count < LETTERS_MAX - 1);
	diary->letters[diary->count++] = line->letter;
	if (line->start)
		timer_start(line->start, 0);
	if (line->end)
		timer_stop(line->end);
	if (line->defer)
		loop_defer(diary->loop, line->defer);
	if (line->cancel)
		loop_defer_cancel(diary->loop, line->cancel);
	if (line->quiet)
		watch_fini(line->quiet);
	if (line->stop)
		loop_stop(diary->loop);
}

static void note_ready(void *context, int events)
{
	struct line *line = context;

	CHECK(events == WATCH_READ || events == WATCH_WRITE);
	note(line);
}

TEST(timers_fire_when_due_and_in_that_order)
{
	static const struct {
		const char *name;
		uint64_t a_ms, b_ms, c_ms, pass_ms;
		const char *want;
	} rows[] = {
		{ "in order of starting", 10, 20, 30, 40, "abc" },
		{ "in order of time", 30, 20, 10, 40, "cba" },
		{ "only those that are due", 9000000, 20, 9000000, 40, "b" },
		{ "at once", 9000000, 0, 9000000, 0, "b" },
		{ "after an hour", 3600000, 3600001, 9000000, 3600002, "ab" },
	};

	FOR_ROWS (row, rows) {
		struct diary diary = { .loop = loop_create() };
		struct line lines[3] = { { &diary, 'a' }, { &diary, 'b' }, { &diary, 'c' } };
		struct line end = { &diary, '.', .stop = true };
		const uint64_t after[3] = { row->a_ms, row->b_ms, row->c_ms };
		struct timer timers[3], last;

		for (size_t i = 0; i < 3; i++) {
			timer_init(&timers[i], diary.loop, note, &lines[i]);
			timer_start(&timers[i], after[i]);
		}
		timer_init(&last, diary.loop, note, &end);
		timer_start(&last, row->pass_ms);
		fake_clock_advance(row->pass_ms);
		loop_run(diary.loop);
		CHECK_SPAN(span_make(diary.letters, diary.count - 1), span_of(row->want));
		for (size_t i = 0; i < 3; i++)
			timer_stop(&timers[i]);
		loop_destroy(diary.loop);
	}
}

TEST(a_timer_started_again_forgets_its_first_time_and_fires_once)
{
	struct diary diary = { .loop = loop_create() };
	struct line a = { &diary, 'a' }, b = { &diary, 'b' }, end = { &diary, '.', .stop = true };
	struct timer again, between, last;

	timer_init(&again, diary.loop, note, &a);
	timer_init(&between, diary.loop, note, &b);
	timer_init(&last, diary.loop, note, &end);
	timer_start(&again, 10);
	timer_start(&between, 20);
	timer_start(&last, 100);
	timer_start(&again, 50);
	fake_clock_advance(100);
	loop_run(diary.loop);
	CHECK_STR(diary.letters, "ba.");
	loop_destroy(diary.loop);
}

TEST(a_callback_may_stop_a_timer_that_is_due_and_start_itself_again)
{
	struct diary diary = { .loop = loop_create() };
	struct timer first, second, again, last;
	struct line end = { &diary, '.', .stop = true };
	struct line stops = { &diary, 'a', .end = &second }, never = { &diary, '!' };
	struct line starts = { &diary, 'b', .start = &last };

	timer_init(&first, diary.loop, note, &stops);
	timer_init(&second, diary.loop, note, &never);
	timer_init(&again, diary.loop, note, &starts);
	timer_init(&last, diary.loop, note, &end);
	timer_start(&first, 10);
	timer_start(&second, 11);
	timer_start(&again, 12);
	fake_clock_advance(100);
	loop_run(diary.loop);
	CHECK_STR(diary.letters, "ab.");
	loop_destroy(diary.loop);
}

TEST(a_timer_that_never_belonged_to_a_loop_may_be_stopped)
{
	struct timer none = { 0 };
	struct watch nothing = { 0 };

	timer_stop(&none);
	watch_fini(&nothing);
}

/* d runs after everything that was due, and what a deferred one defers runs in the same pass. */
TEST(deferred_work_runs_once_after_the_callbacks_of_its_turn_in_order)
{
	struct diary diary = { .loop = loop_create() };
	struct line fourth = { &diary, '4', .stop = true };
	struct defer d4 = { .on_defer = note, .context = &fourth };
	struct line third = { &diary, '3', .defer = &d4 }, second = { &diary, '2' };
	struct defer d3 = { .on_defer = note, .context = &third };
	struct defer d2 = { .on_defer = note, .context = &second };
	struct line a = { &diary, 'a', .defer = &d2 }, b = { &diary, 'b', .defer = &d3 };
	struct line c = { &diary, 'c', .defer = &d2 }; /* queued already */
	struct timer timers[3];
	struct line *const lines[3] = { &a, &b, &c };

	for (unsigned i = 0; i < 3; i++) {
		timer_init(&timers[i], diary.loop, note, lines[i]);
		timer_start(&timers[i], i);
	}
	fake_clock_advance(10);
	loop_run(diary.loop);
	CHECK_STR(diary.letters, "abc234");
	loop_destroy(diary.loop);
}

TEST(deferred_work_that_was_cancelled_does_not_run_and_leaves_the_others)
{
	static const struct {
		const char *name, *want;
		int cancelled;
	} rows[] = {
		{ "the first", "bc", 0 },
		{ "one between", "ac", 1 },
		{ "the last", "ab", 2 },
	};

	FOR_ROWS (row, rows) {
		struct diary diary = { .loop = loop_create() };
		struct line lines[4] = { { &diary, 'a' },
					 { &diary, 'b' },
					 { &diary, 'c' },
					 { &diary, '.', .stop = true } };
		struct defer defers[4];

		for (int i = 0; i < 3; i++) {
			defers[i] = (struct defer){ .on_defer = note, .context = &lines[i] };
			loop_defer(diary.loop, &defers[i]);
		}
		loop_defer_cancel(diary.loop, &defers[row->cancelled]);
		loop_defer_cancel(diary.loop, &defers[row->cancelled]); /* no effect */
		/* Behind a cancelled last one, too, there is a place for the next. */
		defers[3] = (struct defer){ .on_defer = note, .context = &lines[3] };
		loop_defer(diary.loop, &defers[3]);
		loop_run(diary.loop);
		CHECK_SPAN(span_make(diary.letters, diary.count - 1), span_of(row->want));
		loop_destroy(diary.loop);
	}
}

TEST(deferred_work_may_cancel_what_is_behind_it)
{
	struct diary diary = { .loop = loop_create() };
	struct line never = { &diary, '!' }, last = { &diary, '.', .stop = true };
	struct defer behind = { .on_defer = note, .context = &never };
	struct line first = { &diary, 'a', .cancel = &behind };
	struct defer before = { .on_defer = note, .context = &first };
	struct defer end = { .on_defer = note, .context = &last };

	loop_defer(diary.loop, &before);
	loop_defer(diary.loop, &behind);
	loop_defer(diary.loop, &end);
	loop_run(diary.loop);
	CHECK_STR(diary.letters, "a.");
	loop_destroy(diary.loop);
}

TEST(a_watch_hears_only_what_it_was_set_to)
{
	static const struct {
		const char *name;
		int events;
		bool readable;
		const char *want;
	} rows[] = {
		{ "reading, and there is something", WATCH_READ, true, "w" },
		{ "reading, and there is nothing", WATCH_READ, false, "" },
		{ "writing", WATCH_WRITE, false, "w" },
		{ "nothing", 0, true, "" },
	};

	FOR_ROWS (row, rows) {
		struct diary diary = { .loop = loop_create() };
		struct line end = { &diary, '.', .stop = true };
		struct line ready = { &diary, 'w' };
		struct watch watch;
		struct timer last;
		int ends[2];

		CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		watch_init(&watch, diary.loop, ends[0], note_ready, &ready);
		ready.quiet = &watch; /* else it is heard in every turn */
		watch_set(&watch, row->events);
		if (row->readable)
			CHECK_INT(write(ends[1], "x", 1), 1);
		timer_init(&last, diary.loop, note, &end);
		timer_start(&last, 0);
		loop_run(diary.loop);
		CHECK_STR(diary.letters[0] == 'w' || diary.letters[1] == 'w' ? "w" : "", row->want);
		watch_fini(&watch);
		loop_destroy(diary.loop);
		close(ends[0]);
		close(ends[1]);
	}
}

/* A worker that waited for a processor must not take an endpoint's answer for a time-out. */
TEST(what_has_come_is_heard_before_the_time_out_that_waits_for_it)
{
	struct diary diary = { .loop = loop_create() };
	struct line late = { &diary, '!' }, end = { &diary, '.', .stop = true };
	struct line ready = { &diary, 'w' };
	struct timer deadline, last;
	struct watch watch;
	int ends[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	timer_init(&deadline, diary.loop, note, &late);
	timer_start(&deadline, 3000);
	timer_init(&last, diary.loop, note, &end);
	timer_start(&last, 3001);
	watch_init(&watch, diary.loop, ends[0], note_ready, &ready);
	ready.quiet = &watch;
	ready.end = &deadline;
	watch_set(&watch, WATCH_READ);
	CHECK_INT(write(ends[1], "x", 1), 1);
	fake_clock_advance(5000);
	loop_run(diary.loop);
	CHECK_STR(diary.letters, "w.");
	loop_destroy(diary.loop);
	close(ends[0]);
	close(ends[1]);
}

enum { CROWD = 500, CROWD_TURNS_MAX = 64 };

/* Many ends that are ready at once, and time-outs that are due behind them. */
struct crowd {
	struct loop *loop;
	struct watch watches[CROWD];
	int fds[CROWD];
	bool heard[CROWD], stays_ready;
	uint32_t count, calls;
	char due[8];
};

struct member {
	struct crowd *crowd;
	uint32_t at;
	char letter; /* of a time-out */
};

static void on_member(void *context, int events)
{
	struct member *m = context;

	(void)events;
	m->crowd->count += !m->crowd->heard[m->at];
	m->crowd->heard[m->at] = true;
	CHECK(m->crowd->calls++ < CROWD * CROWD_TURNS_MAX);
	if (!m->crowd->stays_ready)
		watch_fini(&m->crowd->watches[m->at]);
}

static void on_late(void *context)
{
	struct member *m = context;

	CHECK_INT(m->crowd->count, CROWD);
	strncat(m->crowd->due, &m->letter, 1);
	if (m->letter == 'c')
		loop_stop(m->crowd->loop);
}

/* However many are ready: libev takes 64 of them first, and would call what is due behind those. */
TEST(time_outs_wait_for_all_that_is_ready_but_not_for_what_stays_ready)
{
	static const struct {
		const char *name;
		bool stays_ready;
	} rows[] = { { "each is heard once", false }, { "each is always ready", true } };

	FOR_ROWS (row, rows) {
		struct crowd crowd = { .loop = loop_create(), .stays_ready = row->stays_ready };
		struct member members[CROWD], late[3];
		struct timer timers[3];

		for (uint32_t i = 0; i < 3; i++) {
			late[i] = (struct member){ &crowd, 0, "bac"[i] };
			timer_init(&timers[i], crowd.loop, on_late, &late[i]);
			timer_start(&timers[i], (const uint64_t[]){ 3001, 3000, 3002 }[i]);
		}
		for (uint32_t i = 0; i < CROWD; i++) {
			members[i] = (struct member){ &crowd, i, 0 };
			crowd.fds[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
			CHECK(crowd.fds[i] >= 0);
			watch_init(&crowd.watches[i], crowd.loop, crowd.fds[i], on_member,
				   &members[i]);
			watch_set(&crowd.watches[i], WATCH_READ);
		}
		fake_clock_advance(5000);
		loop_run(crowd.loop);
		CHECK_STR(crowd.due, "abc");
		for (uint32_t i = 0; i < CROWD; i++) {
			watch_fini(&crowd.watches[i]);
			close(crowd.fds[i]);
		}
		loop_destroy(crowd.loop);
	}
}

enum { POSTS = 1000, POSTERS = 4 };

struct numbered {
	struct post post;
	struct tally *tally;
	uint32_t poster, number;
};

struct tally {
	struct loop *loop;
	pthread_t thread; /* of the loop */
	uint32_t next[POSTERS], total, wrong;
};

static void on_numbered(struct post *post)
{
	struct numbered *n = CONTAINER_OF(post, struct numbered, post);
	struct tally *tally = n->tally;

	tally->wrong += n->number != tally->next[n->poster]++;
	tally->wrong += !pthread_equal(pthread_self(), tally->thread);
	if (++tally->total == POSTS * POSTERS)
		loop_stop(tally->loop);
	free(n);
}

struct poster {
	struct tally *tally;
	uint32_t index, count;
};

static void *post_all(void *context)
{
	const struct poster *poster = context;

	for (uint32_t i = 0; i < poster->count; i++) {
		struct numbered *n = must_alloc(sizeof(*n));

		*n = (struct numbered){ .post.on_post = on_numbered,
					.tally = poster->tally,
					.poster = poster->index,
					.number = i };
		loop_post(poster->tally->loop, &n->post);
	}
	return NULL;
}

/* Whether a post finds the loop asleep or busy is left to chance: of 4000, both happen. */
TEST(posts_of_other_threads_run_in_the_loops_thread_in_order_and_none_is_lost)
{
	struct tally tally = { .loop = loop_create(), .thread = pthread_self() };
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];

	for (uint32_t i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ &tally, i, POSTS };
		CHECK_INT(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
	}
	loop_run(tally.loop);
	for (uint32_t i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(tally.total, POSTS * POSTERS);
	CHECK_INT(tally.wrong, 0);
	loop_destroy(tally.loop);
}

TEST(what_was_posted_and_deferred_before_the_end_is_still_run)
{
	struct tally tally = { .loop = loop_create(), .thread = pthread_self() };
	struct diary diary = { .loop = tally.loop };
	struct line line = { &diary, 'd' };
	struct defer defer = { .on_defer = note, .context = &line };
	struct poster poster = { &tally, 0, 3 };

	post_all(&poster);
	loop_defer(tally.loop, &defer);
	loop_destroy(tally.loop);
	CHECK_INT(tally.total, 3);
	CHECK_STR(diary.letters, "d");
}

TEST(the_loops_time_goes_with_the_clock)
{
	struct loop *loop = loop_create();
	uint64_t before = loop_now_ms(loop);

	fake_clock_advance(5000);
	CHECK(loop_now_ms(loop) >= before + 5000);
	loop_destroy(loop);
	loop_destroy(NULL);
}
