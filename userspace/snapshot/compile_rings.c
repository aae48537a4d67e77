#include "userspace/snapshot/compile_rings.h"

#include <stdlib.h>
#include <xxhash.h>

#include "userspace/base/must.h"

/* A member's own order of all slots: offset, offset + skip, ... (modulo the prime size). */
struct walker {
	uint64_t name_hash;
	uint32_t id, weight;
	uint32_t at, skip;
	uint64_t credit;
};

static int by_name(const void *a, const void *b)
{
	const struct walker *x = a, *y = b;

	return x->name_hash < y->name_hash ? -1 : x->name_hash > y->name_hash;
}

static uint32_t setup(struct walker *walkers, const struct ring_member *members, uint32_t count,
		      uint64_t seed, uint32_t slots)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct walker *w = &walkers[used];

		if (members[i].weight == 0)
			continue;
		w->name_hash = members[i].name_hash;
		w->id = members[i].id;
		w->weight = members[i].weight;
		w->at = (uint32_t)(XXH3_64bits_withSeed(&w->name_hash, sizeof(w->name_hash), seed) %
				   slots);
		w->skip = (uint32_t)(XXH3_64bits_withSeed(&w->name_hash, sizeof(w->name_hash),
							  ~seed) %
				     (slots - 1)) +
			  1;
		used++;
	}
	qsort(walkers, used, sizeof(*walkers), by_name);
	return used;
}

static uint32_t next_free(struct walker *w, const bool *taken, uint32_t slots)
{
	while (taken[w->at])
		w->at = (uint32_t)(((uint64_t)w->at + w->skip) % slots);
	return w->at;
}

/*
 * In each round a member earns its weight and takes a slot for every max_weight that it has
 * earned, so that slots come in the ratio of the weights.
 */
static void fill(struct walker *walkers, uint32_t count, uint32_t *out_slots, uint32_t slots,
		 bool *taken)
{
	uint64_t max = 0;
	uint32_t filled = 0;

	for (uint32_t i = 0; i < count; i++)
		if (walkers[i].weight > max)
			max = walkers[i].weight;
	while (filled < slots)
		for (uint32_t i = 0; i < count && filled < slots; i++) {
			struct walker *w = &walkers[i];
			uint32_t slot;

			w->credit += w->weight;
			if (w->credit < max)
				continue;
			w->credit -= max;
			slot = next_free(w, taken, slots);
			taken[slot] = true;
			out_slots[slot] = w->id;
			filled++;
		}
}

bool compile_ring(const struct ring_member *members, uint32_t count, uint64_t seed,
		  uint32_t *out_slots, uint32_t slots)
{
	struct walker *walkers = must_alloc(count * sizeof(*walkers));
	uint32_t used = setup(walkers, members, count, seed, slots);
	bool *taken;

	if (used > 0) {
		taken = must_alloc(slots * sizeof(*taken));
		fill(walkers, used, out_slots, slots, taken);
		free(taken);
	}
	free(walkers);
	return used > 0;
}
