/*
 * source_limit.h - how many connections each source has at once, over all workers.
 *
 * A count-min sketch: fixed memory whatever peers do, never too low, too high only where two
 * sources fall together in both rows. IPv6 sources count by their /64. Any thread, no locks.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"

struct source_limit;

/* seeds: two secrets, so that nobody can aim at somebody else's counters. */
struct source_limit *source_limit_create(const uint64_t seeds[2]);
/* The one of this process, made at the first call; lives as long. */
struct source_limit *source_limit_shared(void);
void source_limit_destroy(struct source_limit *limit);

/* Counts one more; false, and nothing counted, where it would be more than most. */
bool source_limit_take(struct source_limit *limit, const struct addr *source, uint32_t most);
/* For each that was taken. */
void source_limit_give(struct source_limit *limit, const struct addr *source);
