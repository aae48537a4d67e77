/*
 * l4_maps.h - an L4 vip of both families with one endpoint in its ring, for tests of xdp_ingress.
 */
#pragma once
#include "tests/harness/packet.h"
#include "tests/harness/program_run.h"

#define L4_CLIENT  "198.51.100.2"
#define L4_CLIENT6 "2001:db8:1::2"
#define L4_VIP     "203.0.113.53"
#define L4_VIP6    "2001:db8:53::53"
#define L4_TUNNEL  "192.0.2.10"
#define L4_HOST    "192.0.3.21"

enum {
	L4_RING = 1,
	L4_PORT = 8000,
	L4_FIRST = 1,
	L4_OTHER = 2,
	L4_HOP_FIRST = 1,
	L4_HOP_OTHER = 2
};

/* False where programs cannot be loaded. Endpoint L4_FIRST is sent back, L4_OTHER redirected. */
bool l4_maps(void);
/* The ring changes: connections that began before stay where they are. */
void l4_ring(uint32_t endpoint);
void l4_hop(uint32_t index, uint32_t ifindex, uint16_t mtu);
/* Only so many senders are told something in a second: as if it began now. */
void l4_tell_again(void);
/* The flags of a vip's address. */
void l4_addr(const char *ip, uint32_t flags);
void l4_ip(__be32 out[4], const char *text);

#define NEED_L4_MAPS                                                                               \
	do {                                                                                       \
		if (!l4_maps())                                                                    \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define L4_DATA(...)  TCP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = L4_PORT, __VA_ARGS__)
#define L4_DATA6(...) TCP4(.src = L4_CLIENT6, .dst = L4_VIP6, .dport = L4_PORT, __VA_ARGS__)
