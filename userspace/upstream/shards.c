#include "userspace/upstream/shards.h"

#include <stdlib.h>

#include "userspace/base/must.h"

static struct shard *find_free(struct shards *all)
{
	struct shard *s = atomic_load_explicit(&all->first, memory_order_acquire);

	for (; s; s = s->next) {
		bool taken = false;

		if (atomic_compare_exchange_strong(&s->taken, &taken, true))
			return s;
	}
	return NULL;
}

struct shard *shards_take(struct shards *all)
{
	struct shard *s = find_free(all);

	if (s)
		return s;
	s = aligned_alloc(SHARD_BYTES, sizeof(*s));
	MUST(s);
	*s = (struct shard){ .taken = true, .next = atomic_load(&all->first) };
	while (!atomic_compare_exchange_weak(&all->first, &s->next, s))
		;
	return s;
}

void shards_give(struct shard *s)
{
	if (s)
		atomic_store_explicit(&s->taken, false, memory_order_release);
}

void shards_fini(struct shards *all)
{
	struct shard *s = atomic_load(&all->first), *next;

	for (; s; s = next) {
		next = s->next;
		MUST(!atomic_load(&s->taken));
		free(s);
	}
}

/* In an order with what is counted as failed: of those who count it at once, the last to add up
 * sees all. */
struct counts shards_sum(const struct shards *all)
{
	const struct shard *s = atomic_load_explicit(&all->first, memory_order_acquire);
	struct counts sum = { 0 };

	for (; s; s = s->next) {
		sum.failed += atomic_load(&s->failed);
		sum.tried += atomic_load_explicit(&s->tried, memory_order_relaxed);
		sum.active += atomic_load_explicit(&s->active, memory_order_relaxed);
		sum.pending += atomic_load_explicit(&s->pending, memory_order_relaxed);
		sum.answered += atomic_load_explicit(&s->answered, memory_order_relaxed);
		sum.answered_ms += atomic_load_explicit(&s->answered_ms, memory_order_relaxed);
	}
	return sum;
}

struct counts counts_since(const struct counts *now, const struct counts *then)
{
	return (struct counts){ .tried = now->tried - then->tried,
				.failed = now->failed - then->failed,
				.answered = now->answered - then->answered,
				.answered_ms = now->answered_ms - then->answered_ms };
}

_Static_assert(sizeof(struct shard) == SHARD_BYTES, "one line of memory");
