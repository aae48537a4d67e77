/*
 * map_sizes.h - maps whose number of elements is chosen when they are made.
 *
 * Who opens such a map asks the kernel how many it has. The programs know from struct table_sizes,
 * a constant of theirs that the loader sets before they are verified, where a table ends.
 */
#pragma once
#include <linux/types.h>

#include "bpf/abi/sizes.h"

enum map_size {
	MAP_SIZE_FLOWS, /* buckets, a power of two */
	MAP_SIZE_SPLICES,
	MAP_SIZE_EVENTS, /* bytes, a power of two */
	MAP_SIZE_RING_LINES,
	MAP_SIZE_ENDPOINTS,
	MAP_SIZE_ADDRS, /* of both halves, as all below a power of two */
	MAP_SIZE_VIPS,
	MAP_SIZE_GUARD_LINES,
	MAP_SIZES
};

struct map_sizes {
	__u32 of[MAP_SIZES];
};

/* What may be asked for. */
enum { FLOWS_MOST = 1 << 26, SPLICES_MOST = 1 << 20 };

/* What an empty configuration gets, with room for a few listeners. */
enum {
	FLOW_BUCKETS_LEAST = 1024,
	SPLICES_LEAST = 256,
	EVENTS_BYTES_LEAST = 1 << 18,
	RING_LINES_LEAST = 1 << 14,
	ENDPOINTS_LEAST = 1024,
	ADDR_TABLE_LEAST = 2048,
	VIP_TABLE_LEAST = 2048,
	GUARD_LINES_LEAST = 1024,
};

/* Of a half, where the table has two. */
struct table_sizes {
	__u32 addrs;
	__u32 vips;
	__u32 guard_lines;
};
