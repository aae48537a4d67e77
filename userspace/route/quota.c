#include "userspace/route/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { HOMES_LEAST = 256, ROWS = 3, COLUMNS = 1 << 17, LINE_BYTES = 64 };

/*
 * A rate is kept as the time at which what was let in would be used up at that rate (the generic
 * cell rate algorithm, ITU-T I.371): one number, one compare-and-swap, and no clockwork.
 */
struct quota {
	atomic_uint under_way;
	atomic_uint_fast64_t used_until_ns;
	uint64_t name;
	uint32_t refs;
	struct quota *next;
};

struct sketches {
	uint64_t seeds[ROWS];
	atomic_uint_fast64_t used_until_ns[ROWS][COLUMNS];
	atomic_uint under_way[ROWS][COLUMNS];
};

/* By name; a power of two of them, at most one for each. */
static struct quota **homes;
static uint32_t home_count, quota_count;
static struct sketches *sketches;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Pages that nobody's source falls into are never touched. */
static void make_sketches(void)
{
	sketches = must_alloc(sizeof(*sketches));
	MUST(getrandom(sketches->seeds, sizeof(sketches->seeds), 0) == sizeof(sketches->seeds));
}

static struct quota **home_of(uint64_t name)
{
	return &homes[name & (home_count - 1)];
}

/* Twice as many homes: with one for many, a hundred thousand routes took seconds to read. */
static void make_homes(void)
{
	struct quota **before = homes;
	uint32_t count = home_count;

	home_count = count ? 2 * count : HOMES_LEAST;
	homes = must_alloc(home_count * sizeof(homes[0]));
	for (uint32_t i = 0; i < count; i++)
		for (struct quota *q = before[i], *next; q; q = next) {
			next = q->next;
			q->next = *home_of(q->name);
			*home_of(q->name) = q;
		}
	free(before);
}

struct quota *quota_take(uint64_t name)
{
	struct quota **at;

	pthread_mutex_lock(&lock);
	if (!sketches)
		make_sketches();
	if (quota_count == home_count)
		make_homes();
	at = home_of(name);
	while (*at && (*at)->name != name)
		at = &(*at)->next;
	if (!*at) {
		*at = aligned_alloc(LINE_BYTES, LINE_BYTES);
		MUST(*at);
		**at = (struct quota){ .name = name };
		quota_count++;
	}
	(*at)->refs++;
	pthread_mutex_unlock(&lock);
	return *at;
}

void quota_give(struct quota *quota)
{
	struct quota **at;

	pthread_mutex_lock(&lock);
	if (--quota->refs == 0) {
		at = home_of(quota->name);
		while (*at != quota)
			at = &(*at)->next;
		*at = quota->next;
		free(quota);
		quota_count--;
	}
	pthread_mutex_unlock(&lock);
}

struct columns {
	uint32_t at[ROWS];
};

/* Of the rate, or with NULL of what is under way. Another rate has other columns: what was used at
 * the old one, and when that would be over, says nothing of it. */
static struct columns columns_of(const struct quota *quota, const struct addr *source,
				 const struct request_rate *rate)
{
	size_t len = addr_is_v4(source) ? 16 : 8; /* a /64 is one site's */
	uint64_t name =
		quota->name ^ (rate ? rate->interval_ns * 0x9e3779b97f4a7c15ull ^ rate->burst : 0);
	struct columns c;

	for (int row = 0; row < ROWS; row++)
		c.at[row] = (uint32_t)(XXH3_64bits_withSeed(source->ip, len,
							    sketches->seeds[row] ^ name) %
				       COLUMNS);
	return c;
}

/* How long one more would have to wait: 0 where it need not. */
static uint64_t wait_ns(const struct request_rate *rate, uint64_t used_until, uint64_t now)
{
	uint64_t ahead = rate->interval_ns * (rate->burst - 1);

	return used_until > now + ahead ? used_until - now - ahead : 0;
}

static uint64_t one_more(const struct request_rate *rate, uint64_t used_until, uint64_t now)
{
	return (used_until > now ? used_until : now) + rate->interval_ns;
}

/* Beyond what this rate ever lets in: it was another one, of before a reload. */
static uint64_t at_this_rate(const struct request_rate *rate, uint64_t used_until, uint64_t now)
{
	uint64_t most = now + rate->interval_ns * rate->burst;

	return used_until < most ? used_until : most;
}

/* If another worker was first, it has seen to it. */
static void lower_to(atomic_uint_fast64_t *at, uint64_t from, uint64_t to)
{
	atomic_compare_exchange_strong_explicit(at, &from, to, memory_order_relaxed,
						memory_order_relaxed);
}

static bool rate_take(atomic_uint_fast64_t *at, const struct request_rate *rate, uint64_t now,
		      uint64_t *out_wait)
{
	uint64_t found = atomic_load_explicit(at, memory_order_relaxed), was;

	do {
		was = at_this_rate(rate, found, now);
		*out_wait = wait_ns(rate, was, now);
		if (*out_wait > 0) {
			if (was < found)
				lower_to(at, found, was);
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		at, &found, one_more(rate, was, now), memory_order_relaxed, memory_order_relaxed));
	return true;
}

static uint64_t source_used_until(const struct columns *c)
{
	uint64_t least = UINT64_MAX;

	for (int row = 0; row < ROWS; row++) {
		uint64_t until = atomic_load_explicit(&sketches->used_until_ns[row][c->at[row]],
						      memory_order_relaxed);

		least = until < least ? until : least;
	}
	return least;
}

static void raise_to(atomic_uint_fast64_t *at, uint64_t until)
{
	uint64_t was = atomic_load_explicit(at, memory_order_relaxed);

	while (was < until && !atomic_compare_exchange_weak_explicit(
				      at, &was, until, memory_order_relaxed, memory_order_relaxed))
		;
}

/*
 * Each row has at least what this source has taken, and the least of them is the best guess: rows
 * that say more have it from others, and take nothing on. So a crowd of sources is in the way of
 * fewer. Workers at once may let in one more each.
 */
static bool source_rate_take(const struct route_limits *limits, const struct addr *source,
			     uint64_t now, uint64_t *out_wait)
{
	const struct request_rate *rate = &limits->source_rate;
	struct columns c = columns_of(limits->quota, source, rate);
	uint64_t used_until = source_used_until(&c);

	*out_wait = wait_ns(rate, used_until, now);
	if (*out_wait > 0)
		return false;
	for (int row = 0; row < ROWS; row++)
		raise_to(&sketches->used_until_ns[row][c.at[row]], one_more(rate, used_until, now));
	return true;
}

static void source_leave(const struct columns *c)
{
	for (int row = 0; row < ROWS; row++)
		atomic_fetch_sub_explicit(&sketches->under_way[row][c->at[row]], 1,
					  memory_order_relaxed);
}

static uint32_t source_under_way(const struct columns *c)
{
	uint32_t least = UINT32_MAX;

	for (int row = 0; row < ROWS; row++) {
		uint32_t n = atomic_load_explicit(&sketches->under_way[row][c->at[row]],
						  memory_order_relaxed);

		least = n < least ? n : least;
	}
	return least;
}

static bool source_take(const struct route_limits *limits, const struct addr *source)
{
	struct columns columns = columns_of(limits->quota, source, NULL), *c = &columns;
	uint32_t least = UINT32_MAX;

	for (int row = 0; row < ROWS; row++) {
		uint32_t before = atomic_fetch_add_explicit(&sketches->under_way[row][c->at[row]],
							    1, memory_order_relaxed);

		least = before < least ? before : least;
	}
	if (least < limits->source_requests)
		return true;
	source_leave(c);
	return false;
}

static bool counts_source(const struct route_limits *limits, const struct addr *source)
{
	return limits->source_requests > 0 && source;
}

/* Sources first: what one of them is refused takes nothing from the others. */
enum quota_answer quota_enter(const struct route_limits *limits, const struct addr *source,
			      uint64_t now_ns, uint64_t *out_wait_ns)
{
	struct quota *q = limits->quota;

	*out_wait_ns = 0;
	if (source && limits->source_rate.interval_ns > 0 &&
	    !source_rate_take(limits, source, now_ns, out_wait_ns))
		return QUOTA_SOURCE_RATE;
	if (counts_source(limits, source) && !source_take(limits, source))
		return QUOTA_SOURCE_FULL;
	if (limits->requests > 0 &&
	    atomic_fetch_add_explicit(&q->under_way, 1, memory_order_relaxed) >= limits->requests) {
		quota_leave(limits, source);
		return QUOTA_FULL;
	}
	if (limits->rate.interval_ns > 0 &&
	    !rate_take(&q->used_until_ns, &limits->rate, now_ns, out_wait_ns)) {
		quota_leave(limits, source);
		return QUOTA_RATE;
	}
	return QUOTA_PASS;
}

void quota_leave(const struct route_limits *limits, const struct addr *source)
{
	struct columns c;

	if (limits->requests > 0)
		MUST(atomic_fetch_sub_explicit(&limits->quota->under_way, 1, memory_order_relaxed) >
		     0);
	if (counts_source(limits, source)) {
		c = columns_of(limits->quota, source, NULL);
		source_leave(&c);
	}
}

enum quota_answer quota_look(const struct route_limits *limits, const struct addr *source,
			     uint64_t now_ns)
{
	const struct quota *q = limits->quota;

	struct columns c;

	if (source && limits->source_rate.interval_ns > 0) {
		c = columns_of(q, source, &limits->source_rate);
		if (wait_ns(&limits->source_rate, source_used_until(&c), now_ns) > 0)
			return QUOTA_SOURCE_RATE;
	}
	if (counts_source(limits, source)) {
		c = columns_of(q, source, NULL);
		if (source_under_way(&c) >= limits->source_requests)
			return QUOTA_SOURCE_FULL;
	}
	if (limits->requests > 0 &&
	    atomic_load_explicit(&q->under_way, memory_order_relaxed) >= limits->requests)
		return QUOTA_FULL;
	if (limits->rate.interval_ns > 0 &&
	    wait_ns(&limits->rate,
		    at_this_rate(&limits->rate,
				 atomic_load_explicit(&q->used_until_ns, memory_order_relaxed),
				 now_ns),
		    now_ns) > 0)
		return QUOTA_RATE;
	return QUOTA_PASS;
}

_Static_assert(sizeof(struct quota) <= LINE_BYTES, "workers write it: it has a line of its own");
