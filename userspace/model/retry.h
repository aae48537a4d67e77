/*
 * retry.h - when a request is sent once more, and what that may cost (a part of model.h).
 *
 * Knows no connections: proxy/exchange_retry.c acts by it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct status_range {
	uint16_t first, last;
};

enum { RETRY_STATUSES_MAX = 8, RETRY_ATTEMPTS_MAX = 7 };

/* Bits. */
enum retry_cause { RETRY_CONNECT = 1, RETRY_RESET = 2, RETRY_TIMEOUT = 4 };

/* When a request is sent once more, to another endpoint. */
struct retry {
	uint32_t on; /* enum retry_cause */
	struct status_range statuses[RETRY_STATUSES_MAX];
	uint32_t status_count;
	uint32_t attempts;     /* after the first */
	bool any_method;       /* also those that are not idempotent */
	uint32_t body_bytes;   /* of a request that are kept for it */
	uint32_t backoff_ms;   /* before the first, and twice as much before each next */
	uint32_t budget;       /* percent of an upstream's exchanges that may be retrying, */
	uint32_t budget_least; /* and how many may anyway; of each worker */
};
