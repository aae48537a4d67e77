#include "userspace/upstream/idle_pool.h"

#include <stdlib.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { HOMES = 1024, SWEEP_MS = 1000 };

/* Connections to endpoints of one hash; newest first. */
struct home {
	struct conn *first, *last;
	uint32_t count;
	struct idle_pool *pool;
};

struct idle_pool {
	struct loop *loop;
	struct idle_limits limits;
	uint32_t count;
	struct timer sweep;
	struct home homes[HOMES];
};

static uint64_t home_index(const struct addr *to)
{
	return XXH3_64bits(to, sizeof(*to)) % HOMES;
}

static struct home *home_of(struct idle_pool *pool, const struct addr *to)
{
	return &pool->homes[home_index(to)];
}

static void take_out(struct idle_pool *pool, struct conn *conn)
{
	struct home *home = conn->idle_home;

	*(conn->idle_prev ? &conn->idle_prev->idle_next : &home->first) = conn->idle_next;
	*(conn->idle_next ? &conn->idle_next->idle_prev : &home->last) = conn->idle_prev;
	conn->idle_next = conn->idle_prev = NULL;
	conn->idle_home = NULL;
	home->count--;
	pool->count--;
}

static void drop(struct idle_pool *pool, struct conn *conn)
{
	take_out(pool, conn);
	conn_close(conn);
}

static void sweep(void *context)
{
	struct idle_pool *pool = context;
	uint64_t now = loop_now_ms(pool->loop);

	for (uint32_t i = 0; i < HOMES; i++)
		while (pool->homes[i].last &&
		       now - pool->homes[i].last->idle_since_ms >= pool->limits.age_ms)
			drop(pool, pool->homes[i].last);
	if (pool->count > 0)
		timer_start(&pool->sweep, SWEEP_MS);
}

struct idle_pool *idle_pool_create(struct loop *loop, struct idle_limits limits)
{
	struct idle_pool *pool = must_alloc(sizeof(*pool));

	pool->loop = loop;
	pool->limits = limits;
	for (uint32_t i = 0; i < HOMES; i++)
		pool->homes[i].pool = pool;
	timer_init(&pool->sweep, loop, sweep, pool);
	return pool;
}

void idle_pool_destroy(struct idle_pool *pool)
{
	if (!pool)
		return;
	for (uint32_t i = 0; i < HOMES; i++)
		while (pool->homes[i].first)
			drop(pool, pool->homes[i].first);
	timer_stop(&pool->sweep);
	free(pool);
}

/* An idle peer has nothing to say: what comes is its FIN, or bytes that belong to no request. */
static void on_idle_ready(void *context, int events)
{
	struct conn *conn = context;
	struct home *home = conn->idle_home;

	(void)events;
	if (!home) { /* taken, by somebody who does not listen yet */
		watch_set(&conn->watch, 0);
		return;
	}
	if (conn_is_quiet(conn))
		return; /* its transport had something to say */
	drop(home->pool, conn);
}

static uint32_t count_to(const struct home *home, const struct addr *to, struct conn **out_oldest)
{
	uint32_t n = 0;

	for (struct conn *c = home->first; c; c = c->idle_next)
		if (addr_is(&c->peer, to)) {
			n++;
			*out_oldest = c;
		}
	return n;
}

void idle_pool_give(struct idle_pool *pool, struct conn *conn, uint32_t per_endpoint)
{
	struct home *home = home_of(pool, &conn->peer);
	struct conn *oldest = NULL;

	/* Few homes have as many as one endpoint may: only those are counted. */
	if (home->count >= per_endpoint && count_to(home, &conn->peer, &oldest) >= per_endpoint) {
		if (!oldest) {
			conn_close(conn);
			return;
		}
		drop(pool, oldest);
	}
	if (pool->count >= pool->limits.total) {
		conn_close(conn);
		return;
	}
	conn->idle_home = home;
	conn->idle_since_ms = loop_now_ms(pool->loop);
	conn->idle_prev = NULL;
	conn->idle_next = home->first;
	*(home->first ? &home->first->idle_prev : &home->last) = conn;
	home->first = conn;
	home->count++;
	pool->count++;
	conn_listen(conn, on_idle_ready, conn);
	watch_set(&conn->watch, WATCH_READ);
	if (pool->count == 1)
		timer_start(&pool->sweep, SWEEP_MS);
}

struct conn *idle_pool_take(struct idle_pool *pool, const struct addr *to, uint64_t secured_as)
{
	for (struct conn *c = home_of(pool, to)->first; c; c = c->idle_next)
		if (addr_is(&c->peer, to) && c->secured_as == secured_as) {
			take_out(pool, c);
			return c;
		}
	return NULL;
}

bool idle_pool_has(const struct idle_pool *pool, const struct addr *to, uint64_t secured_as)
{
	for (struct conn *c = pool->homes[home_index(to)].first; c; c = c->idle_next)
		if (addr_is(&c->peer, to) && c->secured_as == secured_as)
			return true;
	return false;
}

void idle_pool_shed(struct idle_pool *pool, const struct addr *to)
{
	struct conn *oldest = NULL;

	if (count_to(home_of(pool, to), to, &oldest) > 0)
		drop(pool, oldest);
}

void idle_pool_sift(struct idle_pool *pool,
		    bool (*keep)(const struct addr *to, const void *context), const void *context)
{
	for (uint32_t i = 0; i < HOMES; i++) {
		struct conn *next;

		for (struct conn *c = pool->homes[i].first; c; c = next) {
			next = c->idle_next;
			if (!keep(&c->peer, context))
				drop(pool, c);
		}
	}
}
