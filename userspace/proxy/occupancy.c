#include "userspace/proxy/occupancy.h"

#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

#include "userspace/base/must.h"

/* Four times what one configuration may have: listeners of earlier ones keep their places. */
enum { PLACES = 4 * LISTENERS_MAX, PROBES_MAX = 64 };

struct place_count {
	_Atomic uint64_t listener; /* hash of who it is; 0: nobody yet */
	_Atomic uint32_t sessions;
};

static struct place_count places[PLACES];
static _Atomic uint32_t in_process;

static uint64_t identity(const struct listener *l)
{
	uint64_t seed = (uint64_t)l->port << 8 | (uint64_t)l->protocol;

	return XXH3_64bits_withSeed(l->vip->name, strlen(l->vip->name), seed) | 1;
}

/*
 * The place that it has, or takes now. Where many configurations have used all that are near, two
 * listeners share one: a ceiling is then met too early, never too late.
 */
static struct place_count *place_of(const struct listener *l)
{
	uint64_t who = identity(l);

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		struct place_count *place = &places[(who / 2 + i) % PLACES];
		uint64_t is = atomic_load_explicit(&place->listener, memory_order_relaxed);

		if (is == who)
			return place;
		if (is == 0 && atomic_compare_exchange_strong(&place->listener, &is, who))
			return place;
		if (is == who) /* another worker was faster */
			return place;
	}
	return &places[who / 2 % PLACES];
}

void occupancy_enter(const struct listener *listener)
{
	atomic_fetch_add_explicit(&in_process, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&place_of(listener)->sessions, 1, memory_order_relaxed);
}

void occupancy_leave(const struct listener *listener)
{
	uint32_t before =
		atomic_fetch_sub_explicit(&place_of(listener)->sessions, 1, memory_order_relaxed);

	MUST(before > 0);
	atomic_fetch_sub_explicit(&in_process, 1, memory_order_relaxed);
}

uint32_t occupancy_of_process(void)
{
	return atomic_load_explicit(&in_process, memory_order_relaxed);
}

uint32_t occupancy_of_listener(const struct listener *listener)
{
	return atomic_load_explicit(&place_of(listener)->sessions, memory_order_relaxed);
}
