#include "userspace/control/packet_words.h"

#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/vip.h"
#include "userspace/base/must.h"

static const char *const flag_names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr" };

enum { TTL_DEFAULT = 64, FLAG_SYN = 2, TCP_FLAGS_AT = 13, VXLAN_HEAD_BYTES = 8 };

/* --- words ------------------------------------------------------------------------------- */

static struct span word_take(struct span *rest)
{
	struct span word;

	while (rest->len && (*rest->at == ' ' || *rest->at == '\t'))
		*rest = span_after(*rest, 1);
	word = span_make(rest->at, 0);
	while (rest->len && *rest->at != ' ' && *rest->at != '\t') {
		word.len++;
		*rest = span_after(*rest, 1);
	}
	return word;
}

static bool number_take(struct span *rest, const char *of, uint32_t min, uint32_t max,
			uint32_t *out, struct err *err)
{
	struct span word = word_take(rest);
	uint32_t n = 0;
	bool ok = word.len > 0 && word.len <= 6;

	for (size_t i = 0; i < word.len && ok; i++) {
		ok = word.at[i] >= '0' && word.at[i] <= '9';
		n = n * 10 + (uint32_t)(word.at[i] - '0');
	}
	if (!ok || n < min || n > max)
		return err_set(err, "\"%s\" takes a number from %u to %u, found \"%.*s\"", of, min,
			       max, SPAN_ARG(word));
	*out = n;
	return true;
}

static bool flags_parse(struct span word, uint8_t *out_flags)
{
	uint8_t flags = 0;

	while (word.len) {
		const char *bar = memchr(word.at, '|', word.len);
		struct span one = span_make(word.at, bar ? (size_t)(bar - word.at) : word.len);
		size_t i = 0;

		while (i < ARRAY_LEN(flag_names) && !span_is_nocase(one, span_of(flag_names[i])))
			i++;
		if (i == ARRAY_LEN(flag_names) || (bar && one.len + 1 == word.len))
			return false;
		flags |= (uint8_t)(1u << i);
		word = span_after(word, one.len + (bar != NULL));
	}
	*out_flags = flags;
	return flags != 0;
}

static bool ends_parse(struct span *rest, struct packet_words *p, struct err *err)
{
	struct span proto = word_take(rest), src, arrow, dst;

	if (span_is_nocase(proto, SPAN("tcp")))
		p->proto = IPPROTO_TCP;
	else if (span_is_nocase(proto, SPAN("udp")))
		p->proto = IPPROTO_UDP;
	else
		return err_set(err, "a packet begins with tcp or udp, found \"%.*s\"",
			       SPAN_ARG(proto));
	src = word_take(rest);
	if (!addr_parse(src, &p->src))
		return err_set(err,
			       "expected a source such as 198.51.100.7:4000 or [2001:db8::7]:4000, "
			       "found \"%.*s\"",
			       SPAN_ARG(src));
	arrow = word_take(rest);
	if (!span_is(arrow, SPAN(">")))
		return err_set(err, "expected \">\" behind the source, found \"%.*s\"",
			       SPAN_ARG(arrow));
	dst = word_take(rest);
	if (!addr_parse(dst, &p->dst))
		return err_set(err,
			       "expected a destination such as 203.0.113.10:443, found \"%.*s\"",
			       SPAN_ARG(dst));
	if (addr_is_v4(&p->src) != addr_is_v4(&p->dst))
		return err_set(err, "source and destination must both be IPv4, or both IPv6");
	return true;
}

static bool option_parse(struct span word, struct span *rest, struct packet_words *p,
			 struct err *err)
{
	uint32_t n = 0;

	if (span_is_nocase(word, SPAN("len"))) {
		if (!number_take(rest, "len", 0, PACKET_PAYLOAD_MAX, &n, err))
			return false;
		p->payload = (uint16_t)n;
	} else if (span_is_nocase(word, SPAN("ttl"))) {
		if (!number_take(rest, "ttl", 1, UINT8_MAX, &n, err))
			return false;
		p->ttl = (uint8_t)n;
	} else if (span_is_nocase(word, SPAN("vlan"))) {
		if (!number_take(rest, "vlan", 1, 4094, &n, err))
			return false;
		if (p->vlan_count == PACKET_VLANS_MAX)
			return err_set(err, "a packet has at most %d vlan tags", PACKET_VLANS_MAX);
		p->vlans[p->vlan_count++] = (uint16_t)n;
	} else if (p->proto != IPPROTO_TCP || !flags_parse(word, &p->flags)) {
		return err_set(err, "expected %slen, ttl or vlan with a number, found \"%.*s\"",
			       p->proto == IPPROTO_TCP ? "flags of TCP such as syn|ack, or " : "",
			       SPAN_ARG(word));
	}
	return true;
}

bool packet_words_parse(const char *text, struct packet_words *out_packet, struct err *err)
{
	struct packet_words p = { .ttl = TTL_DEFAULT };
	struct span rest = span_of(text), word;

	if (!ends_parse(&rest, &p, err))
		return false;
	while ((word = word_take(&rest)).len)
		if (!option_parse(word, &rest, &p, err))
			return false;
	if (p.proto == IPPROTO_TCP && !p.flags)
		p.flags = FLAG_SYN;
	*out_packet = p;
	return true;
}

/* --- bytes ------------------------------------------------------------------------------- */

static uint32_t sum(const uint8_t *at, size_t len, uint32_t start)
{
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

static size_t put_link(const struct packet_words *p, uint8_t *out)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint16_t type = htons(addr_is_v4(&p->dst) ? ETH_P_IP : ETH_P_IPV6);
	size_t at = sizeof(macs);

	memcpy(out, macs, sizeof(macs));
	for (uint32_t i = 0; i < p->vlan_count; i++) {
		uint16_t tag[2] = { htons(ETH_P_8021Q), htons(p->vlans[i]) };

		memcpy(out + at, tag, sizeof(tag));
		at += sizeof(tag);
	}
	memcpy(out + at, &type, sizeof(type));
	return at + sizeof(type);
}

/* Without its checksum; the payload is zero. */
static size_t put_transport(const struct packet_words *p, uint8_t *at)
{
	struct tcphdr tcp = { .source = p->src.port,
			      .dest = p->dst.port,
			      .seq = htonl(1),
			      .doff = sizeof(tcp) / 4,
			      .window = htons(UINT16_MAX) };
	struct udphdr udp = { .source = p->src.port, .dest = p->dst.port };

	if (p->proto == IPPROTO_TCP) {
		memcpy(at, &tcp, sizeof(tcp));
		at[TCP_FLAGS_AT] = p->flags;
		return sizeof(tcp) + p->payload;
	}
	udp.len = htons((uint16_t)(sizeof(udp) + p->payload));
	memcpy(at, &udp, sizeof(udp));
	return sizeof(udp) + p->payload;
}

static void put_sum(const struct packet_words *p, uint8_t *l4, size_t len)
{
	size_t from = addr_is_v4(&p->src) ? 12 : 0; /* IPv4's is the last word of ours */
	uint32_t s = p->proto + (uint32_t)len;
	uint16_t check;

	s = sum((const uint8_t *)p->src.ip + from, 16 - from, s);
	s = sum((const uint8_t *)p->dst.ip + from, 16 - from, s);
	check = fold(sum(l4, len, s));
	memcpy(l4 + (p->proto == IPPROTO_TCP ? 16 : 6), &check, sizeof(check));
}

static size_t put_ip_v4(const struct packet_words *p, uint8_t *at)
{
	struct iphdr ip = { .version = 4,
			    .ihl = sizeof(ip) / 4,
			    .ttl = p->ttl,
			    .protocol = p->proto,
			    .saddr = p->src.ip[3],
			    .daddr = p->dst.ip[3] };
	size_t len = put_transport(p, at + sizeof(ip));

	ip.tot_len = htons((uint16_t)(sizeof(ip) + len));
	memcpy(at, &ip, sizeof(ip));
	ip.check = fold(sum(at, sizeof(ip), 0));
	memcpy(at, &ip, sizeof(ip));
	put_sum(p, at + sizeof(ip), len);
	return sizeof(ip) + len;
}

static size_t put_ip_v6(const struct packet_words *p, uint8_t *at)
{
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28) };
	size_t len = put_transport(p, at + sizeof(ip));

	ip.ip6_plen = htons((uint16_t)len);
	ip.ip6_nxt = p->proto;
	ip.ip6_hlim = p->ttl;
	memcpy(&ip.ip6_src, p->src.ip, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, p->dst.ip, sizeof(ip.ip6_dst));
	memcpy(at, &ip, sizeof(ip));
	put_sum(p, at + sizeof(ip), len);
	return sizeof(ip) + len;
}

size_t packet_words_build(const struct packet_words *p, uint8_t out[PACKET_FRAME_MAX])
{
	size_t at;

	memset(out, 0, PACKET_FRAME_MAX);
	at = put_link(p, out);
	return at + (addr_is_v4(&p->dst) ? put_ip_v4(p, out + at) : put_ip_v6(p, out + at));
}

/* --- and back ---------------------------------------------------------------------------- */

static void addr_v4(struct addr *to, uint32_t ip)
{
	*to = (struct addr){ .ip = { 0, 0, htonl(0xffff), ip } };
}

/* Offset of the transport header, 0 where it is no IP of ours. */
static size_t read_ip(const uint8_t *frame, size_t len, size_t at, uint16_t type,
		      struct frame_view *v)
{
	if (type == ETH_P_IP && at + sizeof(struct iphdr) <= len) {
		struct iphdr ip;

		memcpy(&ip, frame + at, sizeof(ip));
		addr_v4(&v->src, ip.saddr);
		addr_v4(&v->dst, ip.daddr);
		v->proto = ip.protocol;
		v->ttl = ip.ttl;
		return at + ip.ihl * 4u;
	}
	if (type == ETH_P_IPV6 && at + sizeof(struct ip6_hdr) <= len) {
		struct ip6_hdr ip;

		memcpy(&ip, frame + at, sizeof(ip));
		v->src = v->dst = (struct addr){ 0 };
		memcpy(v->src.ip, &ip.ip6_src, sizeof(v->src.ip));
		memcpy(v->dst.ip, &ip.ip6_dst, sizeof(v->dst.ip));
		v->proto = ip.ip6_nxt;
		v->ttl = ip.ip6_hlim;
		return at + sizeof(ip);
	}
	return 0;
}

static uint16_t word_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void read_ports(const uint8_t *frame, size_t len, size_t at, struct frame_view *v)
{
	size_t behind = at + sizeof(struct udphdr) + VXLAN_HEAD_BYTES;
	const uint8_t *vni = frame + at + sizeof(struct udphdr) + 4;

	if (at + 4 > len || (v->proto != IPPROTO_TCP && v->proto != IPPROTO_UDP))
		return;
	memcpy(&v->src.port, frame + at, 2);
	memcpy(&v->dst.port, frame + at + 2, 2);
	if (v->proto != IPPROTO_UDP || v->dst.port != htons(VXLAN_PORT) || behind > len)
		return;
	v->vxlan = true;
	v->vni = (uint32_t)vni[0] << 16 | (uint32_t)vni[1] << 8 | vni[2];
	v->inner = behind;
}

struct frame_view frame_view_read(const uint8_t *frame, size_t len)
{
	struct frame_view v = { .vlan = 0 };
	uint16_t type;
	size_t at = ETH_HLEN;

	if (len < ETH_HLEN)
		return v;
	memcpy(v.dst_mac, frame, ETH_ALEN);
	memcpy(v.src_mac, frame + ETH_ALEN, ETH_ALEN);
	type = word_at(frame + at - 2);
	while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && at + 4 <= len) {
		if (!v.vlan)
			v.vlan = word_at(frame + at) & 0xfff;
		type = word_at(frame + at + 2);
		at += 4;
	}
	at = read_ip(frame, len, at, type, &v);
	v.ip = at != 0;
	if (v.ip)
		read_ports(frame, len, at, &v);
	return v;
}
