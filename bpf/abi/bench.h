/*
 * bench.h - what packet_bench tells its driver. Nothing of this is pinned.
 */
#pragma once
#include "bpf/abi/abi.h"

enum { BENCH_WORDS = 16 };

struct bench_case {
	__u32 frame_bytes;
	__u32 words;     /* of head, that are written before each repeat */
	__u32 next_flow; /* 1: every repeat is a flow of its own (IPv4) */
	__u32 zero;
	__u64 head[BENCH_WORDS];
};
