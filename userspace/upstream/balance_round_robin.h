/*
 * balance_round_robin.h - whose turn it is among an upstream's endpoints, by weight.
 *
 * Pure but for the cursor, which belongs to one worker.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "userspace/model/model.h"

/*
 * Takes the next turn; NULL where no endpoint has weight. In as many turns as the weights sum to,
 * each endpoint gets exactly its weight, spread out. skip endpoints further on are passed over:
 * the caller counts up while it looks for one that can be reached. down is by endpoint.index: who
 * is down has no turn, unless all are; NULL: nobody is.
 */
const struct endpoint *balance_round_robin(const struct upstream *upstream, const atomic_bool *down,
					   uint32_t *cursor, uint32_t skip);
