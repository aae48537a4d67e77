#include "userspace/proxy/source_limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { ROWS = 2, COLUMNS = 1 << 16 };

struct source_limit {
	uint64_t seeds[ROWS];
	_Atomic uint32_t counts[ROWS][COLUMNS];
};

struct source_limit *source_limit_create(const uint64_t seeds[2])
{
	struct source_limit *limit = must_alloc(sizeof(*limit));

	for (int row = 0; row < ROWS; row++)
		limit->seeds[row] = seeds[row];
	return limit;
}

static struct source_limit *shared;

static void make_shared(void)
{
	uint64_t seeds[ROWS];

	MUST(getrandom(seeds, sizeof(seeds), 0) == sizeof(seeds));
	shared = source_limit_create(seeds);
}

struct source_limit *source_limit_shared(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_shared);
	return shared;
}

void source_limit_destroy(struct source_limit *limit)
{
	free(limit);
}

static _Atomic uint32_t *count_of(struct source_limit *limit, int row, const struct addr *source)
{
	size_t len = addr_is_v4(source) ? 16 : 8; /* a /64 is one site's */

	return &limit->counts[row]
			     [XXH3_64bits_withSeed(source->ip, len, limit->seeds[row]) % COLUMNS];
}

bool source_limit_take(struct source_limit *limit, const struct addr *source, uint32_t most)
{
	uint32_t least = UINT32_MAX;

	for (int row = 0; row < ROWS; row++) {
		uint32_t before = atomic_fetch_add_explicit(count_of(limit, row, source), 1,
							    memory_order_relaxed);

		if (before < least)
			least = before;
	}
	if (least < most)
		return true;
	source_limit_give(limit, source);
	return false;
}

void source_limit_give(struct source_limit *limit, const struct addr *source)
{
	for (int row = 0; row < ROWS; row++)
		atomic_fetch_sub_explicit(count_of(limit, row, source), 1, memory_order_relaxed);
}
