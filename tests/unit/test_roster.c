/* Whom a worker gives what is next: priorities, limits, warming up, being left alone. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/upstream/roster.h"

enum { SECOND = 1000, LATE = 1000000 };

struct scene {
	struct snapshot *snapshot;
	struct rosters *all;
	struct roster *roster;
	uint64_t chance;
};

static struct snapshot *load(const char *keys, const char *endpoints)
{
	struct findings findings = { 0 };
	char text[1024];
	int len = snprintf(text, sizeof(text), "upstreams: { a: { %s endpoints: [ %s ] } }\n", keys,
			   endpoints);
	struct model *model = model_load_text("f", text, (size_t)len, &findings);

	if (!model)
		test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
	return snapshot_create(model, 1);
}

static struct scene begin(const char *keys, const char *endpoints)
{
	struct scene s = { .snapshot = load(keys, endpoints), .all = rosters_create() };

	rosters_renew(s.all, s.snapshot, 0);
	s.roster = roster_take(s.all, s.snapshot, &s.snapshot->model->upstreams[0], 0);
	return s;
}

static uint32_t active(struct roster *r, uint32_t place)
{
	return roster_look(r, place, &(struct roster_ask){ .now_ms = LATE }).active;
}

static void end(struct scene *s)
{
	roster_give(s->all, s->roster);
	rosters_destroy(s->all);
	snapshot_unref(s->snapshot);
}

/* "0" to "9", or "e", "u", "f" for nobody; a place already tried is not -1. */
static char pick(struct scene *s, uint64_t now_ms, int tried)
{
	struct roster_ask ask = { .now_ms = now_ms,
				  .random = balance_mix(&s->chance),
				  .tried = { (uint32_t)tried },
				  .tried_count = tried >= 0 };
	uint32_t place = 0;

	switch (roster_pick(s->roster, &ask, &place)) {
	case ROSTER_FOUND:
		return (char)('0' + place);
	case ROSTER_EMPTY:
		return 'e';
	case ROSTER_UNFIT:
		return 'u';
	default:
		return 'f';
	}
}

#define E(n, more) "{ address: \"10.0.0." #n ":80\"" more " }"

TEST(who_is_asked_follows_from_what_is_known)
{
	static const struct {
		const char *name, *keys, *endpoints, *down, *busy; /* places */
		int tried;
		const char *want; /* the first choices, in turn */
	} rows[] = {
		{ "all in turn", "", E(1, "") "," E(2, ""), "", "", -1, "0101" },
		{ "who is down has none", "", E(1, "") "," E(2, ""), "0", "", -1, "111" },
		{ "all are down: all are asked", "", E(1, "") "," E(2, ""), "01", "", -1, "0101" },
		{ "and one that was asked is not again", "", E(1, "") "," E(2, ""), "01", "", 0,
		  "1" },
		{ "all are down, closed", "fail: closed,", E(1, ""), "0", "", -1, "uu" },
		{ "who was asked is not again", "", E(1, "") "," E(2, ""), "", "", 0, "111" },
		{ "not one that is down instead", "", E(1, "") "," E(2, ""), "1", "", 0, "ee" },
		{ "nobody has a weight", "", E(1, ", weight: 0"), "", "", -1, "e" },
		{ "nobody is there", "", "", "", "", -1, "e" },
		{ "backups wait", "", E(1, "") "," E(2, ", priority: 1"), "", "", -1, "000" },
		{ "until they are needed", "", E(1, "") "," E(2, ", priority: 1"), "0", "", -1,
		  "111" },
		{ "or all others are full", "", E(1, ", max_requests: 1") "," E(2, ", priority: 9"),
		  "", "0", -1, "111" },
		{ "all are full", "", E(1, ", max_requests: 1"), "", "0", -1, "ff" },
		{ "two at once, one is there", "", E(1, ", max_requests: 2"), "", "0", -1, "0" },
		{ "fewer are fit than panic wants", "panic: 60,", E(1, "") "," E(2, ""), "0", "",
		  -1, "0101" },
		{ "just as many as it wants", "panic: 50,", E(1, "") "," E(2, ""), "0", "", -1,
		  "11" },
	};

	FOR_ROWS (row, rows) {
		struct scene s = begin(row->keys, row->endpoints);

		for (const char *at = row->down; *at; at++)
			atomic_store(&s.snapshot->down[*at - '0'], true);
		for (const char *at = row->busy; *at; at++)
			roster_enter(s.roster, (uint32_t)(*at - '0'));
		for (const char *at = row->want; *at; at++) {
			char got = pick(&s, LATE, row->tried);

			if (got != *at)
				test_fail(__FILE__, __LINE__, "%s: got %c of %s", row->name, got,
					  row->want);
		}
		for (const char *at = row->busy; *at; at++)
			roster_leave(s.roster, (uint32_t)(*at - '0'));
		end(&s);
	}
}

TEST(times_away_grow_and_are_forgotten_after_a_calm)
{
	struct scene s = begin("eject: { failures: 2, time: 1s, most: 50 },",
			       E(1, "") "," E(2, "") "," E(3, ""));
	uint64_t now = LATE, away = SECOND;

	for (int i = 0; i < 9; i++) {
		CHECK(!roster_failed(s.roster, 0, now, now));
		CHECK(roster_failed(s.roster, 0, now, now));
		CHECK(!roster_failed(s.roster, 0, now, now)); /* those that were on their way */
		CHECK(roster_is_ejected(s.roster, 0, now + away - 1));
		CHECK(!roster_is_ejected(s.roster, 0, now + away));
		/* Of three a second one would be more than half. */
		roster_failed(s.roster, 1, now, now);
		CHECK(!roster_failed(s.roster, 1, now, now));
		roster_served(s.roster, 1);
		now += away;
		away = away < 64 * SECOND ? 2 * away : away;
	}
	now += 65 * SECOND;
	roster_failed(s.roster, 0, now, now);
	CHECK(roster_failed(s.roster, 0, now, now));
	CHECK(!roster_is_ejected(s.roster, 0, now + SECOND));
	now += SECOND;
	CHECK(!roster_failed(s.roster, 0, now, now));
	roster_served(s.roster, 0); /* one good answer between two bad ones */
	CHECK(!roster_failed(s.roster, 0, now, now));
	end(&s);
}

/* How many of 1000 choices the first one gets. */
static uint32_t share(struct scene *s, uint64_t now_ms)
{
	uint32_t got = 0;

	for (int i = 0; i < 1000; i++)
		got += pick(s, now_ms, -1) == '0';
	return got;
}

TEST(who_comes_back_gets_its_share_little_by_little)
{
	struct scene s = begin("slow_start: 10s,", E(1, "") "," E(2, ""));

	CHECK_INT(share(&s, LATE), 500); /* at the start all are as they will be */
	atomic_store(&s.snapshot->down[0], true);
	CHECK_INT(share(&s, LATE), 0);
	atomic_store(&s.snapshot->down[0], false);
	/* 1, 32, 48 of 64 steps against 64; and then its half. */
	CHECK(share(&s, LATE) <= 1000 / 65 + 1);
	CHECK(abs((int)share(&s, LATE + 5 * SECOND) - 1000 * 32 / 96) <= 2);
	CHECK(abs((int)share(&s, LATE + 7500) - 1000 * 48 / 112) <= 2);
	CHECK_INT(share(&s, LATE + 10 * SECOND), 500);
	end(&s);
}

TEST(what_is_known_outlives_a_snapshot)
{
	struct scene s =
		begin("eject: { failures: 1, time: 1h, most: 100 },", E(1, "") "," E(2, ""));
	struct snapshot *next = load("eject: { failures: 1, time: 1h, most: 100 },",
				     E(3, "") "," E(2, "") "," E(1, ""));
	struct roster *now;

	roster_enter(s.roster, 0);
	CHECK(roster_failed(s.roster, 1, LATE, LATE));
	rosters_renew(s.all, next, LATE);
	now = roster_take(s.all, next, &next->model->upstreams[0], LATE);
	CHECK_INT(active(now, 2), 1);
	CHECK_INT(active(now, 0), 0);
	CHECK(roster_is_ejected(now, 1, LATE));
	CHECK(!roster_is_ejected(now, 0, LATE));
	roster_leave(s.roster, 0); /* that exchange ends on the snapshot on which it began */
	CHECK_INT(active(now, 2), 0);
	roster_give(s.all, now);
	end(&s);
	snapshot_unref(next);
}

TEST(retries_have_a_share_and_a_floor)
{
	struct scene s = begin("", E(1, ""));

	for (int i = 0; i < 100; i++)
		roster_enter(s.roster, 0);
	for (int i = 0; i < 20; i++)
		CHECK(roster_retry_begin(s.roster, 20, 3));
	CHECK(!roster_retry_begin(s.roster, 20, 3));
	CHECK(roster_may_retry(s.roster, 20, 3)); /* one of them, once more */
	for (int i = 0; i < 99; i++)
		roster_leave(s.roster, 0);
	CHECK(!roster_may_retry(s.roster, 20, 3));
	for (int i = 0; i < 18; i++)
		roster_retry_end(s.roster);
	CHECK(roster_retry_begin(s.roster, 20, 3)); /* two, of three that may always */
	CHECK(!roster_retry_begin(s.roster, 20, 3));
	for (int i = 0; i < 3; i++)
		roster_retry_end(s.roster);
	roster_leave(s.roster, 0);
	end(&s);
}

TEST(who_had_a_client_keeps_it_while_it_can_serve)
{
	static const struct {
		const char *name, *keys, *endpoints, *down, *busy; /* places */
		uint32_t kept;
		int tried;
		char want;
	} rows[] = {
		{ "as it was", "", E(1, "") "," E(2, "") "," E(3, ""), "", "", 2, -1, '2' },
		{ "it gets nothing new", "", E(1, "") "," E(2, ", weight: 0"), "", "", 1, -1, '1' },
		{ "a backup", "", E(1, "") "," E(2, ", priority: 1"), "", "", 1, -1, '1' },
		{ "with room left", "", E(1, "") "," E(2, ", max_requests: 2"), "", "1", 1, -1,
		  '1' },
		{ "without", "", E(1, "") "," E(2, ", max_requests: 1"), "", "1", 1, -1, '0' },
		{ "it is down", "", E(1, "") "," E(2, ""), "1", "", 1, -1, '0' },
		{ "it was asked", "", E(1, "") "," E(2, ""), "", "", 1, 1, '0' },
		{ "all are down", "", E(1, "") "," E(2, ""), "01", "", 1, -1, '1' },
		{ "all are down, closed", "fail: closed,", E(1, "") "," E(2, ""), "01", "", 1, -1,
		  'u' },
		{ "there is no such place", "", E(1, ""), "", "", 1, -1, '0' },
	};

	FOR_ROWS (row, rows) {
		struct scene s = begin(row->keys, row->endpoints);
		struct roster_ask ask = { .now_ms = LATE,
					  .keeps = true,
					  .kept = row->kept,
					  .tried = { (uint32_t)row->tried },
					  .tried_count = row->tried >= 0 };
		uint32_t place = 0;
		char got;

		for (const char *at = row->down; *at; at++)
			atomic_store(&s.snapshot->down[*at - '0'], true);
		for (const char *at = row->busy; *at; at++)
			roster_enter(s.roster, (uint32_t)(*at - '0'));
		got = roster_pick(s.roster, &ask, &place) == ROSTER_FOUND ? (char)('0' + place)
									  : 'u';
		if (got != row->want)
			test_fail(__FILE__, __LINE__, "%s: got %c, want %c", row->name, got,
				  row->want);
		for (const char *at = row->busy; *at; at++)
			roster_leave(s.roster, (uint32_t)(*at - '0'));
		end(&s);
	}
}

TEST(a_key_leads_to_one_endpoint_by_whatever_the_rest_is_balanced)
{
	struct scene s = begin("persistence: { hash_on: \"header:x\" },",
			       E(1, "") "," E(2, "") "," E(3, ""));
	uint32_t seen = 0;

	for (uint64_t hash = 0; hash < 30; hash++) {
		struct roster_ask ask = { .now_ms = LATE, .keyed = true, .hash = hash };
		uint32_t first = 9, again = 9;

		CHECK_INT(roster_pick(s.roster, &ask, &first), ROSTER_FOUND);
		CHECK_INT(roster_pick(s.roster, &ask, &again), ROSTER_FOUND);
		CHECK_INT(first, again);
		seen |= 1u << first;
		/* Away and back: only its own key moved, and comes back. */
		atomic_store(&s.snapshot->down[first], true);
		CHECK_INT(roster_pick(s.roster, &ask, &again), ROSTER_FOUND);
		CHECK(again != first);
		atomic_store(&s.snapshot->down[first], false);
		CHECK_INT(roster_pick(s.roster, &ask, &again), ROSTER_FOUND);
		CHECK_INT(again, first);
	}
	CHECK_INT(seen, 7);
	for (int i = 0; i < 6; i++) /* others go on in turn */
		CHECK_INT(pick(&s, LATE, -1), '0' + i % 3);
	end(&s);
}

/* Results of one window for each of three endpoints, and who is ejected for them, as bits. */
TEST(who_does_worse_than_the_others_is_left_alone)
{
	static const struct {
		const char *name, *rules;
		struct {
			uint32_t good, bad, took_ms;
		} of[3];
		uint32_t ejected;
	} rows[] = {
		{ "half of its own",
		  "rate: 30",
		  { { 100, 0, 5 }, { 50, 50, 5 }, { 100, 0, 5 } },
		  2 },
		{ "all fail alike",
		  "rate: 30",
		  { { 50, 50, 5 }, { 50, 50, 5 }, { 50, 50, 5 } },
		  0 },
		{ "a little more", "rate: 30", { { 80, 20, 5 }, { 60, 40, 5 }, { 80, 20, 5 } }, 0 },
		{ "just so much more",
		  "rate: 30",
		  { { 90, 10, 5 }, { 60, 40, 5 }, { 90, 10, 5 } },
		  2 },
		{ "too few of its own",
		  "rate: 30",
		  { { 100, 0, 5 }, { 0, 9, 5 }, { 100, 0, 5 } },
		  0 },
		{ "too few others", "rate: 30", { { 4, 0, 5 }, { 0, 50, 5 }, { 5, 0, 5 } }, 0 },
		{ "slower by far", "slow: 3", { { 50, 0, 10 }, { 50, 0, 10 }, { 50, 0, 90 } }, 4 },
		{ "slower by less", "slow: 3", { { 50, 0, 40 }, { 50, 0, 40 }, { 50, 0, 90 } }, 0 },
		{ "slower by nothing",
		  "slow: 3",
		  { { 50, 0, 1 }, { 50, 0, 1 }, { 50, 0, 15 } },
		  0 },
		{ "no more than may be away",
		  "rate: 30",
		  { { 0, 50, 5 }, { 0, 50, 5 }, { 1000, 0, 5 } },
		  1 },
	};

	FOR_ROWS (row, rows) {
		char keys[128];
		struct scene s;
		uint32_t place, ejected = 0;

		snprintf(keys, sizeof(keys), "eject: { %s, window: 5s, least: 10, most: 34 },",
			 row->rules);
		s = begin(keys, "{ address: \"10.0.0.1:80\" }, { address: \"10.0.0.2:80\" }, "
				"{ address: \"10.0.0.3:80\" }");
		CHECK_INT(roster_outlier(s.roster, LATE, &place), EJECT_NOT);
		for (uint32_t i = 0; i < 3; i++) {
			for (uint32_t k = 0; k < row->of[i].good; k++)
				roster_answered(s.roster, i, LATE, row->of[i].took_ms);
			for (uint32_t k = 0; k < row->of[i].bad; k++)
				CHECK(!roster_failed(s.roster, i, LATE, LATE));
		}
		CHECK_INT(roster_outlier(s.roster, LATE + 4999, &place), EJECT_NOT);
		while (roster_outlier(s.roster, LATE + 5000, &place) != EJECT_NOT)
			ejected |= 1u << place;
		CHECK_INT(ejected, row->ejected);
		for (uint32_t i = 0; i < 3; i++)
			CHECK_INT(roster_is_ejected(s.roster, i, LATE + 5000), ejected >> i & 1);
		/* A new window has begun. */
		CHECK_INT(roster_outlier(s.roster, LATE + 20000, &place), EJECT_NOT);
		end(&s);
	}
}

TEST(an_answer_that_breaks_off_is_a_failure_and_one_that_is_whole_forgets_them)
{
	struct scene s = begin("eject: { failures: 2, time: 1s, most: 100 },",
			       "{ address: \"10.0.0.1:80\" }");

	roster_answered(s.roster, 0, LATE, 5);
	CHECK(!roster_cut(s.roster, 0, LATE, LATE));
	roster_answered(s.roster, 0, LATE, 5); /* that one has begun says nothing yet */
	CHECK(roster_cut(s.roster, 0, LATE, LATE));
	CHECK(!roster_failed(s.roster, 0, LATE + SECOND, LATE + SECOND));
	roster_answered(s.roster, 0, LATE, 5);
	roster_served(s.roster, 0);
	CHECK(!roster_failed(s.roster, 0, LATE + SECOND, LATE + SECOND));
	end(&s);
}
