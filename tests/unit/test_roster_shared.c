/* What workers hold against endpoints, together: each with rosters of its own, in its own thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/upstream/roster.h"
#include "userspace/upstream/upstream_state.h"

enum { THREADS = 4, ENDPOINTS = 8, SECOND = 1000, LATE = 1000000 };

static struct snapshot *load(const char *keys)
{
	struct findings findings = { 0 };
	char text[2048];
	int len = snprintf(text, sizeof(text), "upstreams: { a: { %s endpoints: [", keys);
	struct model *model;

	for (int i = 0; i < ENDPOINTS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"{ address: \"10.0.0.%d:80\" },", i + 1);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "] } }\n");
	model = model_load_text("f", text, (size_t)len, &findings);
	if (!model)
		test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
	return snapshot_create(model, 1);
}

/* A worker. */
struct hand {
	struct snapshot *snapshot;
	struct rosters *all;
	struct roster *roster;
};

static struct hand hand_begin(struct snapshot *snapshot)
{
	struct hand h = { .snapshot = snapshot, .all = rosters_create() };

	rosters_renew(h.all, snapshot, 0);
	h.roster = roster_take(h.all, snapshot, &snapshot->model->upstreams[0], 0);
	return h;
}

static void hand_end(struct hand *h)
{
	roster_give(h->all, h->roster);
	rosters_destroy(h->all);
}

static struct roster_state look(struct roster *r, uint32_t place, uint64_t now_ms)
{
	return roster_look(r, place, &(struct roster_ask){ .now_ms = now_ms });
}

struct scene {
	struct snapshot *snapshot;
	struct hand hands[THREADS];
};

static void begin(struct scene *s, const char *keys)
{
	s->snapshot = load(keys);
	for (int i = 0; i < THREADS; i++)
		s->hands[i] = hand_begin(s->snapshot);
}

static void end(struct scene *s)
{
	for (int i = 0; i < THREADS; i++)
		hand_end(&s->hands[i]);
	snapshot_unref(s->snapshot);
}

static uint32_t away(const struct scene *s, uint64_t now_ms)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ENDPOINTS; i++)
		n += roster_is_ejected(s->hands[0].roster, i, now_ms);
	return n;
}

TEST(failures_in_a_row_count_over_all_workers)
{
	struct scene s;

	begin(&s, "eject: { failures: 5, time: 1s, most: 50 }, slow_start: 10s,");
	for (int i = 0; i < 4; i++)
		CHECK(!roster_failed(s.hands[i % THREADS].roster, 0, LATE, LATE));
	roster_served(s.hands[1].roster, 0); /* by any of them it begins anew */
	for (int i = 0; i < 4; i++)
		CHECK(!roster_failed(s.hands[i % THREADS].roster, 0, LATE, LATE));
	CHECK_INT(look(s.hands[3].roster, 0, LATE).failures, 4);
	CHECK(roster_failed(s.hands[2].roster, 0, LATE, LATE));
	for (int i = 0; i < THREADS; i++) {
		struct roster *r = s.hands[i].roster;

		CHECK(roster_is_ejected(r, 0, LATE + SECOND - 1));
		CHECK(!roster_failed(r, 0, LATE + 1, LATE + 1)); /* was under way */
		CHECK_INT(look(r, 0, LATE + 1).ejected_ms, SECOND - 1);
		CHECK_INT(look(r, 0, LATE + 1).failures, 0);
		/* And all let it warm up. */
		CHECK(!roster_is_ejected(r, 0, LATE + SECOND));
		CHECK_INT(look(r, 0, LATE + SECOND).percent, 1);
		CHECK_INT(look(r, 0, LATE + 11 * SECOND).percent, 100);
	}
	end(&s);
}

TEST(the_time_away_doubles_whoever_ejects)
{
	struct scene s;
	uint64_t now_ms = LATE, away_ms = SECOND;

	begin(&s, "eject: { failures: 1, time: 1s, most: 50 },");
	for (int i = 0; i < 6; i++) {
		struct roster *r = s.hands[i % THREADS].roster;

		CHECK(roster_failed(r, 0, now_ms, now_ms));
		CHECK_INT(look(s.hands[0].roster, 0, now_ms).ejected_ms, away_ms);
		now_ms += away_ms;
		away_ms *= 2;
	}
	end(&s);
}

TEST(a_worker_that_comes_later_knows_what_the_others_know)
{
	struct scene s;
	struct hand late;

	begin(&s, "eject: { failures: 1, time: 1h, most: 50 },");
	CHECK(roster_failed(s.hands[0].roster, 3, LATE, LATE));
	late = hand_begin(s.snapshot);
	CHECK(roster_is_ejected(late.roster, 3, LATE));
	for (int i = 0; i < THREADS; i++)
		hand_end(&s.hands[i]);
	CHECK(roster_is_ejected(late.roster, 3, LATE));
	hand_end(&late);
	/* Nobody has it any more: it is forgotten. */
	late = hand_begin(s.snapshot);
	CHECK(!roster_is_ejected(late.roster, 3, LATE));
	hand_end(&late);
	snapshot_unref(s.snapshot);
}

/* Also for who had nothing to ask while it was down, or asks first when it has been back for long.
 */
TEST(who_comes_back_warms_up_once_for_all_workers)
{
	struct scene s;
	struct roster *idle, *seldom;

	begin(&s, "slow_start: 10s,");
	idle = s.hands[2].roster;
	seldom = s.hands[3].roster;
	atomic_store(&s.snapshot->down[0], true);
	CHECK(look(s.hands[0].roster, 0, LATE).down);
	CHECK(look(seldom, 0, LATE).down);
	atomic_store(&s.snapshot->down[0], false);
	CHECK_INT(look(s.hands[0].roster, 0, LATE).percent, 1);
	CHECK_INT(look(idle, 0, LATE).percent, 1);
	CHECK_INT(look(idle, 0, LATE + 5 * SECOND).percent, 50);
	CHECK_INT(look(seldom, 0, LATE + 5 * SECOND).percent, 50);
	CHECK_INT(look(seldom, 0, LATE + 10 * SECOND).percent, 100);
	end(&s);
}

/* What it says of who is down is as of the reload. */
TEST(a_snapshot_of_before_makes_nobody_warm_up_again)
{
	struct snapshot *before = load("slow_start: 10s,"), *now = load("slow_start: 10s,");
	struct hand h = hand_begin(before);
	struct roster *r, *late;

	atomic_store(&before->down[0], true);
	CHECK(look(h.roster, 0, LATE).down);
	rosters_renew(h.all, now, LATE);
	r = roster_take(h.all, now, &now->model->upstreams[0], LATE);
	late = roster_take(h.all, before, &before->model->upstreams[0], LATE);
	for (uint64_t ms = LATE; ms <= LATE + 10 * SECOND; ms += SECOND) {
		CHECK(look(h.roster, 0, ms).down);
		CHECK(look(late, 0, ms).down);
		CHECK(look(r, 0, ms).percent >= 9 * (ms - LATE) / SECOND);
	}
	CHECK_INT(look(r, 0, LATE + 10 * SECOND).percent, 100);
	roster_give(h.all, late);
	roster_give(h.all, r);
	hand_end(&h);
	snapshot_unref(now);
	snapshot_unref(before);
}

TEST(windows_are_of_all_workers_and_one_is_told)
{
	struct scene s;
	uint32_t place = 9;

	begin(&s, "eject: { rate: 30, window: 5s, least: 10, most: 50 },");
	CHECK_INT(roster_outlier(s.hands[0].roster, LATE, &place), EJECT_NOT);
	/* Too few in each worker, enough in all. */
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < 6; k++) {
			CHECK(!roster_failed(s.hands[i].roster, 2, LATE, LATE));
			roster_answered(s.hands[i].roster, (uint32_t)k % 2, LATE, 5);
		}
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(roster_outlier(s.hands[i].roster, LATE + 4999, &place), EJECT_NOT);
	CHECK_INT(roster_outlier(s.hands[1].roster, LATE + 5000, &place), EJECT_RATE);
	CHECK_INT(place, 2);
	for (int i = 0; i < THREADS; i++) {
		CHECK_INT(roster_outlier(s.hands[i].roster, LATE + 5000, &place), EJECT_NOT);
		CHECK(roster_is_ejected(s.hands[i].roster, 2, LATE + 5000));
	}
	end(&s);
}

TEST(retries_are_a_share_of_what_all_workers_have)
{
	struct scene s;

	begin(&s, "");
	for (int i = 0; i < 100; i++)
		roster_enter(s.hands[i % THREADS].roster, 0);
	for (int i = 0; i < 20; i++)
		CHECK(roster_retry_begin(s.hands[3].roster, 20, 3));
	for (int i = 0; i < THREADS; i++)
		CHECK(!roster_retry_begin(s.hands[i].roster, 20, 3));
	roster_retry_end(s.hands[3].roster);
	CHECK(roster_retry_begin(s.hands[0].roster, 20, 3));
	for (int i = 0; i < 20; i++)
		roster_retry_end(s.hands[0].roster);
	for (int i = 0; i < 100; i++)
		roster_leave(s.hands[i % THREADS].roster, 0);
	end(&s);
}

/* --- at once ------------------------------------------------------------------------------ */

struct task {
	struct scene *scene;
	struct roster *roster;
	atomic_uint *ejections, *worst;
	uint64_t now_ms;
	uint32_t turns;
};

static void run_all(struct scene *s, void *(*what)(void *), struct task like)
{
	struct task tasks[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		tasks[i] = like;
		tasks[i].roster = s->hands[i].roster;
		CHECK_INT(pthread_create(&threads[i], NULL, what, &tasks[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void *fail_one(void *context)
{
	struct task *t = context;

	for (uint32_t i = 0; i < t->turns; i++)
		atomic_fetch_add(t->ejections, roster_failed(t->roster, 5, t->now_ms, t->now_ms));
	return NULL;
}

TEST(who_fails_in_all_workers_at_once_is_ejected_once)
{
	struct scene s;
	atomic_uint ejections;

	begin(&s, "eject: { failures: 5, time: 1s, most: 100 },");
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t now_ms = LATE + i * 1000 * SECOND; /* long after the one before */

		ejections = 0;
		run_all(&s, fail_one,
			(struct task){ .ejections = &ejections, .now_ms = now_ms, .turns = 50 });
		CHECK_INT(ejections, 1);
		CHECK_INT(look(s.hands[0].roster, 5, now_ms).failures, 0);
		CHECK(look(s.hands[0].roster, 5, now_ms).ejected_ms <= SECOND);
	}
	end(&s);
}

/* One failure each, with just as many as are wanted: whoever is last ejects. */
TEST(failures_that_are_just_enough_eject)
{
	struct scene s;
	atomic_uint ejections;

	begin(&s, "eject: { failures: 8, time: 1s, most: 100 },");
	for (uint64_t i = 0; i < 200; i++) {
		ejections = 0;
		run_all(&s, fail_one,
			(struct task){ .ejections = &ejections,
				       .now_ms = LATE + i * 1000 * SECOND,
				       .turns = 8 / THREADS });
		CHECK_INT(ejections, 1);
	}
	end(&s);
}

/* All endpoints fail in all workers; counts how many are away after each. */
static void *fail_all(void *context)
{
	struct task *t = context;

	for (uint32_t i = 0; i < t->turns; i++) {
		uint32_t n;

		atomic_fetch_add(t->ejections,
				 roster_failed(t->roster, i % ENDPOINTS, t->now_ms + i / 64,
					       t->now_ms + i / 64));
		n = away(t->scene, t->now_ms + i / 64);
		if (n > atomic_load(t->worst))
			atomic_store(t->worst, n);
	}
	return NULL;
}

TEST(no_more_than_may_are_away_whoever_ejects)
{
	struct scene s;
	atomic_uint ejections = 0, worst = 0;

	begin(&s, "eject: { failures: 2, time: 1h, most: 40 },");
	run_all(&s, fail_all,
		(struct task){ .scene = &s,
			       .ejections = &ejections,
			       .worst = &worst,
			       .now_ms = LATE,
			       .turns = 5000 });
	CHECK_INT(ejections, 3); /* of eight, 40 percent */
	CHECK_INT(worst, 3);
	CHECK_INT(away(&s, LATE + 100), 3);
	end(&s);
}

static void *do_worse(void *context)
{
	struct task *t = context;

	for (uint32_t i = 0; i < t->turns; i++) {
		uint64_t now_ms = t->now_ms + i; /* hundred of these are a window */
		uint32_t place;

		for (uint32_t k = 0; k < ENDPOINTS; k++)
			if (k == 4)
				roster_failed(t->roster, k, now_ms, now_ms);
			else
				roster_answered(t->roster, k, now_ms, 5);
		while (roster_outlier(t->roster, now_ms, &place) != EJECT_NOT)
			atomic_fetch_add(place == 4 ? t->ejections : t->worst, 1);
	}
	return NULL;
}

TEST(who_does_worse_is_found_once_while_all_count_on)
{
	struct scene s;
	atomic_uint ejections = 0, others = 0;

	begin(&s, "eject: { rate: 50, window: 100ms, least: 10, time: 1h, most: 100 },");
	run_all(&s, do_worse,
		(struct task){
			.ejections = &ejections, .worst = &others, .now_ms = LATE, .turns = 5000 });
	CHECK_INT(ejections, 1);
	CHECK_INT(others, 0);
	CHECK(roster_is_ejected(s.hands[2].roster, 4, LATE + 5000));
	end(&s);
}

static void *retry(void *context)
{
	struct task *t = context;

	for (uint32_t i = 0; i < t->turns; i++) {
		unsigned now;

		if (!roster_retry_begin(t->roster, 20, 3))
			continue;
		now = atomic_fetch_add(t->ejections, 1) + 1;
		if (now > atomic_load(t->worst))
			atomic_store(t->worst, now);
		atomic_fetch_sub(t->ejections, 1);
		roster_retry_end(t->roster);
	}
	return NULL;
}

TEST(no_more_than_may_are_in_a_retry_at_once)
{
	struct scene s;
	atomic_uint inside = 0, worst = 0;

	begin(&s, "");
	run_all(&s, retry, (struct task){ .ejections = &inside, .worst = &worst, .turns = 20000 });
	CHECK(worst >= 1);
	CHECK(worst <= 3);
	end(&s);
}

TEST(who_is_no_worker_sees_what_all_of_them_do)
{
	const struct upstream *u;
	struct upstream_state seen;
	struct scene s;

	begin(&s, "eject: { failures: 1, time: 1s, most: 50 },");
	u = &s.snapshot->model->upstreams[0];
	for (int i = 0; i < THREADS; i++) {
		roster_enter(s.hands[i].roster, 1);
		roster_pending(s.hands[i].roster, true);
	}
	roster_pending(s.hands[0].roster, false);
	CHECK(roster_retry_begin(s.hands[1].roster, 0, 1));
	CHECK(roster_failed(s.hands[2].roster, 6, LATE, LATE));
	seen = upstream_state_of(u, LATE + 1);
	CHECK_INT(seen.active, THREADS);
	CHECK_INT(seen.pending, THREADS - 1);
	CHECK_INT(seen.retrying, 1);
	CHECK_INT(seen.breaker, BREAKER_CLOSED);
	CHECK(seen.has_ejected);
	CHECK(!upstream_state_of(u, LATE + SECOND).has_ejected);
	CHECK_INT(upstream_state_ejected_ms(u, &u->endpoints[6], LATE + 1), SECOND - 1);
	CHECK_INT(upstream_state_ejected_ms(u, &u->endpoints[5], LATE + 1), 0);
	roster_retry_end(s.hands[1].roster);
	for (int i = 0; i < THREADS; i++) {
		roster_leave(s.hands[i].roster, 1);
		if (i > 0)
			roster_pending(s.hands[i].roster, false);
	}
	CHECK_INT(upstream_state_of(u, LATE).active, 0);
	CHECK_INT(upstream_state_of(u, LATE).pending, 0);
	end(&s);
}

TEST(who_was_away_while_nobody_asked_warms_up_all_the_same)
{
	const struct upstream *u;
	struct scene s;

	begin(&s, "slow_start: 10s,");
	u = &s.snapshot->model->upstreams[0];
	upstream_state_turn(u, &u->endpoints[3], false, LATE); /* as it was already */
	CHECK_INT(look(s.hands[0].roster, 3, LATE).percent, 100);
	upstream_state_turn(u, &u->endpoints[3], true, LATE);
	upstream_state_turn(u, &u->endpoints[3], false, LATE + SECOND);
	for (int i = 0; i < THREADS; i++) {
		CHECK(look(s.hands[i].roster, 3, LATE + SECOND).percent <= 2);
		CHECK_INT(look(s.hands[i].roster, 3, LATE + 11 * SECOND).percent, 100);
		CHECK_INT(look(s.hands[i].roster, 2, LATE + SECOND).percent, 100);
	}
	end(&s);
}

/* They may end long after it is back, as it has taken so long for each. */
TEST(what_was_under_way_is_not_held_against_who_is_back)
{
	struct scene s;
	struct roster *r;
	uint32_t place;
	uint64_t back_ms = LATE + SECOND;

	begin(&s, "eject: { failures: 2, slow: 3, rate: 20, window: 2s, least: 10, time: 1s },");
	r = s.hands[1].roster;
	CHECK_INT(roster_outlier(r, LATE, &place), EJECT_NOT);
	CHECK(!roster_failed(r, 0, LATE - 10, LATE));
	CHECK(roster_failed(r, 0, LATE - 10, LATE));
	for (uint32_t i = 0; i < 20; i++) {
		CHECK(!roster_failed(s.hands[i % THREADS].roster, 0, LATE, back_ms + 10));
		roster_answered(s.hands[i % THREADS].roster, 0, LATE, SECOND + 10);
		roster_answered(r, 1 + i % 7, back_ms, 5);
	}
	CHECK_INT(look(r, 0, back_ms).failures, 0);
	CHECK_INT(roster_outlier(r, LATE + 2 * SECOND, &place), EJECT_NOT);
	/* What it is sent from then on, is. */
	CHECK(!roster_failed(s.hands[2].roster, 0, back_ms, back_ms + 10));
	CHECK(roster_failed(s.hands[3].roster, 0, back_ms, back_ms + 10));
	end(&s);
}
