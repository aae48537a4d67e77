#include "userspace/upstream/standing.h"

#include <stdlib.h>

#include "userspace/base/must.h"

enum {
	DOUBLINGS = 6, /* of the time of an ejection */
	EPOCH_SHIFT = 32,
};

#define ROW UINT64_C(0xffffffff)

struct court *court_create(void)
{
	struct court *court = aligned_alloc(SHARD_BYTES, sizeof(*court));

	MUST(court);
	*court = (struct court){ 0 };
	breaker_init(&court->breaker);
	MUST(pthread_mutex_init(&court->lock, NULL) == 0);
	return court;
}

void court_destroy(struct court *court)
{
	if (!court)
		return;
	breaker_fini(&court->breaker);
	pthread_mutex_destroy(&court->lock);
	free(court);
}

/* The row is read before the time: where it was ejected in between, the exchange fails. */
uint32_t standing_failed(struct standing *s, uint64_t sent_ms)
{
	uint64_t row = atomic_load(&s->row);

	do {
		if (sent_ms < atomic_load(&s->until_ms))
			return 0;
		if ((row & ROW) == ROW)
			return UINT32_MAX;
	} while (!atomic_compare_exchange_weak(&s->row, &row, row + 1));
	return (uint32_t)((row + 1) & ROW);
}

void standing_served(struct standing *s)
{
	/* Mostly there is nothing to forget, and a line that nobody writes is at hand for all. */
	if (standing_failures(s) > 0)
		atomic_fetch_and(&s->row, ~ROW);
}

uint32_t standing_failures(const struct standing *s)
{
	return (uint32_t)(atomic_load_explicit(&s->row, memory_order_relaxed) & ROW);
}

void standing_turn(struct standing *s, bool away, uint64_t now_ms)
{
	if (away)
		atomic_store(&s->away, true);
	else if (atomic_exchange(&s->away, false))
		atomic_store(&s->fit_ms, now_ms);
}

uint64_t standing_fit_ms(const struct standing *s)
{
	uint64_t until_ms = standing_until_ms(s);
	uint64_t fit_ms = atomic_load_explicit(&s->fit_ms, memory_order_relaxed);

	return until_ms > fit_ms ? until_ms : fit_ms;
}

void court_eject(struct court *court, struct standing *s, uint64_t now_ms, uint64_t time_ms)
{
	uint64_t until_ms = atomic_load(&s->until_ms);

	/* Who was well for long is not held to what was before. */
	if (s->ejections > 0 && now_ms > until_ms && now_ms - until_ms > time_ms << DOUBLINGS)
		s->ejections = 0;
	until_ms = now_ms + (time_ms << s->ejections);
	if (s->ejections < DOUBLINGS)
		s->ejections++;
	atomic_store(&s->until_ms, until_ms);
	if (until_ms > atomic_load(&court->away_until_ms))
		atomic_store(&court->away_until_ms, until_ms);
	atomic_store(&s->row, ((atomic_load(&s->row) >> EPOCH_SHIFT) + 1) << EPOCH_SHIFT);
}
