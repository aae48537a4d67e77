/*
 * compile_rings.h - Maglev lookup tables (Eisenbud et al., NSDI 2016, 3.4).
 *
 * Pure. The result depends on the names and weights of the members and on the seed, not on their
 * order, so every node of an installation computes the same ring.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct ring_member {
	uint64_t name_hash; /* of what identifies the endpoint: address, port, vpc */
	uint32_t id;        /* what the slots hold */
	uint32_t weight;    /* 0: gets no slot */
};

/* slots must be prime and not below the sum of members; false where no member has weight. */
bool compile_ring(const struct ring_member *members, uint32_t count, uint64_t seed,
		  uint32_t *out_slots, uint32_t slots);
