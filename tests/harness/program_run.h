/*
 * program_run.h - xdp_ingress as the kernel verified it, on packets of a test (BPF_PROG_TEST_RUN).
 *
 * Loads once, with maps of its own, nothing pinned. Tests are skipped without the right to. Where a
 * test says BOTH_TWINS, all of it is run again with tc_ingress (tc_run.h); maps begin anew with it.
 */
#pragma once
#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "tests/harness/maps.h"
#include "tests/harness/packet.h"
#include "tests/harness/test.h"
#include "xdp_ingress.skel.h"

enum { RUN_IFINDEX = 1 /* lo: where packets of a test come in */ };

#define BOTH_TWINS                                                                                 \
	__attribute__((constructor)) static void both_twins(void)                                  \
	{                                                                                          \
		test_again_as("in_tc");                                                            \
	}

struct outcome {
	int fate; /* XDP_... */
	uint8_t bytes[PACKET_BYTES_MAX];
	size_t len;
};

/* NULL where this process may not load programs. Of tc there are only the maps in it. */
struct xdp_ingress *program_load(void);
struct outcome program_run(const struct packet *packet);
struct outcome program_run_bytes(const uint8_t *frame, size_t len);
/* mark: as `shuntctl explain` puts it there; the bytes of the outcome have it in front. */
struct outcome program_run_marked(const uint8_t *frame, size_t len,
				  const struct explain_mark *mark);

/* Fails the test where a call does. */
void program_set(struct bpf_map *map, const void *key, const void *value);
void program_del(struct bpf_map *map, const void *key);
/* Tables of the loaded program; what is changed there is in effect for the next run. */
struct maps *program_maps(void);

struct counters {
	uint64_t n[COUNTERS];
};
struct counters program_counters(void);
const char *program_counter_name(enum counter which);
/* Exactly one has moved, by one: this. */
void check_only_counted(const struct counters *before, enum counter which);
