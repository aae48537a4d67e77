/*
 * bench_frames.h - the frames that packet_bench sends, and what must become of them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/counter.h"

enum {
	BENCH_FRAME_MAX = 256,
	BENCH_KINDS_MAX = 16,
	BENCH_MANY_FLOWS = 1 << 20,
	BENCH_KNOWN_FLOWS = 1 << 16, /* a quarter of what the table of flows holds */
};

#define BENCH_ALL_NEW UINT32_MAX

/* Addresses and ports that both the frames and the maps have. */
#define BENCH_CLIENT   "198.51.100.2"
#define BENCH_CLIENT6  "2001:db8:1::2"
#define BENCH_VIP      "203.0.113.53"
#define BENCH_VIP6     "2001:db8:53::53"
#define BENCH_ELSE     "192.0.2.99"
#define BENCH_TUNNEL   "192.0.2.10"
#define BENCH_HOST     "192.0.3.21"
#define BENCH_ENDPOINT "10.0.1.2"

enum {
	BENCH_L4_PORT = 8000,
	BENCH_CHANGING_PORT = 8001, /* its ring has just changed in every slot */
	BENCH_L7_PORT = 80,
	BENCH_SPLICE_PORT = 443,
	BENCH_VNI = 5001,
};

struct bench_frame {
	uint8_t bytes[BENCH_FRAME_MAX];
	uint32_t len;
};

struct bench_kind {
	const char *name;
	struct bench_frame frame;
	enum counter counted; /* each packet, once */
	uint32_t flow_mask;   /* as in bpf/abi/bench.h; BENCH_ALL_NEW: no flow twice */
	bool is_cold;         /* compared with the cold lookup, not the hot one */
	double goal;          /* in lookups of that kind; 0: none */
};

/* At most BENCH_KINDS_MAX; returns how many. */
uint32_t bench_kinds(struct bench_kind *out_kinds);
/* Frames for bpf/bench_reference.bpf.c; counted nowhere. */
struct bench_kind bench_reference_kind(bool is_cold);
