/* Shares of a split: as many users as their weights say, and as few moves as can be. */
#include <math.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/route/route_split.h"

enum { USERS = 100000, SHARES = 4 };

static const struct upstream site = { .name = "site" }, next = { .name = "next" },
			     third = { .name = "third" }, fourth = { .name = "fourth" };

/* The value of the only field there is. */
static struct span field_of(const void *context, struct span name)
{
	const char *const *pair = context;

	return span_is(name, span_of(pair[0])) ? span_of(pair[1]) : (struct span){ NULL, 0 };
}

static const struct upstream *choose(const struct split *split, uint32_t user)
{
	struct route route = { .split = (struct split *)split };
	char value[32];
	const char *pair[] = { "x-user", value };
	struct route_request req = { .field = field_of, .context = pair };

	snprintf(value, sizeof(value), "user-%u", user);
	return route_split(&route, &req, 0);
}

TEST(shares_get_what_their_weights_say)
{
	static const uint32_t weights[][3] = { { 95, 5, 0 }, { 1, 1, 1 }, { 50, 30, 20 } };

	for (size_t row = 0; row < 3; row++) {
		struct share shares[] = { { &site, weights[row][0] },
					  { &next, weights[row][1] },
					  { &third, weights[row][2] } };
		struct split split = { shares, 3, STICKY_HEADER, "x-user" };
		uint32_t got[3] = { 0 }, all = weights[row][0] + weights[row][1] + weights[row][2];

		for (uint32_t user = 0; user < USERS; user++) {
			const struct upstream *to = choose(&split, user);

			got[to == &site ? 0 : to == &next ? 1 : 2]++;
		}
		/* Five standard deviations are less than 800 of 100000. */
		for (int i = 0; i < 3; i++)
			CHECK(labs((long)got[i] - (long)USERS * weights[row][i] / all) < 800);
		if (weights[row][2] == 0)
			CHECK_INT(got[2], 0);
	}
}

/* Who has which share, by number; weights of 0 have nobody. */
static void owners(const uint32_t weights[SHARES], uint8_t out[USERS])
{
	struct share shares[] = { { &site, weights[0] },
				  { &next, weights[1] },
				  { &third, weights[2] },
				  { &fourth, weights[3] } };
	uint32_t count = weights[3] ? 4 : weights[2] ? 3 : 2;
	struct split split = { shares, count, STICKY_HEADER, "x-user" };

	for (uint32_t user = 0; user < USERS; user++) {
		const struct upstream *to = choose(&split, user);

		out[user] = to == &site ? 0 : to == &next ? 1 : to == &third ? 2 : 3;
	}
}

TEST(from_5_to_50_percent_each_step_moves_exactly_those_who_must)
{
	static uint8_t had[USERS], has[USERS];
	uint32_t all = 0;

	owners((uint32_t[SHARES]){ 95, 5 }, had);
	for (uint32_t weight = 6; weight <= 50; weight++) {
		uint32_t moved = 0, back = 0, before = 0, after = 0;

		owners((uint32_t[SHARES]){ 100 - weight, weight }, has);
		for (uint32_t user = 0; user < USERS; user++) {
			before += had[user] == 1;
			after += has[user] == 1;
			moved += had[user] != has[user];
			back += had[user] == 1 && has[user] == 0;
		}
		CHECK_INT(back, 0);
		/* Not one more than the share has grown by. */
		CHECK_INT(moved, after - before);
		all += moved;
		memcpy(had, has, sizeof(had));
	}
	/* Five standard deviations are less than 800 of 100000. */
	CHECK(labs((long)all - USERS * 45 / 100) < 800);
	print_message("  95:5 to 50:50 in 45 steps: %.2f %% of users moved, 45 %% must\n",
		      100.0 * all / USERS);
}

/*
 * What these draws move, in theory (Moulton and Jiang, 2018: no way to choose without memory moves
 * fewer for one change and not more for another). p, q: shares of one.
 */
static double drawn_to_move(const double *p, const double *q)
{
	double stay = 0;

	for (int i = 0; i < SHARES; i++) {
		double sum = 0;

		if (p[i] == 0 || q[i] == 0)
			continue;
		for (int j = 0; j < SHARES; j++)
			sum += fmax(p[j] / p[i], q[j] / q[i]);
		stay += 1 / sum;
	}
	return 1 - stay;
}

TEST(of_several_shares_users_leave_only_those_that_shrink_for_those_that_grow)
{
	static const struct {
		const char *name;
		uint32_t before[SHARES], after[SHARES];
		bool least; /* nobody but those who must, in any way to choose */
	} rows[] = {
		{ "nothing", { 50, 30, 20 }, { 50, 30, 20 }, true },
		{ "all alike, ten times", { 50, 30, 20 }, { 500, 300, 200 }, true },
		{ "one grows", { 50, 30, 20 }, { 50, 30, 40 }, true },
		{ "one shrinks", { 50, 30, 20 }, { 25, 30, 20 }, true },
		{ "one comes", { 50, 30, 20 }, { 50, 30, 20, 10 }, true },
		{ "one goes", { 50, 30, 20 }, { 50, 0, 20 }, true },
		{ "one of four grows to the rest's cost",
		  { 90, 4, 3, 3 },
		  { 60, 4, 3, 33 },
		  false },
		{ "one gives another what it loses", { 50, 30, 20 }, { 50, 25, 25 }, false },
		{ "blue-green, beside a third", { 90, 0, 10 }, { 0, 90, 10 }, false },
	};
	static uint8_t had[USERS], has[USERS];

	FOR_ROWS (row, rows) {
		double p[SHARES], q[SHARES], must = 0, drawn;
		uint32_t moved = 0, wrong = 0, sum_p = 0, sum_q = 0;

		for (int i = 0; i < SHARES; i++) {
			sum_p += row->before[i];
			sum_q += row->after[i];
		}
		for (int i = 0; i < SHARES; i++) {
			p[i] = (double)row->before[i] / sum_p;
			q[i] = (double)row->after[i] / sum_q;
			must += fmax(0, q[i] - p[i]);
		}
		owners(row->before, had);
		owners(row->after, has);
		for (uint32_t user = 0; user < USERS; user++) {
			int from = had[user], to = has[user];

			moved += from != to;
			/* By what is written: a share whose weight stays neither gives nor takes
			 * for its own sake. */
			wrong += from != to && (uint64_t)row->after[to] * row->before[from] <=
						       (uint64_t)row->before[to] * row->after[from];
		}
		drawn = drawn_to_move(p, q);
		print_message("  %s: %.2f %% of users moved, %.2f %% must\n", row->name,
			      100.0 * moved / USERS, 100 * must);
		CHECK_INT(wrong, 0);
		CHECK(fabs(moved - USERS * drawn) < 800);
		CHECK(!row->least || fabs(drawn - must) < 1e-9);
		CHECK(drawn <= 2 * must / (1 + must) + 1e-9);
	}
}

TEST(users_without_a_name_go_by_address_and_requests_by_chance)
{
	struct share shares[] = { { &site, 1 }, { &next, 1 } };
	struct split split = { shares, 2, STICKY_COOKIE, "user" };
	struct route route = { .split = &split };
	const char *none[] = { "x", "" };
	struct addr client = { .ip = { 1, 2, 3, 4 } };
	struct route_request req = { .field = field_of, .context = none, .client = &client };
	const struct upstream *first = route_split(&route, &req, 0);
	uint32_t others = 0, by_chance = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		client.port = (__be16)i;
		CHECK(route_split(&route, &req, i) == first);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		client.ip[3] = i;
		others += route_split(&route, &req, 0) != first;
	}
	CHECK(others > 400 && others < 600);
	split.sticky = STICKY_NONE;
	for (uint32_t i = 0; i < 1000; i++)
		by_chance += route_split(&route, &req, i) == &site;
	CHECK(by_chance > 400 && by_chance < 600);
}
