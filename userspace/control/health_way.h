/*
 * health_way.h - how a probe gets to an endpoint, and what the kernel must allow for its answer.
 */
#pragma once
#include "userspace/control/fast_path.h"
#include "userspace/upstream/health_probe.h"

/* False: there is no way now, and *err says why. */
bool health_way_find(struct fast_path *fast_path, const struct snapshot *snapshot,
		     const struct upstream *upstream, const struct endpoint *endpoint,
		     struct health_way *out_way, struct err *err);
/* The listener of packets whose endpoints these are; NULL: none, or there is no fast path. */
const struct listener *health_way_listener(const struct fast_path *fast_path,
					   const struct snapshot *snapshot,
					   const struct upstream *upstream);
/* An answer has a vip's address, which is one of our own: IPv4 believes it only where the device
 * says so. Says so, and warns of what else would drop it. Once a device. */
void health_way_allow(uint32_t ifindex);
