/* What a name stands for: who is held that an answer lacks, and how soon a change is told. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/upstream/name_set.h"

enum { BEGIN_MS = 1000000, HOLD_MS = 10000, SECOND_MS = 1000, LARGE = 20, SUBSET = 8 };

static struct name_answer answer_of(uint32_t last)
{
	struct name_answer one = { 0 };

	one.address.ip[2] = htonl(0xffff);
	one.address.ip[3] = htonl(0x0a000000 + last);
	return one;
}

/* Those whose bit is set. */
static uint32_t answers_of(uint32_t bits, struct name_answer *answers)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 32; i++)
		if (bits & 1u << i)
			answers[count++] = answer_of(i);
	return count;
}

static uint32_t count_held(const struct name_set *set)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < set->count; i++)
		held += set->gone_ms[i] != 0;
	return held;
}

static uint32_t bits_of(const struct name_set *set)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < set->count; i++)
		bits |= 1u << (ntohl(set->answers[i].address.ip[3]) & 0xff);
	return bits;
}

/* context: bits of those that are down. */
static bool is_up(void *context, const struct name_answer *answer)
{
	return !(*(const uint32_t *)context >> (ntohl(answer->address.ip[3]) & 0xff) & 1);
}

static uint32_t down;
static const struct name_hold hold = { HOLD_MS, is_up, &down };

static bool take(struct name_set *set, uint32_t bits, uint64_t now_ms)
{
	struct name_answer answers[32];
	uint32_t count = answers_of(bits, answers);

	return name_set_take(set, answers, count, &hold, now_ms);
}

TEST(what_an_answer_lacks_stays_for_a_while)
{
	struct name_set set = { 0 };

	down = 0;
	CHECK(take(&set, 0x7, BEGIN_MS));
	CHECK(!take(&set, 0x3, BEGIN_MS + 1));
	CHECK_INT(bits_of(&set), 0x7);
	CHECK_INT(count_held(&set), 1);
	CHECK_INT(name_set_expires_ms(&set, &hold), BEGIN_MS + 1 + HOLD_MS);
	/* It is no reason for less that somebody else comes or goes. */
	CHECK(take(&set, 0x9, BEGIN_MS + 5000));
	CHECK_INT(bits_of(&set), 0xf);
	CHECK(!name_set_expire(&set, &hold, BEGIN_MS + HOLD_MS));
	CHECK(name_set_expire(&set, &hold, BEGIN_MS + 1 + HOLD_MS));
	CHECK_INT(bits_of(&set), 0xb);
	CHECK(take(&set, 0x9, BEGIN_MS + 5000 + HOLD_MS));
	CHECK_INT(bits_of(&set), 0x9);
	CHECK_INT(name_set_expires_ms(&set, &hold), UINT64_MAX);
}

TEST(who_comes_back_is_held_anew_when_he_goes_again)
{
	struct name_set set = { 0 };

	down = 0;
	take(&set, 0x3, BEGIN_MS);
	take(&set, 0x1, BEGIN_MS + 1000);
	CHECK(!take(&set, 0x3, BEGIN_MS + 9000));
	CHECK_INT(count_held(&set), 0);
	CHECK(!take(&set, 0x1, BEGIN_MS + 9500));
	CHECK(!take(&set, 0x1, BEGIN_MS + 9499 + HOLD_MS));
	CHECK(take(&set, 0x1, BEGIN_MS + 9500 + HOLD_MS));
}

TEST(who_is_down_or_not_to_be_held_goes_at_once)
{
	const struct name_hold never = { 0, is_up, &down };
	struct name_answer one = answer_of(5);
	struct name_set set = { 0 };

	down = 0x2;
	take(&set, 0x7, BEGIN_MS);
	CHECK(take(&set, 0x1, BEGIN_MS + 1));
	CHECK_INT(bits_of(&set), 0x5);
	down = 0x4; /* while it is held */
	CHECK(name_set_expire(&set, &hold, BEGIN_MS + 2));
	CHECK_INT(bits_of(&set), 0x1);
	CHECK(name_set_take(&set, &one, 1, &never, BEGIN_MS + 3));
	CHECK_INT(bits_of(&set), 0x20);
	down = 0;
}

TEST(an_answer_has_room_before_those_that_are_held)
{
	struct name_answer all[NAME_ANSWERS_MAX];
	struct name_set set = { 0 };

	for (uint32_t i = 0; i < NAME_ANSWERS_MAX; i++)
		all[i] = answer_of(i);
	name_set_take(&set, all, NAME_ANSWERS_MAX, &hold, BEGIN_MS);
	for (uint32_t i = 0; i < NAME_ANSWERS_MAX - 1; i++)
		all[i] = answer_of(1000 + i);
	CHECK(name_set_take(&set, all, NAME_ANSWERS_MAX - 1, &hold, BEGIN_MS + 1));
	CHECK_INT(set.count, NAME_ANSWERS_MAX);
	CHECK_INT(count_held(&set), 1);
	CHECK(set.gone_ms[0] && !set.gone_ms[1]); /* the first of before */
}

TEST(a_weight_that_changes_is_a_change)
{
	struct name_answer one = answer_of(1);
	struct name_set set = { 0 };

	CHECK(name_set_take(&set, &one, 1, &hold, BEGIN_MS));
	CHECK(!name_set_take(&set, &one, 1, &hold, BEGIN_MS + 1));
	one.weight = 7;
	CHECK(name_set_take(&set, &one, 1, &hold, BEGIN_MS + 2));
}

/* 8 of 20 at random each second, for ten minutes. */
static uint32_t churn(struct name_set *set, const struct name_hold *how)
{
	struct name_answer answers[32];
	uint32_t changes = 0;

	srandom(1);
	for (uint32_t s = 0; s < 600; s++) {
		uint32_t bits = 0;

		while (__builtin_popcount(bits) < SUBSET)
			bits |= 1u << (uint32_t)random() % LARGE;
		changes += name_set_take(set, answers, answers_of(bits, answers), how,
					 BEGIN_MS + s * SECOND_MS);
	}
	return changes;
}

TEST(subsets_that_rotate_become_a_stable_union)
{
	const struct name_hold never = { 0, is_up, &down }, longer = { 30000, is_up, &down };
	struct name_set without = { 0 }, with = { 0 }, stable = { 0 };

	down = 0;
	CHECK_INT(churn(&without, &never), 600);
	CHECK(churn(&with, &hold) < 200);
	CHECK(churn(&stable, &longer) < 20);
	CHECK_INT(stable.count, LARGE);
}

TEST(pauses_grow_while_changes_keep_coming)
{
	static const uint64_t want_s[] = { 0, 1, 3, 7, 15, 31, 61, 91, 121 };
	struct name_set set = { 0 };
	uint32_t told = 0;
	uint64_t due_ms = UINT64_MAX;

	for (uint64_t s = 0; s <= 121; s++) {
		uint64_t now_ms = BEGIN_MS + s * SECOND_MS;

		if (due_ms == UINT64_MAX)
			due_ms = name_set_tell_ms(&set, now_ms);
		if (due_ms > now_ms)
			continue;
		CHECK_INT(s, want_s[told]);
		name_set_told(&set, now_ms);
		told++;
		due_ms = UINT64_MAX;
	}
	CHECK_INT(told, sizeof(want_s) / sizeof(want_s[0]));
	/* Not quite calm enough, and then it is. */
	CHECK_INT(name_set_tell_ms(&set, set.told_ms + 20000), set.told_ms + NAME_PAUSE_MS_MAX);
	CHECK_INT(name_set_tell_ms(&set, set.told_ms + 60000), set.told_ms + 60000);
	name_set_told(&set, set.told_ms + 60000);
	CHECK_INT(set.pause_ms, NAME_PAUSE_MS);
}

TEST(changes_that_are_rare_never_wait)
{
	struct name_set set = { 0 };

	for (uint64_t s = 0; s < 100; s += 2) {
		uint64_t now_ms = BEGIN_MS + s * SECOND_MS;

		CHECK_INT(name_set_tell_ms(&set, now_ms), now_ms);
		name_set_told(&set, now_ms);
	}
}
