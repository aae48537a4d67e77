/*
 * samples.h - one watcher of packets: its order to the programs, its lease, its ring buffer.
 *
 * Works on the pinned maps alone, shuntd may be stopped. There is one watcher at a time, by a lock
 * that ends with its process; the lease in the order ends the samples of one that was killed.
 */
#pragma once
#include <stdint.h>

#include "bpf/abi/sample.h"
#include "userspace/base/err.h"

struct samples;

/* Which packets: a set that is empty means all. */
struct samples_want {
	uint64_t reasons[REASONS_MAX / 64];
	uint64_t vips[VIP_TALLIES / 64];
	uint64_t endpoints[ENDPOINTS_MAX / 64];
	uint32_t one_of; /* about one of so many is taken; 1: all */
};

void samples_bit(uint64_t *set, uint32_t which);

/* NULL and *err where nothing is pinned, somebody watches already, or it is another version. */
struct samples *samples_open(const char *pin_dir, const struct samples_want *want, struct err *err);
/* Waits for samples, at most timeout_ms, which must be below WATCH_LEASE_MS; renews the lease. on_
 * sample returns false to be told no more. False: it was, or the ring buffer failed. */
bool samples_wait(struct samples *samples, int timeout_ms,
		  bool (*on_sample)(void *context, const struct sample *sample), void *context);
uint64_t samples_lost(const struct samples *samples); /* for which the ring had no room */
void samples_close(struct samples *samples);          /* accepts NULL */
