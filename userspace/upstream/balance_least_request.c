/* The least to do for its weight, of all. */
#include "userspace/upstream/balance.h"

/* Among equals by weight and chance (a reservoir), so that idle endpoints share what is rare. */
static uint32_t pick(struct balancing *b)
{
	uint32_t best = BALANCE_NOBODY;
	uint64_t equals = 0, state = b->random;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct candidate *c = &b->list[i];

		if (c->weight == 0)
			continue;
		if (best == BALANCE_NOBODY || balance_is_less(c, &b->list[best])) {
			best = i;
			equals = c->weight;
		} else if (!balance_is_less(&b->list[best], c)) {
			equals += c->weight;
			if (balance_below(&state, equals) < c->weight)
				best = i;
		}
	}
	return best;
}

const struct balance_ops balance_least_request = { .pick = pick };
