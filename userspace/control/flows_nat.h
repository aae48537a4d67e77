/*
 * flows_nat.h - connections of `forward: nat`, read from the pinned table of flows, many at a time.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "bpf/abi/flow.h"

/* One as JSON: `front` has what the client sends, `back` what the endpoint does. */
json_t *flows_nat_entry(const struct flow_entry *front, const struct flow_entry *back);
/* Adds them to the list, at most so many in all; nothing where no table of ours is pinned. */
void flows_nat_add(const char *pin_dir, json_t *all, uint32_t most);
