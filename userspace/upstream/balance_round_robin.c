/* Smooth weighted round robin, as nginx has it: each choice pays the chosen one's credit to all. */
#include "userspace/upstream/balance.h"

static uint32_t pick(struct balancing *b)
{
	uint32_t best = BALANCE_NOBODY;
	int64_t total = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct candidate *c = &b->list[i];

		if (c->weight == 0)
			continue;
		total += c->weight;
		c->credit += c->weight;
		if (best == BALANCE_NOBODY || c->credit > b->list[best].credit)
			best = i;
	}
	if (best != BALANCE_NOBODY)
		b->list[best].credit -= total;
	return best;
}

const struct balance_ops balance_round_robin = { .pick = pick };
