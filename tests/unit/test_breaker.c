/* When an upstream is no longer asked, and how workers find out that it may be again. */
#include <pthread.h>
#include <sched.h>

#include "tests/harness/test.h"
#include "userspace/upstream/breaker.h"

enum { SECOND = 1000, NOW = 1000000 };

static const struct breaker_rules rules = { .failed_percent = 50,
					    .window_ms = 10 * SECOND,
					    .least = 10,
					    .time_ms = 5 * SECOND,
					    .trials = 2 };

/* A breaker, and a worker at it. */
struct scene {
	struct breaker b;
	struct shards all;
	struct shard *own;
};

static void begin(struct scene *s)
{
	s->all = (struct shards){ 0 };
	s->own = shards_take(&s->all);
	breaker_init(&s->b);
}

static void end(struct scene *s)
{
	shards_give(s->own);
	shards_fini(&s->all);
	breaker_fini(&s->b);
}

static struct breaker_use at(struct scene *s, uint64_t now_ms)
{
	return (struct breaker_use){ &s->b, &rules, &s->all, s->own, now_ms, now_ms };
}

static enum breaker_pass ask(struct scene *s, uint64_t now_ms)
{
	struct breaker_use use = at(s, now_ms);

	return breaker_ask(&use);
}

static enum breaker_change note(struct scene *s, uint64_t now_ms, bool trial, bool failed)
{
	struct breaker_use use = at(s, now_ms);

	return breaker_note(&use, trial, failed);
}

static enum breaker_change spoil(struct scene *s, uint64_t now_ms)
{
	struct breaker_use use = at(s, now_ms);

	return breaker_spoil(&use);
}

/* Until it has just opened. */
static void begin_open(struct scene *s, uint64_t now_ms)
{
	begin(s);
	for (int i = 0; i < 9; i++)
		CHECK_INT(note(s, now_ms, false, true), BREAKER_STAYS);
	CHECK_INT(note(s, now_ms, false, true), BREAKER_OPENS);
	CHECK_INT(s->b.state, BREAKER_OPEN);
}

/* One trial, and what that changed. */
static enum breaker_change attempt(struct scene *s, uint64_t now_ms, bool failed)
{
	CHECK_INT(ask(s, now_ms), BREAKER_TRIAL);
	return note(s, now_ms, true, failed);
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
		struct scene s;

		begin(&s);
		for (uint32_t i = 0; i < row->good; i++)
			CHECK(!note(&s, NOW, false, false));
		for (uint32_t i = 0; i < row->bad; i++)
			note(&s, NOW + row->pause_ms, false, true);
		CHECK_INT(s.b.state, row->state);
		end(&s);
	}
}

TEST(while_it_is_open_nobody_passes_and_then_one_at_a_time)
{
	struct scene s;

	begin_open(&s, NOW);
	CHECK_INT(ask(&s, NOW), BREAKER_REFUSED);
	CHECK_INT(breaker_left_ms(&s.b, NOW + SECOND), 4 * SECOND);
	CHECK_INT(ask(&s, NOW + 5 * SECOND - 1), BREAKER_REFUSED);
	/* What was under way says nothing, good or bad. */
	CHECK(!note(&s, NOW + SECOND, false, true));
	CHECK(!note(&s, NOW + SECOND, false, false));
	CHECK_INT(ask(&s, NOW + 5 * SECOND), BREAKER_TRIAL);
	CHECK_INT(ask(&s, NOW + 5 * SECOND), BREAKER_REFUSED);
	breaker_drop(&s.b); /* its client has gone: another one tries */
	CHECK(!attempt(&s, NOW + 5 * SECOND, false));
	CHECK(attempt(&s, NOW + 5 * SECOND, false));
	CHECK_INT(s.b.state, BREAKER_CLOSED);
	CHECK_INT(ask(&s, NOW + 5 * SECOND), BREAKER_PASS);
	end(&s);
}

TEST(each_trial_that_fails_doubles_the_time_up_to_a_limit)
{
	struct scene s;
	uint64_t now_ms = NOW, time_ms = rules.time_ms;

	begin_open(&s, NOW);
	for (int i = 0; i < 10; i++) {
		now_ms += time_ms;
		CHECK(!attempt(&s, now_ms, false));
		CHECK(attempt(&s, now_ms, true));
		time_ms = i < 6 ? time_ms * 2 : time_ms;
		CHECK_INT(breaker_left_ms(&s.b, now_ms), time_ms);
	}
	CHECK_INT(time_ms, (uint64_t)rules.time_ms * 64);
	end(&s);
}

TEST(a_window_that_went_well_forgets_what_was_before)
{
	struct scene s;
	uint64_t now_ms = NOW + 5 * SECOND;

	begin_open(&s, NOW);
	CHECK(attempt(&s, now_ms, true));
	now_ms += 10 * SECOND;
	CHECK(!attempt(&s, now_ms, false));
	CHECK(attempt(&s, now_ms, false));
	for (int i = 0; i < 20; i++)
		note(&s, now_ms, false, false);
	for (int i = 0; i < 10; i++)
		note(&s, now_ms + 10 * SECOND, false, true);
	CHECK_INT(breaker_left_ms(&s.b, now_ms + 10 * SECOND), rules.time_ms);
	end(&s);
}

TEST(without_a_share_it_never_opens)
{
	const struct breaker_rules none = { .active = 1, .least = 1, .window_ms = SECOND };
	struct breaker_use use;
	struct scene s;

	begin(&s);
	use = at(&s, NOW);
	use.rules = &none;
	for (int i = 0; i < 1000; i++)
		CHECK(!breaker_note(&use, false, true));
	CHECK_INT(breaker_ask(&use), BREAKER_PASS);
	end(&s);
}

TEST(what_breaks_off_later_was_one_result_and_a_bad_one)
{
	struct counts counts;
	struct scene s;

	begin(&s);
	for (int i = 0; i < 9; i++) {
		note(&s, NOW, false, false);
		CHECK(!spoil(&s, NOW));
	}
	counts = shards_sum(&s.all);
	CHECK_INT(counts.tried, 9);
	CHECK_INT(counts.failed, 9);
	note(&s, NOW, false, false);
	CHECK(spoil(&s, NOW));
	CHECK_INT(s.b.state, BREAKER_OPEN);
	end(&s);
}

TEST(what_was_sent_before_it_opened_says_nothing_once_it_has_closed)
{
	struct breaker_use late;
	struct scene s;

	begin_open(&s, NOW);
	CHECK(!attempt(&s, NOW + 5 * SECOND, false));
	CHECK_INT(attempt(&s, NOW + 5 * SECOND, false), BREAKER_CLOSES);
	late = at(&s, NOW + 6 * SECOND);
	late.sent_ms = NOW - 1;
	for (int i = 0; i < 100; i++) {
		CHECK(!breaker_note(&late, false, true));
		CHECK(!breaker_spoil(&late));
	}
	for (int i = 0; i < 9; i++)
		CHECK(!note(&s, NOW + 6 * SECOND, false, true));
	CHECK_INT(note(&s, NOW + 6 * SECOND, false, true), BREAKER_OPENS);
	end(&s);
}

enum { THREADS = 4, TURNS = 20000 };

/* A worker of several at one breaker. */
struct crew_member {
	struct scene *scene;
	atomic_uint *opened, *closed, *inside, *worst, *trials;
	uint64_t now_ms;
	bool failing;
};

static void *run(void *context)
{
	const struct crew_member *m = context;
	struct breaker_use use = at(m->scene, m->now_ms);

	use.own = shards_take(&m->scene->all);
	for (int i = 0; i < TURNS; i++) {
		enum breaker_pass pass = breaker_ask(&use);
		bool trial = pass == BREAKER_TRIAL;
		enum breaker_change change;
		unsigned now;

		if (pass == BREAKER_REFUSED)
			continue;
		if (trial) {
			atomic_fetch_add(m->trials, 1);
			now = atomic_fetch_add(m->inside, 1) + 1;
			if (now > atomic_load(m->worst))
				atomic_store(m->worst, now);
			sched_yield();
			atomic_fetch_sub(m->inside, 1);
		}
		change = breaker_note(&use, trial, m->failing);
		atomic_fetch_add(m->opened, change == BREAKER_OPENS);
		atomic_fetch_add(m->closed, change == BREAKER_CLOSES);
	}
	shards_give(use.own);
	return NULL;
}

static void run_all(const struct crew_member *like)
{
	struct crew_member of = *like;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, run, &of), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST(of_all_workers_that_fail_at_once_one_opens_it)
{
	for (int i = 0; i < 100; i++) {
		atomic_uint opened = 0, closed = 0, none = 0;
		struct scene s;

		begin(&s);
		run_all(&(struct crew_member){ &s, &opened, &closed, &none, &none, &none, NOW,
					       true });
		CHECK_INT(opened, 1);
		CHECK_INT(closed, 0);
		CHECK_INT(s.b.state, BREAKER_OPEN);
		CHECK_INT(breaker_left_ms(&s.b, NOW), rules.time_ms);
		end(&s);
	}
}

static void *fail_twice(void *context)
{
	const struct crew_member *m = context;
	struct breaker_use use = at(m->scene, m->now_ms);

	use.own = shards_take(&m->scene->all);
	for (int i = 0; i < 2; i++)
		atomic_fetch_add(m->opened, breaker_note(&use, false, true) == BREAKER_OPENS);
	shards_give(use.own);
	return NULL;
}

TEST(failures_that_are_just_enough_open_it_whoever_they_come_to)
{
	for (int i = 0; i < 300; i++) {
		atomic_uint opened = 0;
		pthread_t threads[5]; /* ten failures in all */
		struct scene s;
		struct crew_member of = { .scene = &s, .opened = &opened, .now_ms = NOW };

		begin(&s);
		s.b.since_ms = NOW;
		for (int k = 0; k < 5; k++)
			CHECK_INT(pthread_create(&threads[k], NULL, fail_twice, &of), 0);
		for (int k = 0; k < 5; k++)
			pthread_join(threads[k], NULL);
		CHECK_INT(opened, 1);
		end(&s);
	}
}

TEST(of_all_workers_one_tries_at_a_time)
{
	atomic_uint opened = 0, closed = 0, inside = 0, worst = 0, trials = 0;
	struct scene s;

	begin_open(&s, NOW);
	run_all(&(struct crew_member){ &s, &opened, &closed, &inside, &worst, &trials,
				       NOW + 5 * SECOND, false });
	CHECK_INT(worst, 1);
	CHECK_INT(trials, rules.trials); /* each went well */
	CHECK_INT(closed, 1);
	CHECK_INT(opened, 0);
	end(&s);
	/* And who fails on trial opens it for all. */
	begin_open(&s, NOW);
	trials = 0;
	run_all(&(struct crew_member){ &s, &opened, &closed, &inside, &worst, &trials,
				       NOW + 5 * SECOND, true });
	CHECK_INT(worst, 1);
	CHECK_INT(trials, 1);
	CHECK_INT(opened, 1);
	end(&s);
}
