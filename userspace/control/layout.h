/*
 * layout.h - who listens where and what is behind it, as JSON; and how two of them differ.
 *
 * Pure. For `shuntctl diff`: the daemon tells its layout, a file has one, and both are compared.
 */
#pragma once
#include <jansson.h>

#include "userspace/model/model.h"

/* JSON; NULL without memory. */
json_t *layout_of(const struct model *model);
/* The same as text, malloc'ed. */
char *layout_print(const struct model *model);

/*
 * {"same": bool, "listeners", "server_names", "upstreams": {"added", "removed", "changed":
 * [names]}, "endpoints": [{"upstream", "endpoint", "change", "weight", "weight_before"}], "rings":
 * [{"listener", "slots", "slots_before", "moves", "must"}]}: moves and must are parts of 1 of all
 * flows, by the ring alone; must is what no ring could spare. Only listeners of packets that both
 * have, and whose ring differs.
 */
json_t *layout_diff(const json_t *before, const json_t *after);
