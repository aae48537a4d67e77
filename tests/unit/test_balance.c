/* Each way to choose, counted against what theory says; chance is a fixed seed. */
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/upstream/balance.h"

enum { MEMBERS_MAX = 4, ROUNDS = 10, DRAWS = 100000 };

static uint64_t seed = 20261121;

/* Pearson's; at most 3 degrees of freedom are used here: 16.27 is met once in 1000 seeds. */
static double chi_square(const uint32_t *got, const double *share, uint32_t count, double draws)
{
	double sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		double want = share[i] * draws;

		if (want > 0)
			sum += (got[i] - want) * (got[i] - want) / want;
		else
			CHECK_INT(got[i], 0);
	}
	return sum;
}

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
		struct candidate list[MEMBERS_MAX] = { 0 };
		struct balancing b = { .list = list, .count = row->count };
		uint32_t got[MEMBERS_MAX] = { 0 }, total = 0;

		for (uint32_t i = 0; i < row->count; i++)
			total += list[i].weight = row->weights[i];
		for (uint32_t i = 0; i < total * ROUNDS; i++)
			got[balance_round_robin.pick(&b)]++;
		for (uint32_t i = 0; i < row->count; i++)
			CHECK_INT(got[i], row->weights[i] * ROUNDS);
	}
}

TEST(equal_endpoints_take_turns_in_order_of_writing)
{
	struct candidate list[3] = { { .weight = 1 }, { .weight = 1 }, { .weight = 1 } };
	struct balancing b = { .list = list, .count = 3 };

	for (uint32_t i = 0; i < 7; i++)
		CHECK_INT(balance_round_robin.pick(&b), i % 3);
}

TEST(a_heavy_endpoint_does_not_get_all_its_turns_in_a_row)
{
	/* The example of nginx's own description: a a b a c a a. */
	static const uint32_t want[] = { 0, 0, 1, 0, 2, 0, 0 };
	struct candidate list[3] = { { .weight = 5 }, { .weight = 1 }, { .weight = 1 } };
	struct balancing b = { .list = list, .count = 3 };

	for (uint32_t i = 0; i < 21; i++)
		CHECK_INT(balance_round_robin.pick(&b), want[i % 7]);
}

TEST(without_any_weight_nobody_is_chosen)
{
	static const uint32_t ring[] = { 0, 1, 0, 1, 0, 1, 0 };

	for (int kind = 0; kind < BALANCES; kind++) {
		struct candidate list[2] = { { .active = 1 }, { .active = 0 } };
		struct balancing b = { .list = list, .count = 2, .ring = ring, .slots = 7 };

		CHECK_INT(balance_kinds[kind]->pick(&b), BALANCE_NOBODY);
		b.count = 0;
		b.ring = NULL;
		CHECK_INT(balance_kinds[kind]->pick(&b), BALANCE_NOBODY);
		/* The only one, whatever it has to do. */
		list[1] = (struct candidate){ .weight = 1, .active = 1000 };
		b = (struct balancing){ .list = list, .count = 2, .ring = ring, .slots = 7 };
		for (b.hash = 0; b.hash < 20; b.hash++)
			CHECK_INT(balance_kinds[kind]->pick(&b), 1);
	}
}

TEST(chance_keeps_to_the_weights)
{
	static const struct {
		const char *name;
		const struct balance_ops *ops;
		uint32_t weights[MEMBERS_MAX], active[MEMBERS_MAX];
		double share[MEMBERS_MAX];
	} rows[] = {
		{ "least request, all idle",
		  &balance_least_request,
		  { 1, 1, 1, 1 },
		  { 0 },
		  { .25, .25, .25, .25 } },
		{ "least request, equals only",
		  &balance_least_request,
		  { 1, 1, 1, 1 },
		  { 2, 1, 1, 2 },
		  { 0, .5, .5, 0 } },
		{ "least request for its weight",
		  &balance_least_request,
		  { 1, 3, 0, 1 },
		  { 0, 2, 0, 1 },
		  { .25, .75, 0, 0 } },
		{ "random of two, all alike",
		  &balance_random_two,
		  { 1, 1, 1, 1 },
		  { 0 },
		  { .25, .25, .25, .25 } },
		{ "random of two by weight",
		  &balance_random_two,
		  { 1, 2, 0, 5 },
		  { 0 },
		  { .125, .25, 0, .625 } },
		/* Of four the busiest wins no pair, the next 1 of 6, then 2, then 3. */
		{ "random of two by what they have to do",
		  &balance_random_two,
		  { 1, 1, 1, 1 },
		  { 9, 5, 3, 1 },
		  { 0, 1. / 6, 2. / 6, 3. / 6 } },
	};

	FOR_ROWS (row, rows) {
		struct candidate list[MEMBERS_MAX];
		struct balancing b = { .list = list, .count = MEMBERS_MAX };
		uint32_t got[MEMBERS_MAX] = { 0 };
		double chi;

		for (int i = 0; i < MEMBERS_MAX; i++)
			list[i] = (struct candidate){ .weight = row->weights[i],
						      .active = row->active[i] };
		for (int i = 0; i < DRAWS; i++) {
			b.random = balance_mix(&seed);
			got[row->ops->pick(&b)]++;
		}
		chi = chi_square(got, row->share, MEMBERS_MAX, DRAWS);
		if (chi > 16.27)
			test_fail(__FILE__, __LINE__, "chi square is %.2f: %u %u %u %u", chi,
				  got[0], got[1], got[2], got[3]);
	}
}

/* Balls that stay in their bins: the fullest of n with n balls in each. */
static uint32_t fullest(const struct balance_ops *ops, uint32_t bins, uint32_t each)
{
	struct candidate *list = must_alloc(bins * sizeof(*list));
	struct balancing b = { .list = list, .count = bins };
	uint32_t most = 0;

	for (uint32_t i = 0; i < bins; i++)
		list[i].weight = 1;
	for (uint32_t i = 0; i < bins * each; i++) {
		b.random = balance_mix(&seed);
		list[ops->pick(&b)].active++;
	}
	for (uint32_t i = 0; i < bins; i++)
		if (list[i].active > most)
			most = list[i].active;
	free(list);
	return most;
}

TEST(two_choices_are_nearly_as_even_as_looking_at_all)
{
	CHECK_INT(fullest(&balance_least_request, 200, 20), 20);
	/* The mean and log log n / log 2, about 2.4, and a constant (Berenbrink et al., 2006);
	 * one choice alone would give about 20 + sqrt(2 * 20 * log 200), that is 34. */
	CHECK(fullest(&balance_random_two, 200, 20) <= 20 + 4);
}
