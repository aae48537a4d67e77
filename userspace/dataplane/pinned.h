/*
 * pinned.h - the pinned maps, opened.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"

enum pinned_map {
	PINNED_VIPS,
	PINNED_ADDRS,
	PINNED_ENDPOINTS,
	PINNED_RING_LINES,
	PINNED_NEXT_HOPS,
	PINNED_VTEPS,
	PINNED_SETTINGS,
	PINNED_COUNTERS,
	PINNED_FLOWS,
	PINNED_SPLICES,
	PINNED_LISTENERS,
	PINNED_EVENTS,
	PINNED_QUIC,
	PINNED_GUARDS,
	PINNED_GUARD_NETS,
	PINNED_VIP_TALLIES,
	PINNED_ENDPOINT_TALLIES,
	PINNED_MAPS
};

struct pinned {
	int fds[PINNED_MAPS];
};

/* All or nothing; says which is missing and refuses maps of another ABI_VERSION. */
bool pinned_open(struct pinned *out_pinned, const char *pin_dir, struct err *err);
/* From another process that has them open, in any order; takes them over, also on failure. */
bool pinned_inherit(struct pinned *out_pinned, const int *fds, uint32_t count, struct err *err);
void pinned_close(struct pinned *pinned);
