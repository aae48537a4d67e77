/* A ring of all endpoints, whoever is fit: so that nobody moves but those whose own is away. */
#include "userspace/upstream/balance.h"

enum { TRIES = 32 };

static uint32_t pick(struct balancing *b)
{
	uint64_t state = b->hash;
	uint32_t slot = b->slots ? (uint32_t)(b->hash % b->slots) : 0;

	if (!b->ring)
		return BALANCE_NOBODY;
	/* Each next slot is another chance by weight, the same one for the same hash. */
	for (int i = 0; i < TRIES; i++) {
		if (b->list[b->ring[slot]].weight > 0)
			return b->ring[slot];
		slot = (uint32_t)balance_below(&state, b->slots);
	}
	for (uint32_t i = 0; i < b->slots; i++) {
		uint32_t place = b->ring[(slot + i) % b->slots];

		if (b->list[place].weight > 0)
			return place;
	}
	return BALANCE_NOBODY;
}

const struct balance_ops balance_maglev = { .pick = pick };
