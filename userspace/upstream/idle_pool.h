/*
 * idle_pool.h - upstream connections that are open, unused, and fit for another request.
 *
 * Knows which connection leads to which endpoint. Knows nothing of HTTP, nor why somebody wants a
 * connection. A pool belongs to one worker. A connection whose peer closes it, or sends anything,
 * while it is idle is closed at once.
 */
#pragma once
#include "userspace/net/conn.h"

struct idle_limits {
	uint32_t total;  /* connections in the pool */
	uint64_t age_ms; /* idle for longer: closed by the sweep */
};

struct idle_pool;

struct idle_pool *idle_pool_create(struct loop *loop, struct idle_limits limits);
void idle_pool_destroy(struct idle_pool *pool);

/* The pool owns conn from here on. Where its endpoint has as many as it may, the oldest of them is
 * closed; where the pool is full, conn is. */
void idle_pool_give(struct idle_pool *pool, struct conn *conn, uint32_t per_endpoint);
/* The one given last, as its peer is least likely to have closed it; NULL where none is idle that
 * was secured like this (0: plain). Its watch goes on, as whoever takes it will want it anyway. */
struct conn *idle_pool_take(struct idle_pool *pool, const struct addr *to, uint64_t secured_as);
bool idle_pool_has(const struct idle_pool *pool, const struct addr *to, uint64_t secured_as);
/* Closes the oldest one to that address, if there is any. */
void idle_pool_shed(struct idle_pool *pool, const struct addr *to);
/* Closes those whose endpoint keep() does not want any more. */
void idle_pool_sift(struct idle_pool *pool,
		    bool (*keep)(const struct addr *to, const void *context), const void *context);
