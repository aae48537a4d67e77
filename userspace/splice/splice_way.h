/*
 * splice_way.h - live splices follow the routes (splice/ only).
 *
 * Their next hops are numbered, and what stands under a number is kept current by others: a new MAC
 * costs nothing here. Where a route changes, the number does. An element is looked at by who owns
 * it: by the control thread in its sweeps, by a worker while its handover or body is under way.
 */
#pragma once
#include "userspace/splice/splicer_slots.h"

/* What a worker remembers of its last look: compared, no more. */
uint32_t way_now(const struct splicer *splicer);
/* The directions of a handover's or a body's two elements are looked at again where routes have
 * changed since *seen. */
void way_keep(struct splicer *splicer, struct splice *const sps[2], const uint32_t dirs[2],
	      uint32_t *seen);
/* The control thread has it now, and may have passed it over. */
void way_hand_on(struct splicer *splicer, uint32_t seen);

/* The control thread's, with each sweep: some of its elements. */
void ways_sweep(struct splicer *splicer);
