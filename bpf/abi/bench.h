/*
 * bench.h - what packet_bench tells its driver. Nothing of this is pinned.
 */
#pragma once
#include "bpf/abi/abi.h"

enum {
	BENCH_WORDS = 16,
	BENCH_COLD_ENTRIES = 1 << 20,
	BENCH_GROW = 50, /* bytes: Ethernet, IPv4, UDP and VXLAN around a frame */
};

struct bench_case {
	__u32 frame_bytes;
	__u32 words;     /* of head, that are written before each repeat */
	__u32 flow_mask; /* 0: one flow; else so many and one, in scattered order (IPv4) */
	__u32 zero;
	__u64 head[BENCH_WORDS];
};
