/* The better of two (Mitzenmacher, 2001): nearly as even as looking at all, and no herd. */
#include "userspace/upstream/balance.h"

/* By weight, but for one; total is the sum of the weights of the others. */
static uint32_t draw(const struct balancing *b, uint32_t except, uint64_t total, uint64_t *state)
{
	uint64_t at = balance_below(state, total);

	for (uint32_t i = 0; i < b->count; i++) {
		if (i == except)
			continue;
		if (at < b->list[i].weight)
			return i;
		at -= b->list[i].weight;
	}
	return BALANCE_NOBODY;
}

static uint32_t pick(struct balancing *b)
{
	uint64_t total = 0, state = b->random;
	uint32_t first, second;

	for (uint32_t i = 0; i < b->count; i++)
		total += b->list[i].weight;
	if (total == 0)
		return BALANCE_NOBODY;
	first = draw(b, BALANCE_NOBODY, total, &state);
	total -= b->list[first].weight;
	if (total == 0)
		return first;
	second = draw(b, first, total, &state);
	/* active alone: the draw has counted the weights already. */
	return b->list[second].active < b->list[first].active ? second : first;
}

const struct balance_ops balance_random_two = { .pick = pick };
