#include "userspace/route/path_steps.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct path_step path_step_next(struct span path, struct path_step from)
{
	size_t end = from.len + 1;

	while (end < path.len && path.at[end] != '/')
		end++;
	return (struct path_step){
		XXH3_64bits_withSeed(path.at + from.len, end - from.len, from.hash), end
	};
}

void path_steps_walk(struct path_steps *steps, struct span path, uint64_t lengths, size_t longest,
		     bool whole)
{
	struct path_step step = { 0 };

	steps->path = path;
	steps->count = 0;
	for (;;) {
		if (step.len <= longest && lengths & length_bit(step.len) &&
		    steps->count < STEPS_MAX)
			steps->at[steps->count++] = step;
		if (step.len >= path.len || (!whole && step.len >= longest))
			break;
		step = path_step_next(path, step);
	}
	steps->hash = step.hash;
}
