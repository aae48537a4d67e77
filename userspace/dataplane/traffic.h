/*
 * traffic.h - what went to whom, summed over all CPUs; names point into the snapshot.
 */
#pragma once
#include <stdint.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"
#include "userspace/snapshot/snapshot.h"

/* One listener at one address; the addresses of an L4 listener share a tally. */
struct traffic_vip {
	const struct listener *listener;
	const struct addr *address;
	uint32_t tally;
	struct vip_tally count;
};

struct traffic_endpoint {
	const struct endpoint *endpoint;
	uint32_t id;
	struct tally count;
};

struct traffic {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	struct tally reasons[COUNTERS];
	struct traffic_vip *vips;
	struct traffic_endpoint *endpoints;
	uint32_t vip_count, endpoint_count;
};

void traffic_fini(struct traffic *traffic);
