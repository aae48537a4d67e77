/*
 * ingress_lab.h - vips of both kinds and families, next hops and endpoints, for tests of
 * xdp_ingress.
 *
 * Endpoint 1 is reached through the device on which packets come, 2 through another.
 */
#pragma once
#include <linux/bpf.h>
#include <netinet/in.h>

#include "tests/harness/packet.h"
#include "tests/harness/program_run.h"

#define CLIENT  "198.51.100.2"
#define CLIENT6 "2001:db8:1::2"
#define VIP     "203.0.113.53"
#define VIP6    "2001:db8:53::53"
#define WEB     "203.0.113.10"
#define ELSE    "192.0.2.99"
#define TUNNEL  "192.0.2.10"
#define HOST    "192.0.3.21"

enum { SYN = 2, FIN = 1, RST = 4, ACK = 16, L4_PORT = 8000, WEB_PORT = 80, VNI = 5001 };
enum { RING = 1, SLOTS = 7, HOP_BACK = 1, HOP_OTHER = 2, HOP_UNREADY = 3, HOP_SMALL = 4 };
enum { BY_1 = XDP_TX, BY_2 = XDP_REDIRECT };

extern struct xdp_ingress *x; /* once it is set up */

/* False where the test cannot run here. */
bool ingress_lab(void);
void ip_into(__be32 out[4], const char *text);
void add_vip(const char *ip, uint16_t port, uint8_t proto, uint32_t kind);
void add_endpoint(uint32_t id, uint32_t hop, uint32_t generation, uint32_t flags);
void add_hop(uint32_t index, uint32_t ifindex, bool ready, uint16_t mtu);
void ring_of(uint32_t endpoint); /* a new one */
void ring_changes_to(uint32_t endpoint);

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!ingress_lab())                                                                \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define TO_VIP(...)  TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = L4_PORT, __VA_ARGS__)
#define TO_WEB(...)  TCP4(.src = CLIENT, .dst = WEB, .sport = 4000, .dport = WEB_PORT, __VA_ARGS__)
#define TO_ELSE(...) TCP4(.src = CLIENT, .dst = ELSE, .sport = 4000, .dport = 80, __VA_ARGS__)
#define TO_DNS(...)  UDP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = 53, __VA_ARGS__)
#define TO_VIP6(...) TCP4(.src = CLIENT6, .dst = VIP6, .sport = 4000, .dport = L4_PORT, __VA_ARGS__)
