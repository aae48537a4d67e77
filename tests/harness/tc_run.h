/*
 * tc_run.h - tc_ingress as the kernel verified it, on frames of a test, with answers in XDP's
 * words.
 *
 * What is inherent in tc is made alike here and nowhere else, so that a test need not know which
 * twin it asks:
 *   - the first VLAN tag of a frame comes beside it, as the stack has it; a tag that is beside it
 *     afterwards is among the bytes of the outcome;
 *   - TC_ACT_UNSPEC is XDP_PASS, TC_ACT_SHOT is XDP_DROP; a redirect to the device on which the
 *     frame came is XDP_TX, another is XDP_REDIRECT;
 *   - BPF_PROG_TEST_RUN takes no frame without a whole IP header: it gets a longer one, which the
 *     driver cuts;
 *   - the mark of a packet that is only to be explained is in the control block.
 * Frames here are of one packet with complete checksums. Those that are not: test_tc_super.c.
 */
#pragma once
#include "tests/harness/program_run.h"

/* An object that is not loaded yet gets the maps of x. */
void tc_share_maps(struct bpf_object *to, const struct xdp_ingress *x);
/* With the maps of x; false where this process may not load it. */
bool tc_load(struct xdp_ingress *x);
/* mark: NULL where the frame is none to be explained. */
struct outcome tc_run(const uint8_t *frame, size_t len, const struct explain_mark *mark);
