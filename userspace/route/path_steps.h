/*
 * path_steps.h - a path's prefixes of whole segments, each with its hash (route/ only).
 *
 * A hash goes on from that of the segments before it, so that all prefixes cost one walk. Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/span.h"
#include "userspace/model/model_route.h"

enum { STEPS_MAX = PREFIX_SEGMENTS_MAX + 1 };

struct path_step {
	uint64_t hash;
	size_t len; /* bytes */
};

struct path_steps {
	struct span path;
	uint64_t hash; /* of all of it, where that was asked for */
	uint32_t count;
	struct path_step at[STEPS_MAX]; /* the shorter first */
};

/* The lengths of a set of texts; those of 63 bytes and more count as one. */
static inline uint64_t length_bit(size_t len)
{
	return 1ull << (len < 63 ? len : 63);
}

/* On by one segment, with the slash before it. */
struct path_step path_step_next(struct span path, struct path_step from);
/* Only prefixes of such lengths, none beyond longest, and no more than there is room for; whole:
 * the hash of all is asked for. */
void path_steps_walk(struct path_steps *steps, struct span path, uint64_t lengths, size_t longest,
		     bool whole);
