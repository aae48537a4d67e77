/* Maglev for the proxy: shares, and who moves when endpoints change. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/snapshot/snapshot.h"
#include "userspace/upstream/balance.h"

enum { KEYS = 100000, MOST = 101, TEXT = 16384, CHANCE = 7 /* per mille */ };

/* By last number of the address; 0: not there. */
struct group {
	uint32_t weights[MOST];
	bool away[MOST]; /* in the ring, but not to be chosen now */
	bool reversed;   /* written in the other order */
};

static struct snapshot *snapshot_of(const struct group *g)
{
	char text[TEXT];
	int len = snprintf(text, sizeof(text), "upstreams: { a: { balance: maglev, endpoints: [");
	struct findings findings = { 0 };
	struct model *model;

	for (int k = 0; k < MOST; k++) {
		int i = g->reversed ? MOST - 1 - k : k;

		if (g->weights[i])
			len += snprintf(text + len, sizeof(text) - (size_t)len,
					" { address: \"10.0.0.%d:80\", weight: %u },", i + 1,
					g->weights[i]);
	}
	len += snprintf(text + len - 1, sizeof(text) - (size_t)len + 1, " ] } }\n") - 1;
	model = model_load_text("f", text, (size_t)len, &findings);
	if (!model)
		test_fail(__FILE__, __LINE__, "%s: %s", text, findings.list[0].text);
	return snapshot_create(model, 1);
}

/* Who gets each key, by last number of the address. */
static void owners(const struct group *g, uint8_t out[KEYS])
{
	struct snapshot *s = snapshot_of(g);
	const struct upstream *u = &s->model->upstreams[0];
	struct candidate list[MOST] = { 0 };
	struct balancing b = { .list = list,
			       .count = u->endpoint_count,
			       .ring = s->rings[0].places,
			       .slots = s->rings[0].slots };
	uint8_t number[MOST];
	uint64_t keys = 42;

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		number[i] = (uint8_t)(ntohl(u->endpoints[i].address.ip[3]) & 0xff);
		list[i].weight = g->away[number[i] - 1] ? 0 : u->endpoints[i].weight;
	}
	for (int i = 0; i < KEYS; i++) {
		b.hash = balance_mix(&keys);
		out[i] = number[balance_maglev.pick(&b)];
	}
	snapshot_unref(s);
}

/* Of one: what each has by its weight, if it may be chosen. */
static void shares(const struct group *g, double out[MOST])
{
	double sum = 0;

	for (int i = 0; i < MOST; i++)
		sum += out[i] = g->away[i] ? 0 : g->weights[i];
	for (int i = 0; i < MOST; i++)
		out[i] /= sum;
}

/* In per mille, the least that can move. */
static double must_move(const struct group *before, const struct group *after)
{
	double was[MOST], is[MOST], must = 0;

	shares(before, was);
	shares(after, is);
	for (int i = 0; i < MOST; i++)
		must += is[i] > was[i] ? is[i] - was[i] : 0;
	return 1000 * must;
}

#define TEN   1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define FIFTY TEN, TEN, TEN, TEN, TEN

TEST(a_change_moves_those_that_it_must_and_few_others)
{
	/* needless: in per mille of keys, those that moved beyond what had to, which Maglev has a
	 * few of (Eisenbud et al., 5.3), and being away none but by chance. */
	static const struct {
		const char *name;
		struct group before, after;
		double needless;
	} rows[] = {
		{ "nothing", { { TEN } }, { { TEN } }, 0 },
		{ "written in another order", { { TEN } }, { { TEN }, .reversed = true }, 0 },
		{ "one of 10 is added", { { TEN } }, { { TEN, 1 } }, 20 },
		{ "three of 10 are added", { { TEN } }, { { TEN, 1, 1, 1 } }, 20 },
		{ "one of 10 is removed", { { TEN } }, { { 1, 1, 1, 0, 1, 1, 1, 1, 1, 1 } }, 20 },
		{ "five of 10 are removed", { { TEN } }, { { 1, 1, 1, 1, 1 } }, 20 },
		{ "one of 10 gets twice the weight",
		  { { TEN } },
		  { { 2, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
		  20 },
		{ "one of 10 gets half the weight",
		  { { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 } },
		  { { 1, 2, 2, 2, 2, 2, 2, 2, 2, 2 } },
		  20 },
		{ "all weights, ten times",
		  { { TEN } },
		  { { 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 } },
		  0 },
		{ "one of 10 drains (its weight is 0)",
		  { { TEN } },
		  { { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
		  20 },
		{ "one of 10 is down", { { TEN } }, { { TEN }, .away = { [3] = true } }, 8 },
		{ "and up again", { { TEN }, .away = { [3] = true } }, { { TEN } }, 8 },
		{ "three of 10 are down",
		  { { TEN } },
		  { { TEN }, .away = { [1] = true, [3] = true, [8] = true } },
		  8 },
		{ "another one as well",
		  { { TEN }, .away = { [1] = true } },
		  { { TEN }, .away = { [1] = true, [3] = true } },
		  8 },
		{ "one of 100 is added", { { FIFTY, FIFTY } }, { { FIFTY, FIFTY, 1 } }, 20 },
		{ "one of 100 is removed",
		  { { FIFTY, FIFTY } },
		  { { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, TEN, TEN, TEN, TEN, FIFTY } },
		  20 },
	};
	static uint8_t before[KEYS], after[KEYS];

	FOR_ROWS (row, rows) {
		double must = must_move(&row->before, &row->after);
		uint32_t moved = 0;

		owners(&row->before, before);
		owners(&row->after, after);
		for (int i = 0; i < KEYS; i++)
			moved += before[i] != after[i];
		print_message("  %s: %.1f %% of keys moved, %.1f %% must\n", row->name,
			      100.0 * moved / KEYS, must / 10);
		/* What had to is a sample of keys: five standard deviations of it either way. */
		CHECK(1000.0 * moved / KEYS >= must - CHANCE);
		if (1000.0 * moved / KEYS > must + row->needless + (must > 0 ? CHANCE : 0))
			test_fail(__FILE__, __LINE__, "%s: %u of %d moved", row->name, moved, KEYS);
	}
}

TEST(shares_are_as_the_weights_also_of_who_takes_over)
{
	static const struct {
		const char *name;
		struct group group;
		uint32_t permille[MOST];
	} rows[] = {
		{ "equal", { { 1, 1, 1, 1 } }, { 250, 250, 250, 250 } },
		{ "by weight", { { 4, 3, 2, 1 } }, { 400, 300, 200, 100 } },
		{ "one is away", { { 4, 3, 2, 1 }, .away = { true } }, { 0, 500, 333, 167 } },
	};
	static uint8_t got[KEYS];

	FOR_ROWS (row, rows) {
		uint32_t counts[MOST + 1] = { 0 };

		owners(&row->group, got);
		for (int i = 0; i < KEYS; i++)
			counts[got[i]]++;
		for (int i = 0; i < MOST; i++) {
			long off = (long)counts[i + 1] - (long)row->permille[i] * KEYS / 1000;

			if (labs(off) > KEYS / 100 + KEYS / 200)
				test_fail(__FILE__, __LINE__, "%s: endpoint %d has %u of %d",
					  row->name, i + 1, counts[i + 1], KEYS);
		}
	}
}
