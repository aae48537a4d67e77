#include "tests/harness/test.h"
#include "userspace/upstream/balance_round_robin.h"

enum { MEMBERS_MAX = 4, ROUNDS = 10 };

TEST(in_a_round_each_endpoint_gets_exactly_its_weight)
{
	static const struct {
		const char *name;
		uint32_t count, weights[MEMBERS_MAX];
	} rows[] = {
		{ "one", 1, { 1 } },
		{ "equal", 3, { 1, 1, 1 } },
		{ "equal and not one", 3, { 5, 5, 5 } },
		{ "two to one", 2, { 2, 1 } },
		{ "one has none", 3, { 3, 0, 1 } },
		{ "very different", 4, { 1000, 1, 17, 250 } },
	};

	FOR_ROWS (row, rows) {
		struct endpoint endpoints[MEMBERS_MAX] = { 0 };
		struct upstream upstream = { .endpoints = endpoints, .endpoint_count = row->count };
		uint32_t cursor = 0, got[MEMBERS_MAX] = { 0 }, total = 0;

		for (uint32_t i = 0; i < row->count; i++) {
			endpoints[i].weight = row->weights[i];
			total += row->weights[i];
		}
		for (uint32_t i = 0; i < total * ROUNDS; i++)
			got[balance_round_robin(&upstream, NULL, &cursor, 0) - endpoints]++;
		for (uint32_t i = 0; i < row->count; i++)
			CHECK_INT(got[i], row->weights[i] * ROUNDS);
	}
}

TEST(equal_endpoints_take_turns_in_order_of_writing)
{
	struct endpoint endpoints[3] = { { .weight = 1 }, { .weight = 1 }, { .weight = 1 } };
	struct upstream upstream = { .endpoints = endpoints, .endpoint_count = 3 };
	uint32_t cursor = 0;

	for (uint32_t i = 0; i < 7; i++)
		CHECK_INT(balance_round_robin(&upstream, NULL, &cursor, 0) - endpoints, i % 3);
}

TEST(a_heavy_endpoint_does_not_get_all_its_turns_in_a_row)
{
	struct endpoint endpoints[2] = { { .weight = 5 }, { .weight = 5 + 1 } };
	struct upstream upstream = { .endpoints = endpoints, .endpoint_count = 2 };
	uint32_t cursor = 0, run = 0, longest = 0, last = 9;

	for (uint32_t i = 0; i < 22; i++) {
		uint32_t now =
			(uint32_t)(balance_round_robin(&upstream, NULL, &cursor, 0) - endpoints);

		run = now == last ? run + 1 : 1;
		last = now;
		if (run > longest)
			longest = run;
	}
	CHECK(longest <= 2);
}

TEST(an_upstream_without_weight_has_nobody)
{
	struct endpoint endpoints[2] = { { .weight = 0 }, { .weight = 0 } };
	struct upstream upstream = { .endpoints = endpoints, .endpoint_count = 2 };
	uint32_t cursor = 0;

	CHECK(!balance_round_robin(&upstream, NULL, &cursor, 0));
	upstream.endpoint_count = 0;
	CHECK(!balance_round_robin(&upstream, NULL, &cursor, 0));
}

TEST(who_is_down_has_no_turn_unless_all_are)
{
	static const struct {
		const char *name;
		uint32_t weights[3];
		bool down[3];
		uint32_t shares[3]; /* of 12 turns */
	} rows[] = {
		{ "nobody is down", { 1, 1, 1 }, { false }, { 4, 4, 4 } },
		{ "one is", { 1, 1, 1 }, { false, true, false }, { 6, 0, 6 } },
		{ "two are", { 1, 1, 1 }, { true, true, false }, { 0, 0, 12 } },
		{ "all are", { 1, 1, 1 }, { true, true, true }, { 4, 4, 4 } },
		{ "weights of the rest count", { 3, 1, 5 }, { false, false, true }, { 9, 3, 0 } },
		{ "the only one with a weight is",
		  { 0, 1, 0 },
		  { false, true, false },
		  { 0, 12, 0 } },
	};

	FOR_ROWS (row, rows) {
		struct endpoint endpoints[3] = { 0 };
		struct upstream upstream = { .endpoints = endpoints, .endpoint_count = 3 };
		uint32_t cursor = 0, got[3] = { 0 };
		atomic_bool down[3];

		for (uint32_t i = 0; i < 3; i++) {
			endpoints[i].index = i;
			endpoints[i].weight = row->weights[i];
			atomic_init(&down[i], row->down[i]);
		}
		for (int i = 0; i < 12; i++)
			got[balance_round_robin(&upstream, down, &cursor, 0) - endpoints]++;
		for (int i = 0; i < 3; i++)
			CHECK_INT(got[i], row->shares[i]);
		for (uint32_t skip = 1; skip < 7; skip++) /* who looks on finds the rest only */
			if (row->shares[1] == 0)
				CHECK(balance_round_robin(&upstream, down, &cursor, skip) !=
				      &endpoints[1]);
	}
}
