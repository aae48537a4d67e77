/* Maglev: shares by weight, the same everywhere, little moves. */
#include <stdlib.h>
#include <xxhash.h>

#include "tests/harness/test.h"
#include "userspace/snapshot/compile_rings.h"

enum { SLOTS = 16381, MEMBERS = 20 };

/* Names are spread as hashes are: the same ones in every run. */
static struct ring_member member(uint32_t id, uint32_t weight)
{
	return (struct ring_member){ .name_hash = XXH3_64bits(&id, sizeof(id)),
				     .id = id,
				     .weight = weight };
}

static void fill(struct ring_member *members, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		members[i] = member(100 + i, 1);
}

static uint32_t count_of(const uint32_t *slots, uint32_t id)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		n += slots[i] == id;
	return n;
}

TEST(every_member_gets_its_share_by_weight)
{
	static const struct {
		const char *name;
		uint32_t weights[4];
	} rows[] = {
		{ "equal", { 1, 1, 1, 1 } },
		{ "twice", { 2, 1, 1, 2 } },
		{ "a tenth", { 10, 1, 10, 10 } },
		{ "one out of use", { 3, 0, 3, 3 } },
		{ "the extremes", { 1000, 1, 1000, 1000 } },
	};
	static uint32_t slots[SLOTS];

	FOR_ROWS (row, rows) {
		struct ring_member members[4];
		uint32_t sum = 0;

		for (uint32_t i = 0; i < 4; i++) {
			members[i] = member(i, row->weights[i]);
			sum += row->weights[i];
		}
		CHECK(compile_ring(members, 4, 7, slots, SLOTS));
		for (uint32_t i = 0; i < 4; i++) {
			int want = (int)((uint64_t)SLOTS * row->weights[i] / sum);

			/* Nobody is more than a slot a round and member away from his part. */
			CHECK(abs((int)count_of(slots, i) - want) <= 4);
		}
	}
}

TEST(the_order_of_members_changes_nothing_but_the_seed_does)
{
	static uint32_t one[SLOTS], two[SLOTS];
	struct ring_member members[MEMBERS], turned[MEMBERS];
	uint32_t differ = 0;

	fill(members, MEMBERS);
	for (uint32_t i = 0; i < MEMBERS; i++)
		turned[i] = members[MEMBERS - 1 - i];
	CHECK(compile_ring(members, MEMBERS, 7, one, SLOTS));
	CHECK(compile_ring(turned, MEMBERS, 7, two, SLOTS));
	CHECK(memcmp(one, two, sizeof(one)) == 0);
	CHECK(compile_ring(members, MEMBERS, 8, two, SLOTS));
	for (uint32_t i = 0; i < SLOTS; i++)
		differ += one[i] != two[i];
	CHECK(differ > SLOTS / 2);
}

TEST(when_a_member_goes_the_others_keep_nearly_all_of_theirs)
{
	static uint32_t before[SLOTS], after[SLOTS];
	struct ring_member members[MEMBERS];
	uint32_t moved = 0, orphans;

	fill(members, MEMBERS);
	CHECK(compile_ring(members, MEMBERS, 7, before, SLOTS));
	orphans = count_of(before, members[3].id);
	members[3].weight = 0;
	CHECK(compile_ring(members, MEMBERS, 7, after, SLOTS));
	CHECK_INT(count_of(after, members[3].id), 0);
	for (uint32_t i = 0; i < SLOTS; i++)
		moved += before[i] != members[3].id && before[i] != after[i];
	CHECK(orphans > 0);
	CHECK(moved <
	      SLOTS * 6 / 100); /* the paper's figures for a ring of this fill: some per cent */
}

/* Where members are as many as slots, each step of each walk counts. */
TEST(in_the_smallest_rings_every_member_has_a_slot)
{
	static const uint32_t sizes[] = { 2, 3, 5, 7, 11, 13 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint64_t seed = 0; seed < 100; seed++) {
			struct ring_member members[MEMBERS];
			uint32_t slots[MEMBERS] = { 0 };

			fill(members, sizes[i]);
			CHECK(compile_ring(members, sizes[i], seed, slots, sizes[i]));
			for (uint32_t k = 0; k < sizes[i]; k++) {
				CHECK(slots[k] >= 100 && slots[k] < 100 + sizes[i]);
				for (uint32_t j = 0; j < k; j++)
					CHECK(slots[j] != slots[k]);
			}
		}
}

TEST(a_ring_without_weight_is_none)
{
	static uint32_t slots[SLOTS];
	struct ring_member members[1] = { member(1, 0) };

	slots[0] = 99;
	CHECK(!compile_ring(NULL, 0, 7, slots, SLOTS));
	CHECK(!compile_ring(members, 1, 7, slots, SLOTS));
	CHECK_INT(slots[0], 99);
	members[0].weight = 1;
	CHECK(compile_ring(members, 1, 7, slots, SLOTS));
	CHECK_INT(count_of(slots, 1), SLOTS);
}

enum { LARGEST = 65537 };

/* In parts of ten thousand of all slots: those that another ring could have spared. */
static uint32_t needless(const uint32_t *before, const uint32_t *after, uint32_t slots)
{
	static int32_t gain[2 * LARGEST];
	uint32_t moved = 0, must = 0;

	memset(gain, 0, sizeof(gain));
	for (uint32_t i = 0; i < slots; i++) {
		moved += before[i] != after[i];
		gain[before[i]]--;
		gain[after[i]]++;
	}
	for (uint32_t id = 0; id < 2 * LARGEST; id++)
		must += gain[id] > 0 ? (uint32_t)gain[id] : 0;
	return (moved - must) * 10000 / slots;
}

TEST(a_change_moves_at_most_one_per_cent_more_than_it_must)
{
	static const struct {
		const char *name;
		uint32_t slots, members, weights; /* from 1 to this in turn */
	} rows[] = {
		{ "two", SLOTS, 2, 1 },
		{ "ten", SLOTS, 10, 1 },
		{ "forty, by weight", SLOTS, 40, 5 },
		{ "two, the largest ring", LARGEST, 2, 1 },
		{ "thirty, the largest ring", LARGEST, 30, 100 },
		{ "a hundred, the largest ring", LARGEST, 100, 1 },
		{ "three hundred, the largest ring", LARGEST, 300, 1 },
		{ "a thousand, the largest ring", LARGEST, 1000, 10 },
		{ "five thousand, the largest ring", LARGEST, 5000, 1 },
	};
	static uint32_t before[LARGEST], after[LARGEST];
	static struct ring_member members[5001];

	FOR_ROWS (row, rows) {
		uint32_t n = row->members;

		for (uint32_t i = 0; i <= n; i++)
			members[i] = member(1 + i, 1 + i % row->weights);
		CHECK(compile_ring(members, n, 7, before, row->slots));
		CHECK(compile_ring(members + 1, n - 1, 7, after, row->slots)); /* one goes */
		CHECK(needless(before, after, row->slots) <= 100);
		CHECK(compile_ring(members, n + 1, 7, after, row->slots)); /* one comes */
		CHECK(needless(before, after, row->slots) <= 100);
		members[n / 2].weight *= 2;
		CHECK(compile_ring(members, n, 7, after, row->slots)); /* one gets more */
		CHECK(needless(before, after, row->slots) <= 100);
	}
}

TEST(in_the_largest_ring_nobody_has_one_per_cent_more_than_his_share)
{
	static uint32_t slots[LARGEST], counts[1001];
	static struct ring_member members[1000];
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		members[i] = member(1 + i, 1 + i % 5);
		sum += members[i].weight;
	}
	memset(counts, 0, sizeof(counts));
	CHECK(compile_ring(members, 1000, 7, slots, LARGEST));
	for (uint32_t i = 0; i < LARGEST; i++)
		counts[slots[i]]++;
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t share = (uint64_t)LARGEST * members[i].weight;

		/* ... but for the slot that is not divided. */
		CHECK((uint64_t)counts[1 + i] * sum * 100 <= share * 101 + 100ull * sum);
		CHECK((uint64_t)counts[1 + i] * sum * 100 + 100ull * sum >= share * 99);
	}
}
