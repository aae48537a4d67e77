/*
 * route_limits.h - how much a route takes of its clients (a part of model.h).
 *
 * Knows no requests: proxy/exchange_quota.c acts by it, what is used up is in route/quota.h.
 */
#pragma once
#include <stdint.h>

struct quota;

/* One every interval, and so many at once after a silence. */
struct request_rate {
	uint64_t interval_ns; /* 0: any rate */
	uint32_t burst;       /* 0 while reading: not said */
};

enum { ROUTE_REQUESTS_MAX = 1000000, SOURCE_REQUESTS_MAX = 100000 };

/* 0: any. A source is an address; of IPv6 the /64. */
struct route_limits {
	uint64_t body_bytes; /* of a request's body; UINT64_MAX: any */
	uint32_t requests;   /* under way, in all workers */
	uint32_t source_requests;
	struct request_rate rate, source_rate;
	struct quota *quota; /* what all workers have used of it; found again by name, so it
			      * outlives the model */
};
