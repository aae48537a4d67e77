#include "tests/harness/packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

const uint8_t packet_dst_mac[6] = { 2, 0, 0, 0, 0, 1 }, packet_src_mac[6] = { 2, 0, 0, 0, 0, 2 };

static uint32_t sum(const void *bytes, size_t len, uint32_t start)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		start += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return start;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

static uint16_t l4_sum(const uint8_t *ip, bool v6, uint8_t proto, const uint8_t *l4, size_t len)
{
	uint32_t s = proto + (uint32_t)len;

	s = v6 ? sum(ip + 8, 32, s) : sum(ip + 12, 8, s);
	return fold(sum(l4, len, s));
}

static size_t put_l4(const struct packet *p, uint8_t *at)
{
	size_t payload = p->payload ? strlen(p->payload) : 0, head;

	if (p->proto == IPPROTO_TCP) {
		struct tcphdr tcp = { .source = htons(p->sport),
				      .dest = htons(p->dport),
				      .seq = htonl(p->seq),
				      .ack_seq = htonl(p->ack),
				      .window = htons(p->closed   ? 0
						      : p->window ? p->window
								  : 1000) };

		head = sizeof(tcp) + p->tcp_options_len;
		tcp.doff = (head / 4) & 15;
		memcpy(at, &tcp, sizeof(tcp));
		at[13] = p->flags;
		if (p->tcp_options_len)
			memcpy(at + sizeof(tcp), p->tcp_options, p->tcp_options_len);
	} else {
		struct udphdr udp = { .source = htons(p->sport), .dest = htons(p->dport) };

		head = sizeof(udp);
		udp.len = htons((uint16_t)((int)(head + payload) + p->udp_length_lie));
		memcpy(at, &udp, sizeof(udp));
	}
	if (payload)
		memcpy(at + head, p->payload, payload);
	return head + payload;
}

static size_t put_v4(const struct packet *p, uint8_t *ip)
{
	size_t head = sizeof(struct iphdr) + p->ip_options, l4 = put_l4(p, ip + head);
	struct iphdr h = { .version = 4,
			   .ihl = (head / 4) & 15,
			   .tos = p->tos,
			   .ttl = p->ttl ? p->ttl : 64,
			   .protocol = p->proto,
			   .id = htons(p->id),
			   .frag_off = htons(p->fragment) };

	h.tot_len = htons((uint16_t)((int)(head + l4) + p->length_lie));
	inet_pton(AF_INET, p->src, &h.saddr);
	inet_pton(AF_INET, p->dst, &h.daddr);
	memcpy(ip, &h, sizeof(h));
	memset(ip + sizeof(h), 1, p->ip_options);
	h.check = (uint16_t)(fold(sum(ip, head, 0)) + p->checksum_lie);
	memcpy(ip, &h, sizeof(h));
	*(uint16_t *)(void *)(ip + head + (p->proto == IPPROTO_TCP ? 16 : 6)) =
		l4_sum(ip, false, p->proto, ip + head, l4);
	return head + l4;
}

static size_t put_v6(const struct packet *p, uint8_t *ip)
{
	size_t headers = p->hop_headers + (p->fragment ? 1u : 0);
	size_t ext = headers * 8u, head = sizeof(struct ip6_hdr);
	uint8_t *l4_at = ip + head + ext;
	size_t l4 = put_l4(p, l4_at);

	memset(ip, 0, head);
	ip[0] = 0x60;
	*(uint16_t *)(void *)(ip + 4) = htons((uint16_t)((int)(ext + l4) + p->length_lie));
	ip[6] = ext ? IPPROTO_DSTOPTS : p->proto;
	ip[7] = p->ttl ? p->ttl : 64;
	inet_pton(AF_INET6, p->src, ip + 8);
	inet_pton(AF_INET6, p->dst, ip + 24);
	for (size_t i = 0; i < p->hop_headers; i++) {
		uint8_t *h = ip + head + i * 8;

		memset(h, 0, 8);
		h[0] = i + 1 < headers ? IPPROTO_DSTOPTS : p->proto;
		h[2] = 1; /* PadN */
		h[3] = 4;
	}
	if (p->fragment) {
		uint16_t last[4] = { htons((uint16_t)(p->proto << 8)), htons(p->fragment), 0,
				     htons(p->id) };

		memcpy(ip + head + p->hop_headers * 8u, last, sizeof(last));
		if (p->hop_headers)
			ip[head + (p->hop_headers - 1) * 8u] = IPPROTO_FRAGMENT;
		else
			ip[6] = IPPROTO_FRAGMENT;
	}
	*(uint16_t *)(void *)(l4_at + (p->proto == IPPROTO_TCP ? 16 : 6)) =
		l4_sum(ip, true, p->proto, l4_at, l4);
	return head + ext + l4;
}

static size_t put_link(uint8_t *out, uint8_t vlan_tags, bool v6)
{
	size_t at = 12;

	memset(out, 0, PACKET_BYTES_MAX);
	memcpy(out, packet_dst_mac, 6);
	memcpy(out + 6, packet_src_mac, 6);
	for (uint8_t i = 0; i < vlan_tags; i++, at += 4) {
		*(uint16_t *)(void *)(out + at) = htons(ETH_P_8021Q);
		*(uint16_t *)(void *)(out + at + 2) = htons(100 + i);
	}
	*(uint16_t *)(void *)(out + at) = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	return at + 2;
}

static uint16_t icmp_sum(const uint8_t *ip, bool v6, const uint8_t *icmp, size_t len)
{
	return v6 ? l4_sum(ip, true, IPPROTO_ICMPV6, icmp, len) : fold(sum(icmp, len, 0));
}

size_t packet_icmp(const struct icmp_packet *p, uint8_t out[PACKET_BYTES_MAX])
{
	bool v6 = strchr(p->dst, ':');
	struct packet outer = { .src = p->src,
				.dst = p->dst,
				.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				.ttl = p->ttl };
	size_t at = put_link(out, p->vlan_tags, v6), head = v6 ? 40 : 20;
	uint8_t *icmp = out + at + head;

	if (p->turned) {
		memcpy(out, packet_src_mac, 6);
		memcpy(out + 6, packet_dst_mac, 6);
	}
	/* put_l4 makes 8 bytes of UDP's header, which ICMP then takes. */
	outer.length_lie = (int)p->body_len;
	v6 ? put_v6(&outer, out + at) : put_v4(&outer, out + at);
	icmp[0] = p->type;
	icmp[1] = p->code;
	memset(icmp + 2, 0, 2);
	*(uint32_t *)(void *)(icmp + 4) = htonl(p->rest);
	memcpy(icmp + 8, p->body, p->body_len);
	*(uint16_t *)(void *)(icmp + 2) = icmp_sum(out + at, v6, icmp, 8 + p->body_len);
	return at + head + 8 + p->body_len;
}

size_t packet_build(const struct packet *p, uint8_t out[PACKET_BYTES_MAX])
{
	bool v6 = strchr(p->dst, ':');
	size_t at = put_link(out, p->vlan_tags, v6), len;

	len = at + (v6 ? put_v6(p, out + at) : put_v4(p, out + at)) + p->pad;
	return p->cut && p->cut < len ? p->cut : len;
}

bool packet_sums_are_right(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;
	bool v6 = ip[0] >> 4 == 6;
	size_t head = v6 ? 40 : (ip[0] & 15) * 4u;
	size_t total = v6 ? 40u + (ip[4] << 8 | ip[5]) : (size_t)(ip[2] << 8 | ip[3]);
	uint8_t proto = v6 ? ip[6] : ip[9];

	if (len < ETH_HLEN + total)
		return false;
	if (!v6 && fold(sum(ip, head, 0)) != 0)
		return false;
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return icmp_sum(ip, v6, ip + head, total - head) == 0;
	return l4_sum(ip, v6, proto, ip + head, total - head) == 0;
}
