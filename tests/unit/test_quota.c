/* What of a route's limits is used up: rates, requests at once, of one source and of all. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/harness/test.h"
#include "userspace/route/quota.h"

#define SECOND 1000000000ull
#define NOW    (1000 * SECOND)

static uint64_t wait_ns;

static struct addr source(const char *text)
{
	struct addr addr;

	CHECK(addr_parse_ip(span_of(text), &addr));
	return addr;
}

static enum quota_answer enter(const struct route_limits *limits, const char *who, uint64_t now)
{
	struct addr addr = source(who);

	return quota_enter(limits, &addr, now, &wait_ns);
}

static void leave(const struct route_limits *limits, const char *who)
{
	struct addr addr = source(who);

	quota_leave(limits, &addr);
}

TEST(a_rate_lets_a_burst_in_and_then_one_by_one)
{
	struct route_limits limits = { .rate = { SECOND / 10, 5 }, .quota = quota_take(1) };

	for (int i = 0; i < 5; i++)
		CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.2", NOW), QUOTA_RATE);
	CHECK_INT(wait_ns, SECOND / 10);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW + SECOND / 10 - 1), QUOTA_RATE);
	CHECK_INT(wait_ns, 1);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW + SECOND / 10), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW + SECOND / 10), QUOTA_RATE);
	/* After a silence of whatever length, the burst again and no more. */
	for (int i = 0; i < 5; i++)
		CHECK_INT(enter(&limits, "192.0.2.1", NOW + 3600 * SECOND), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW + 3600 * SECOND), QUOTA_RATE);
	quota_give(limits.quota);
}

TEST(over_a_long_time_the_rate_is_what_it_says)
{
	struct route_limits limits = { .source_rate = { SECOND / 100, 20 },
				       .quota = quota_take(2) };
	uint32_t passed = 0;

	for (uint64_t ms = 0; ms < 10000; ms++)
		passed += enter(&limits, "192.0.2.1", NOW + ms * 1000000) == QUOTA_PASS;
	CHECK_INT(passed, 20 + 10 * 100 - 1); /* the last one is not due yet */
	quota_give(limits.quota);
}

TEST(each_source_has_a_rate_of_its_own)
{
	struct route_limits limits = { .source_rate = { SECOND, 1 }, .quota = quota_take(3) };
	static const struct {
		const char *name, *who;
		enum quota_answer answer;
	} rows[] = {
		{ "the first", "192.0.2.1", QUOTA_PASS },
		{ "again", "192.0.2.1", QUOTA_SOURCE_RATE },
		{ "another", "192.0.2.2", QUOTA_PASS },
		{ "IPv6", "2001:db8:1:1::1", QUOTA_PASS },
		{ "of the same /64", "2001:db8:1:1:ffff::2", QUOTA_SOURCE_RATE },
		{ "of another", "2001:db8:1:2::1", QUOTA_PASS },
	};

	FOR_ROWS (row, rows) {
		struct addr who = source(row->who);

		CHECK_INT(quota_look(&limits, &who, NOW), row->answer);
		CHECK_INT(enter(&limits, row->who, NOW), row->answer);
	}
	CHECK_INT(quota_enter(&limits, NULL, NOW, &wait_ns), QUOTA_PASS); /* not known */
	quota_give(limits.quota);
}

TEST(routes_do_not_share_a_source)
{
	struct route_limits a = { .source_rate = { SECOND, 1 }, .quota = quota_take(4) };
	struct route_limits b = { .source_rate = { SECOND, 1 }, .quota = quota_take(5) };

	CHECK_INT(enter(&a, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&b, "192.0.2.1", NOW), QUOTA_PASS);
	quota_give(a.quota);
	quota_give(b.quota);
}

/* As after a reload: the quota is the same. */
TEST(who_waited_at_a_low_rate_waits_no_longer_than_a_new_one_says)
{
	struct route_limits low = { .rate = { 3600 * SECOND, 20 }, .quota = quota_take(11) };
	struct route_limits high = { .rate = { SECOND / 10, 5 }, .quota = low.quota };
	struct addr who = source("192.0.2.1");

	for (int i = 0; i < 20; i++)
		CHECK_INT(enter(&low, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&low, "192.0.2.1", NOW), QUOTA_RATE);
	CHECK_INT(enter(&high, "192.0.2.1", NOW), QUOTA_RATE); /* it is used up, and no more */
	CHECK_INT(wait_ns, SECOND / 10);
	CHECK_INT(quota_look(&high, &who, NOW), QUOTA_RATE);
	CHECK_INT(quota_look(&high, &who, NOW + SECOND / 10), QUOTA_PASS);
	CHECK_INT(enter(&high, "192.0.2.1", NOW + SECOND / 10), QUOTA_PASS);
	CHECK_INT(enter(&high, "192.0.2.1", NOW + SECOND / 10), QUOTA_RATE);
	quota_give(low.quota);
}

TEST(a_source_at_another_rate_begins_anew)
{
	struct route_limits low = { .source_rate = { 3600 * SECOND, 3 }, .quota = quota_take(12) };
	struct route_limits high = { .source_rate = { SECOND, 1 }, .quota = low.quota };
	struct addr who = source("192.0.2.1");

	for (int i = 0; i < 3; i++)
		CHECK_INT(enter(&low, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&low, "192.0.2.1", NOW), QUOTA_SOURCE_RATE);
	CHECK_INT(quota_look(&high, &who, NOW), QUOTA_PASS);
	CHECK_INT(enter(&high, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&high, "192.0.2.1", NOW), QUOTA_SOURCE_RATE);
	CHECK_INT(quota_look(&low, &who, NOW), QUOTA_SOURCE_RATE);
	quota_give(low.quota);
}

/* Six for each column: if each row took on what all of them sent, a third would be refused. */
TEST(a_crowd_of_sources_is_in_the_way_of_few)
{
	enum { CROWD = 6 << 17, OTHERS = 10000 };
	struct route_limits limits = { .source_rate = { 12 * SECOND, 5 }, .quota = quota_take(13) };
	struct addr who = source("2001:db8::");
	uint32_t refused = 0;

	for (uint32_t i = 0; i < CROWD + OTHERS; i++) {
		memcpy(who.ip, &i, sizeof(i));
		if (quota_enter(&limits, &who, NOW, &wait_ns) != QUOTA_PASS && i >= CROWD)
			refused++;
	}
	if (refused > OTHERS / 20)
		fail_msg("%u of %d were refused", refused, OTHERS);
	quota_give(limits.quota);
}

TEST(so_many_at_once_and_what_ends_makes_room)
{
	struct route_limits limits = { .requests = 3,
				       .source_requests = 2,
				       .quota = quota_take(6) };

	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_SOURCE_FULL);
	CHECK_INT(enter(&limits, "192.0.2.2", NOW), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.3", NOW), QUOTA_FULL);
	leave(&limits, "192.0.2.1");
	CHECK_INT(enter(&limits, "192.0.2.3", NOW), QUOTA_PASS);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_FULL);
	leave(&limits, "192.0.2.2");
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	leave(&limits, "192.0.2.1");
	leave(&limits, "192.0.2.1");
	leave(&limits, "192.0.2.3");
	for (int i = 0; i < 2; i++)
		CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	for (int i = 0; i < 2; i++)
		leave(&limits, "192.0.2.1");
	quota_give(limits.quota);
}

/* One that a rate refuses holds no place. */
TEST(who_is_refused_holds_nothing)
{
	struct route_limits limits = {
		.requests = 2, .source_requests = 2, .rate = { SECOND, 1 }, .quota = quota_take(7)
	};
	struct route_limits at_once = { .requests = 2,
					.source_requests = 2,
					.quota = limits.quota };

	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	for (int i = 0; i < 10; i++)
		CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_RATE);
	CHECK_INT(enter(&at_once, "192.0.2.1", NOW), QUOTA_PASS);
	leave(&limits, "192.0.2.1");
	leave(&at_once, "192.0.2.1");
	quota_give(limits.quota);
}

TEST(what_is_used_up_outlives_who_took_it_first)
{
	struct quota *first = quota_take(8), *second = quota_take(8);
	struct route_limits limits = { .rate = { SECOND, 1 }, .quota = first };

	CHECK(first == second);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	quota_give(first);
	limits.quota = second;
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_RATE);
	quota_give(second);
	limits.quota = quota_take(8);
	CHECK_INT(enter(&limits, "192.0.2.1", NOW), QUOTA_PASS);
	quota_give(limits.quota);
}

enum { THREADS = 4, TURNS = 20000 };

static struct route_limits together;
static atomic_uint most, under_way, passed;

/* Requests that begin and end; never more at once than may be. */
static void *come_and_go(void *context)
{
	struct addr who = source(context);
	uint64_t wait;

	for (int i = 0; i < TURNS; i++) {
		uint32_t now;

		if (quota_enter(&together, &who, NOW, &wait) != QUOTA_PASS)
			continue;
		now = atomic_fetch_add(&under_way, 1) + 1;
		while (now > atomic_load(&most))
			atomic_store(&most, now);
		atomic_fetch_add(&passed, 1);
		atomic_fetch_sub(&under_way, 1);
		quota_leave(&together, &who);
	}
	return NULL;
}

static void run_together(void)
{
	static char names[THREADS][24];
	pthread_t threads[THREADS];

	atomic_store(&most, 0);
	atomic_store(&passed, 0);
	for (int i = 0; i < THREADS; i++) {
		snprintf(names[i], sizeof(names[i]), "192.0.2.%d", i + 1);
		CHECK_INT(pthread_create(&threads[i], NULL, come_and_go, names[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST(many_are_found_by_their_names)
{
	enum { MANY = 100000 };
	static struct quota *taken[MANY];

	for (uint64_t i = 0; i < MANY; i++)
		taken[i] = quota_take(1000 + i * 0x10001);
	for (uint64_t i = 0; i < MANY; i++) {
		CHECK(quota_take(1000 + i * 0x10001) == taken[i]);
		quota_give(taken[i]);
	}
	for (uint64_t i = 0; i < MANY; i++)
		quota_give(taken[i]);
}

TEST(limits_hold_over_threads)
{
	struct addr who = source("192.0.2.1");

	together = (struct route_limits){ .requests = 2,
					  .source_requests = 2,
					  .quota = quota_take(9) };
	run_together();
	CHECK(atomic_load(&most) <= 2);
	CHECK(atomic_load(&passed) > 0);
	together.requests = 1; /* nothing is left behind */
	CHECK_INT(quota_look(&together, &who, NOW), QUOTA_PASS);
	quota_give(together.quota);
	together = (struct route_limits){ .rate = { SECOND, 1000 }, .quota = quota_take(10) };
	run_together();
	CHECK_INT(atomic_load(&passed), 1000);
	quota_give(together.quota);
}
