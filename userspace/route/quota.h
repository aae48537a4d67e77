/*
 * quota.h - what of a route's limits is used up, by all workers of this process.
 *
 * Found by name, so that a reload forgets nothing. What is counted of sources has fixed memory,
 * whatever peers do: sketches that all routes share. They never count too little; too much only
 * where a source falls together with others in every row, and nobody can aim at that. Any thread;
 * only finding and forgetting takes a lock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/model/route_limits.h"

/* The one of that name (a hash); made where there is none. */
struct quota *quota_take(uint64_t name);
void quota_give(struct quota *quota);

enum quota_answer {
	QUOTA_PASS,
	QUOTA_SOURCE_RATE,
	QUOTA_SOURCE_FULL,
	QUOTA_RATE,
	QUOTA_FULL,
};

/*
 * One more request of that source (NULL: not known, not limited by itself) begins. QUOTA_PASS:
 * quota_leave() is to be called once it has ended. QUOTA_RATE, QUOTA_SOURCE_RATE: *out_wait_ns, how
 * long from now on the next one would have to wait. Now is monotonic.
 */
enum quota_answer quota_enter(const struct route_limits *limits, const struct addr *source,
			      uint64_t now_ns, uint64_t *out_wait_ns);
void quota_leave(const struct route_limits *limits, const struct addr *source);
/* What quota_enter() would say; nothing is counted. */
enum quota_answer quota_look(const struct route_limits *limits, const struct addr *source,
			     uint64_t now_ns);
