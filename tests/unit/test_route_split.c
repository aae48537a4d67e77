/* Shares of a split: as many users as their weights say, and as few moves as can be. */
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/route/route_split.h"

enum { USERS = 100000 };

static const struct upstream site = { .name = "site" }, next = { .name = "next" },
			     third = { .name = "third" };

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

TEST(users_move_only_to_the_share_that_grows)
{
	struct share shares[] = { { &site, 95 }, { &next, 5 } };
	struct split split = { shares, 2, STICKY_HEADER, "x-user" };
	static bool had[USERS];
	uint32_t moved = 0, on_next = 0;

	for (uint32_t user = 0; user < USERS; user++)
		on_next += had[user] = choose(&split, user) == &next;
	for (uint32_t weight = 6; weight <= 50; weight++) {
		shares[0].weight = 100 - weight;
		shares[1].weight = weight;
		for (uint32_t user = 0; user < USERS; user++) {
			bool has = choose(&split, user) == &next;

			CHECK(has || !had[user]); /* nobody goes back */
			moved += has && !had[user];
			had[user] = has;
		}
	}
	/* So that nobody moves twice, and no more than the 45 % that have to. */
	CHECK(labs((long)moved - USERS * 45 / 100) < 800);
	CHECK(labs((long)on_next - USERS * 5 / 100) < 800);
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
