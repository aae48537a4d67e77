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

static const struct endpoint *at_weight(const struct upstream *upstream, uint64_t weight)
{
	for (uint32_t i = 0; i < upstream->endpoint_count; i++) {
		if (weight < upstream->endpoints[i].weight)
			return &upstream->endpoints[i];
		weight -= upstream->endpoints[i].weight;
	}
	return NULL;
}

static const struct endpoint *after(const struct upstream *upstream, const struct endpoint *e,
				    uint32_t skip)
{
	uint32_t i = (uint32_t)(e - upstream->endpoints);

	while (skip > 0) {
		i = (i + 1) % upstream->endpoint_count;
		if (upstream->endpoints[i].weight > 0)
			skip--;
	}
	return &upstream->endpoints[i];
}

const struct endpoint *balance_round_robin(const struct upstream *upstream, uint32_t *cursor,
					   uint32_t skip)
{
	uint64_t total = 0;
	uint32_t max = 0, members = 0;
	const struct endpoint *turn;

	for (uint32_t i = 0; i < upstream->endpoint_count; i++) {
		uint32_t weight = upstream->endpoints[i].weight;

		total += weight;
		members += weight > 0;
		if (weight > max)
			max = weight;
	}
	if (total == 0)
		return NULL;
	/* Equal weights in order of writing, as everybody expects of round robin. */
	if (total == (uint64_t)max * members)
		turn = at_weight(upstream, (uint64_t)(*cursor % members) * max);
	else
		turn = at_weight(upstream, *cursor % total * stride(total) % total);
	++*cursor;
	return after(upstream, turn, skip);
}
