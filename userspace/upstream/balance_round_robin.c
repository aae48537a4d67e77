#include "userspace/upstream/balance_round_robin.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Steps of about the golden ratio through the sum of weights spread the turns of the heavy ones. */
static uint64_t stride(uint64_t total)
{
	uint64_t step = total * 618 / 1000;

	if (step == 0)
		return 1;
	while (gcd(step, total) != 1)
		step++;
	return step;
}

/*
 * Who is down has no weight while others are up. That may change under our hands, so nothing below
 * relies on two passes seeing the same.
 */
struct turns {
	const struct upstream *upstream;
	const atomic_bool *down; /* NULL: nobody is, or everybody */
	uint64_t total;
	uint32_t max, members;
};

static uint32_t weight_of(const struct turns *t, const struct endpoint *e)
{
	if (t->down && atomic_load_explicit(&t->down[e->index], memory_order_relaxed))
		return 0;
	return e->weight;
}

static struct turns turns_of(const struct upstream *upstream, const atomic_bool *down)
{
	struct turns t = { .upstream = upstream, .down = down };

	for (uint32_t i = 0; i < upstream->endpoint_count; i++) {
		uint32_t weight = weight_of(&t, &upstream->endpoints[i]);

		t.total += weight;
		t.members += weight > 0;
		if (weight > t.max)
			t.max = weight;
	}
	return t;
}

static const struct endpoint *at_weight(const struct turns *t, uint64_t weight)
{
	const struct upstream *u = t->upstream;

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		uint32_t own = weight_of(t, &u->endpoints[i]);

		if (weight < own)
			return &u->endpoints[i];
		weight -= own;
	}
	return &u->endpoints[0];
}

static const struct endpoint *after(const struct turns *t, const struct endpoint *e, uint32_t skip)
{
	const struct upstream *u = t->upstream;
	uint32_t i = (uint32_t)(e - u->endpoints);
	uint64_t most = (uint64_t)u->endpoint_count * skip;

	for (uint64_t n = 0; skip > 0 && n < most; n++) {
		i = (i + 1) % u->endpoint_count;
		if (weight_of(t, &u->endpoints[i]) > 0)
			skip--;
	}
	return &u->endpoints[i];
}

const struct endpoint *balance_round_robin(const struct upstream *upstream, const atomic_bool *down,
					   uint32_t *cursor, uint32_t skip)
{
	struct turns t = turns_of(upstream, down);
	const struct endpoint *turn;

	if (t.total == 0 && down)
		t = turns_of(upstream, NULL);
	if (t.total == 0)
		return NULL;
	/* Equal weights in order of writing, as everybody expects of round robin. */
	if (t.total == (uint64_t)t.max * t.members)
		turn = at_weight(&t, (uint64_t)(*cursor % t.members) * t.max);
	else
		turn = at_weight(&t, *cursor % t.total * stride(t.total) % t.total);
	++*cursor;
	return after(&t, turn, skip);
}
