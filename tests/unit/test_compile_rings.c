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
