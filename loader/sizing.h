/*
 * sizing.h - how many elements each map gets when it is made.
 *
 * Knows which maps have a size of their own. What a configuration needs the caller says.
 */
#pragma once
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/map_sizes.h"
#include "userspace/base/err.h"

/* Of all maps the most that suffices by default; for whoever does not know the configuration. */
struct map_sizes sizing_usual(void);
/* As many flows and splices in *sizes; 0: as they were. */
void sizing_choose(struct map_sizes *sizes, uint32_t flows, uint32_t splices);
/* What is pinned keeps its size: *sizes becomes what there will be. */
void sizing_keep_pinned(const char *pin_dir, struct map_sizes *sizes);
/* Before the object is loaded. */
bool sizing_set(struct bpf_object *object, const struct map_sizes *sizes, struct err *err);
struct table_sizes sizing_tables(const struct map_sizes *sizes);
