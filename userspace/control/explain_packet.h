/*
 * explain_packet.h - the program that is attached, run on a packet that nobody sent.
 *
 * By BPF_PROG_TEST_RUN with a mark on the packet (bpf/abi/sample.h): it is counted
 * nowhere, no flow is remembered for it, no splice is moved by it, and nothing leaves a device.
 */
#pragma once
#include <net/if.h>

#include "bpf/abi/sample.h"
#include "bpf/abi/vip.h"
#include "userspace/base/err.h"
#include "userspace/control/packet_words.h"

struct explained {
	struct sample sample; /* what the program says of it */
	uint8_t out[PACKET_FRAME_MAX];
	size_t out_len;
	char device[32], out_device[IF_NAMESIZE];
	uint32_t program_id;
	uint32_t splice_state;    /* enum splice_state, where sample.splice is one */
	struct next_hop next_hop; /* where sample.next_hop is one; else zero */
};

/* device NULL: the first one that has our program. Needs the network namespace of that device. */
bool explain_packet(const char *pin_dir, const char *device, const struct packet_words *packet,
		    struct explained *out_explained, struct err *err);
