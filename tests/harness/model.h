/*
 * model.h - what xdp_ingress does with a frame on the maps of l4_maps.h: slow, and obvious.
 *
 * Knows fragments that went by (model_ingress is told of every frame in order); knows nothing of
 * splices, tunnels to us and listeners of the proxy. Shares no code with bpf/ but the counters.
 */
#pragma once
#include "bpf/abi/counter.h"
#include "tests/harness/packet.h"

struct model_outcome {
	int fate; /* XDP_... */
	enum counter why;
	uint8_t bytes[PACKET_BYTES_MAX + 64];
	size_t len;
	bool borrowed;         /* went the way of its first fragment */
	size_t source_port_at; /* of the tunnel: any of the dynamic range; 0: none */
};

/* Nothing went by. */
void model_begin(void);
struct model_outcome model_ingress(const uint8_t *frame, size_t len);
/* Takes the tunnel's source port from what came, if it is one that may be. */
void model_blank_source_port(struct model_outcome *want, const uint8_t *got, size_t len);
