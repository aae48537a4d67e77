/*
 * packet_words.h - a packet described in words, as bytes; and bytes of a frame described. Pure.
 *
 *	tcp 198.51.100.7:4000 > 203.0.113.10:443 syn|ack len 100 vlan 12 ttl 3
 */
#pragma once
#include <stddef.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"

enum {
	PACKET_VLANS_MAX = 2,
	PACKET_PAYLOAD_MAX = 3000, /* one buffer of XDP, with its headers */
	PACKET_FRAME_MAX = 4096,
};

struct packet_words {
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	struct addr src, dst;
	uint8_t flags;    /* of TCP; none given: SYN */
	uint8_t ttl;      /* 64 */
	uint16_t payload; /* bytes */
	uint16_t vlans[PACKET_VLANS_MAX];
	uint32_t vlan_count; /* outermost first */
};

/* False and one sentence in *err where a word is wrong. */
bool packet_words_parse(const char *text, struct packet_words *out_packet, struct err *err);
/* Valid, with right checksums; dst_mac and src_mac are 02:00:00:00:00:01 and :02. */
size_t packet_words_build(const struct packet_words *packet, uint8_t out[PACKET_FRAME_MAX]);

/* What a frame says of itself, as far as it is understood. */
struct frame_view {
	uint8_t dst_mac[6], src_mac[6];
	uint16_t vlan; /* of the outermost tag; 0: none */
	bool ip;       /* else nothing below is set */
	struct addr src, dst;
	uint8_t proto;
	uint8_t ttl;
	bool vxlan;
	uint32_t vni;
	size_t inner; /* offset of the frame inside */
};

struct frame_view frame_view_read(const uint8_t *frame, size_t len);
