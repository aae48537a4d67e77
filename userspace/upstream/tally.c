#include "userspace/upstream/tally.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "userspace/base/must.h"

enum { HOMES = 4096 };

/* As many as there are endpoints and upstreams in the snapshots that are in use: these are bounded.
 */
static struct tally *homes[HOMES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct tally *tally_take(uint64_t name, struct tally *of)
{
	struct tally **at;

	pthread_mutex_lock(&lock);
	at = &homes[name % HOMES];
	while (*at && (*at)->name != name)
		at = &(*at)->next;
	if (!*at) {
		/* No two share a cache line. */
		*at = aligned_alloc(SHARD_BYTES, sizeof(**at));
		MUST(*at);
		**at = (struct tally){ .name = name,
				       .of = of ? tally_ref(of) : NULL,
				       .court = of ? NULL : court_create() };
	}
	atomic_fetch_add(&(*at)->refs, 1);
	pthread_mutex_unlock(&lock);
	return *at;
}

struct tally *tally_ref(struct tally *tally)
{
	MUST(atomic_fetch_add(&tally->refs, 1) > 0);
	return tally;
}

/* The last one goes under the lock, so that nobody finds what is being freed. */
void tally_give(struct tally *tally)
{
	struct tally **at, *of = NULL;
	unsigned refs;

	if (!tally)
		return;
	refs = atomic_load(&tally->refs);
	while (refs > 1)
		if (atomic_compare_exchange_weak(&tally->refs, &refs, refs - 1))
			return;
	pthread_mutex_lock(&lock);
	if (atomic_fetch_sub(&tally->refs, 1) == 1) {
		at = &homes[tally->name % HOMES];
		while (*at != tally)
			at = &(*at)->next;
		*at = tally->next;
		of = tally->of;
		shards_fini(&tally->shards);
		court_destroy(tally->court);
		free(tally);
	}
	pthread_mutex_unlock(&lock);
	tally_give(of); /* once, as upstreams are part of nothing */
}

bool tally_enter(atomic_uint *count, uint32_t most)
{
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < most || most == 0)
		return true;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return false;
}

void tally_leave(atomic_uint *count)
{
	MUST(atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel) > 0);
}

_Static_assert(offsetof(struct tally, shards) == SHARD_BYTES, "one line for what is written often");
