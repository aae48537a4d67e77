#include "tools/bench/bench_frames.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/abi/bench.h"
#include "userspace/base/must.h"

enum { PAYLOAD = 10, TIMESTAMP_BYTES = 12, VXLAN_PORT = 4789, VXLAN_HEAD = 8, SYN = 2, ACK = 16 };

static uint16_t ip_sum(const void *header)
{
	const uint8_t *at = header;
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint8_t *put_link(struct bench_frame *f, uint16_t type)
{
	struct ethhdr *eth = (void *)(f->bytes + f->len);

	memset(eth->h_dest, 2, ETH_ALEN);
	memset(eth->h_source, 4, ETH_ALEN);
	eth->h_proto = htons(type);
	f->len += ETH_HLEN;
	return f->bytes + f->len;
}

static void put_ip(struct bench_frame *f, const char *src, const char *dst, uint8_t proto,
		   uint32_t payload)
{
	if (strchr(dst, ':')) {
		struct ipv6hdr *ip = (void *)put_link(f, ETH_P_IPV6);

		ip->version = 6;
		ip->payload_len = htons((uint16_t)payload);
		ip->nexthdr = proto;
		ip->hop_limit = 64;
		inet_pton(AF_INET6, src, &ip->saddr);
		inet_pton(AF_INET6, dst, &ip->daddr);
		f->len += sizeof(*ip);
	} else {
		struct iphdr *ip = (void *)put_link(f, ETH_P_IP);

		ip->version = 4;
		ip->ihl = 5;
		ip->ttl = 64;
		ip->protocol = proto;
		ip->tot_len = htons((uint16_t)(sizeof(*ip) + payload));
		inet_pton(AF_INET, src, &ip->saddr);
		inet_pton(AF_INET, dst, &ip->daddr);
		ip->check = ip_sum(ip);
		f->len += sizeof(*ip);
	}
}

/* Checksums of TCP are updated, never looked at, so none is made. */
static void put_tcp(struct bench_frame *f, uint16_t port, uint8_t flags, bool timestamps)
{
	static const uint8_t option[TIMESTAMP_BYTES] = { 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0 };
	struct tcphdr *tcp = (void *)(f->bytes + f->len);

	tcp->source = htons(4000);
	tcp->dest = htons(port);
	tcp->seq = htonl(1000);
	tcp->ack_seq = htonl(2000);
	tcp->window = htons(500);
	tcp->doff = 5;
	((uint8_t *)tcp)[13] = flags;
	f->len += sizeof(*tcp);
	if (timestamps) {
		tcp->doff = 8;
		memcpy(f->bytes + f->len, option, sizeof(option));
		f->len += sizeof(option);
	}
	f->len += PAYLOAD;
}

static struct bench_frame tcp_frame(const char *src, const char *dst, uint16_t port, uint8_t flags,
				    bool timestamps)
{
	struct bench_frame f = { .len = 0 };
	uint32_t payload = sizeof(struct tcphdr) + (timestamps ? TIMESTAMP_BYTES : 0) + PAYLOAD;

	put_ip(&f, src, dst, IPPROTO_TCP, payload);
	put_tcp(&f, port, flags, timestamps);
	return f;
}

/* What a tenant's host sends to the vip, wrapped for us: unwrapped, it is for nobody we know. */
static struct bench_frame vxlan_frame(void)
{
	struct bench_frame inner = tcp_frame(BENCH_CLIENT, BENCH_ELSE, BENCH_L4_PORT, ACK, false);
	struct bench_frame f = { .len = 0 };
	uint32_t payload = sizeof(struct udphdr) + VXLAN_HEAD + inner.len;
	struct udphdr *udp;

	put_ip(&f, BENCH_HOST, BENCH_TUNNEL, IPPROTO_UDP, payload);
	udp = (void *)(f.bytes + f.len);
	udp->source = htons(50000);
	udp->dest = htons(VXLAN_PORT);
	udp->len = htons((uint16_t)payload);
	f.len += sizeof(*udp);
	f.bytes[f.len] = 8; /* the VNI is valid */
	f.bytes[f.len + 5] = BENCH_VNI >> 8;
	f.bytes[f.len + 6] = BENCH_VNI & 255;
	f.len += VXLAN_HEAD;
	MUST(f.len + inner.len <= BENCH_FRAME_MAX);
	memcpy(f.bytes + f.len, inner.bytes, inner.len);
	f.len += inner.len;
	return f;
}

uint32_t bench_kinds(struct bench_kind *out)
{
	const char *c = BENCH_CLIENT, *c6 = BENCH_CLIENT6;
	struct bench_kind kinds[] = {
		{ "not for us", tcp_frame(c, BENCH_ELSE, 80, ACK, true), COUNT_NOT_OURS, 0, false,
		  0.5 },
		{ "to the proxy (passed to the stack)",
		  tcp_frame(c, BENCH_VIP, BENCH_L7_PORT, ACK, true), COUNT_TO_STACK, 0, false, 0 },
		{ "L4 over VXLAN, established, IPv4",
		  tcp_frame(c, BENCH_VIP, BENCH_L4_PORT, ACK, true), COUNT_FORWARDED, 0, false,
		  1.5 },
		{ "L4 over VXLAN, established, IPv6",
		  tcp_frame(c6, BENCH_VIP6, BENCH_L4_PORT, ACK, true), COUNT_FORWARDED, 0, false,
		  2.0 },
		{ "L4 over VXLAN, 1048576 flows in turn",
		  tcp_frame(c, BENCH_VIP, BENCH_L4_PORT, ACK, true), COUNT_FORWARDED,
		  BENCH_MANY_FLOWS - 1, true, 0.45 },
		{ "L4 over VXLAN, all new", tcp_frame(c, BENCH_VIP, BENCH_L4_PORT, SYN, true),
		  COUNT_FORWARDED, BENCH_ALL_NEW, false, 3 },
		{ "ring changed, established",
		  tcp_frame(c, BENCH_VIP, BENCH_CHANGING_PORT, ACK, true), COUNT_FORWARDED_STICKY,
		  0, false, 0 },
		{ "ring changed, 65536 flows in turn",
		  tcp_frame(c, BENCH_VIP, BENCH_CHANGING_PORT, ACK, true), COUNT_FORWARDED_STICKY,
		  BENCH_KNOWN_FLOWS - 1, true, 0 },
		{ "ring changed, all new, table full",
		  tcp_frame(c, BENCH_VIP, BENCH_CHANGING_PORT, SYN, true), COUNT_FORWARDED,
		  BENCH_ALL_NEW, false, 0 },
		{ "spliced, IPv4", tcp_frame(c, BENCH_VIP, BENCH_SPLICE_PORT, ACK, false),
		  COUNT_SPLICED, 0, false, 0 },
		{ "spliced, IPv4, timestamps",
		  tcp_frame(c, BENCH_VIP, BENCH_SPLICE_PORT, ACK, true), COUNT_SPLICED, 0, false,
		  2.0 },
		{ "spliced, IPv6, timestamps",
		  tcp_frame(c6, BENCH_VIP6, BENCH_SPLICE_PORT, ACK, true), COUNT_SPLICED, 0, false,
		  0 },
		{ "VXLAN to us, unwrapped and passed", vxlan_frame(), COUNT_DECAP_TO_STACK, 0,
		  false, 0 },
	};

	_Static_assert(ARRAY_LEN(kinds) <= BENCH_KINDS_MAX, "too many kinds");
	memcpy(out, kinds, sizeof(kinds));
	return ARRAY_LEN(kinds);
}

struct bench_kind bench_reference_kind(bool is_cold)
{
	return (struct bench_kind){ .name = is_cold ? "cold lookup" : "hot lookup",
				    .frame = tcp_frame(BENCH_CLIENT, BENCH_ELSE, 80, ACK, true),
				    .flow_mask = is_cold ? BENCH_COLD_ENTRIES - 1 : 0 };
}
