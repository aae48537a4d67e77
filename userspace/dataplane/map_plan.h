/*
 * map_plan.h - how large the maps should be for a configuration.
 *
 * Rows that a reload may add have room: twice what there is, and never less than the LEAST of
 * bpf/abi/map_sizes.h.
 */
#pragma once
#include <stdbool.h>

#include "bpf/abi/map_sizes.h"
#include "userspace/base/err.h"
#include "userspace/model/model.h"

/* splices: whether sockets can be spliced at all. */
struct map_sizes map_plan(const struct model *model, bool splices);
/* Whether what node.flows and node.splices ask for is there; *err says what to do. */
bool map_plan_is_met(const struct model *model, const struct map_sizes *there, struct err *err);
/* The first thing that works, but with less room than it should have; false: there is none. */
bool map_plan_lacks(const struct model *model, bool splices, const struct map_sizes *there,
		    struct err *out_what);
