/* Maglev for the proxy: shares, and who moves when endpoints change. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/snapshot/snapshot.h"
#include "userspace/upstream/balance.h"

enum { KEYS = 20000, MOST = 12, TEXT = 4096 };

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

#define TEN { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }

TEST(a_change_moves_those_that_it_must_and_few_others)
{
	/* In per mille of keys: whose endpoint changed, and those that changed without need, which
	 * Maglev has a few of (Eisenbud et al., 5.3) and being away has none of. */
	static const struct {
		const char *name;
		struct group before, after;
		uint32_t least, most, needless;
	} rows[] = {
		{ "nothing", { TEN }, { TEN }, 0, 0, 0 },
		{ "another order", { TEN }, { TEN, .reversed = true }, 0, 0, 0 },
		{ "one is added", { TEN }, { { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } }, 81, 140, 50 },
		{ "one is removed", { TEN }, { { 1, 1, 1, 0, 1, 1, 1, 1, 1, 1 } }, 90, 150, 50 },
		{ "one is away", { TEN }, { TEN, .away = { [3] = true } }, 90, 110, 0 },
		{ "three are away",
		  { TEN },
		  { TEN, .away = { [1] = true, [3] = true, [8] = true } },
		  280,
		  320,
		  0 },
		{ "one has twice the weight",
		  { TEN },
		  { { 2, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
		  70,
		  140,
		  60 },
		{ "one drains", { TEN }, { { 1, 1, 1, 1, 1, 1, 1, 1, 1 } }, 90, 150, 50 },
	};
	static uint8_t before[KEYS], after[KEYS];

	FOR_ROWS (row, rows) {
		uint32_t moved = 0, needless = 0;

		owners(&row->before, before);
		owners(&row->after, after);
		for (int i = 0; i < KEYS; i++) {
			int from = before[i] - 1, to = after[i] - 1;
			bool lost = row->after.weights[from] < row->before.weights[from] ||
				    row->after.away[from];
			bool gained = row->after.weights[to] > row->before.weights[to];

			moved += from != to;
			needless += from != to && !lost && !gained;
		}
		if (moved * 1000 < row->least * KEYS || moved * 1000 > row->most * KEYS ||
		    needless * 1000 > row->needless * KEYS)
			test_fail(__FILE__, __LINE__, "%s: %u of %d moved, %u without need",
				  row->name, moved, KEYS, needless);
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
