/*
 * packet.h - packets by what matters about them; the rest is made valid.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_BYTES_MAX = 2048, OPTIONS_MAX = 40 };

/* Zero means "as it should be". Numbers in host order. */
struct packet {
	const char *src, *dst; /* both of one family */
	uint16_t sport, dport;
	uint8_t proto;
	uint8_t flags; /* of TCP */
	uint32_t seq, ack;
	uint16_t window;
	const char *payload;
	const uint8_t *tcp_options;
	uint8_t tcp_options_len; /* a multiple of 4 */
	uint8_t ip_options;      /* bytes of IPv4 options (NOPs), a multiple of 4 */
	uint8_t hop_headers;     /* IPv6: so many empty destination-options headers */
	bool closed;             /* a window of 0, which in `window` is the usual one */
	uint8_t tos;             /* of IPv4 */
	uint8_t ttl;             /* 64 */
	uint8_t vlan_tags;       /* of 802.1Q */
	uint16_t fragment;       /* the whole field: of IPv4, or of a fragment header (IPv6) */
	uint16_t id;             /* of the datagram that is fragmented */
	uint16_t cut;            /* the frame ends here */
	uint16_t pad;            /* bytes behind the packet, as Ethernet's padding */
	int checksum_lie;        /* added to IPv4's checksum */
	int length_lie;          /* added to IP's total length */
	int udp_length_lie;
};

#define TCP4(...) ((struct packet){ .proto = 6, .flags = 16, __VA_ARGS__ })
#define UDP4(...) ((struct packet){ .proto = 17, __VA_ARGS__ })

/* The frame, with right checksums; returns its length. */
size_t packet_build(const struct packet *p, uint8_t out[PACKET_BYTES_MAX]);

/* An ICMP message of either family, whole. */
struct icmp_packet {
	const char *src, *dst;
	uint8_t type, code;
	uint32_t rest; /* the header's second word */
	const uint8_t *body;
	size_t body_len;
	uint8_t ttl; /* 64 */
	uint8_t vlan_tags;
	bool turned; /* from whom packets go to, by MAC addresses */
};
size_t packet_icmp(const struct icmp_packet *p, uint8_t out[PACKET_BYTES_MAX]);

/* Whether IP's and TCP's, UDP's or ICMP's checksums in a frame are right (untagged, no fragments).
 */
bool packet_sums_are_right(const uint8_t *frame, size_t len);

extern const uint8_t packet_dst_mac[6], packet_src_mac[6];
