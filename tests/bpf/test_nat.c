/* forward: nat: both directions byte for byte, and what an entry's life is. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

BOTH_TWINS

#define SOURCE    "192.0.2.10"
#define SOURCE6   "2001:db8:2::10"
#define ENDPOINT  "10.0.1.2"
#define ENDPOINT6 "2001:db8:a::2"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, FAR_PORT = 8080, FIRST = 61000, HOP_MTU = 1500 };

/* ports: so many of ours, from FIRST on. */
static bool setup(const char *endpoint, uint16_t ports)
{
	struct settings s = { .hash_seed = 7,
			      .abi_version = ABI_VERSION,
			      .workers = 1,
			      .nat_first = FIRST,
			      .nat_last = (uint16_t)(FIRST + ports - 1),
			      .nat_v4 = 1,
			      .nat_all = 2 };
	struct endpoint_entry e = { .generation = 1,
				    .next_hop = L4_HOP_FIRST,
				    .flags = ENDPOINT_USED,
				    .port = htons(FAR_PORT) };
	uint32_t id = L4_FIRST;

	if (!l4_maps())
		return false;
	l4_ip(s.nat_sources[0], SOURCE);
	l4_ip(s.nat_sources[1], SOURCE6);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.nat_sources[0], ADDR_SPLICES);
	maps_addr(program_maps(), s.nat_sources[1], ADDR_SPLICES);
	l4_ip(e.vtep, endpoint);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	l4_hop(L4_HOP_FIRST, RUN_IFINDEX, HOP_MTU);
	maps_flag(program_maps(), L4_RING, VIP_NAT);
	return true;
}

#define NEED_NAT(endpoint, ports)                                                                  \
	do {                                                                                       \
		if (!setup(endpoint, ports))                                                       \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static struct outcome runs(const struct packet *in, int fate, enum counter counted)
{
	struct counters before = program_counters();
	struct outcome got = program_run(in);

	CHECK_INT(got.fate, fate);
	check_only_counted(&before, counted);
	return got;
}

static uint16_t port_at(const struct outcome *got, bool v6)
{
	size_t at = ETH_HLEN + (v6 ? 40 : 20);

	return (uint16_t)(got->bytes[at] << 8 | got->bytes[at + 1]);
}

/* in, as it must leave: between these addresses and MACs, a hop further. */
static void became(const struct outcome *got, const struct packet *in, const char *src,
		   uint16_t sport, const char *dst, uint16_t dport, const uint8_t macs[12])
{
	struct packet out = *in;
	uint8_t want[PACKET_BYTES_MAX];
	size_t len;

	out.src = src;
	out.dst = dst;
	out.sport = sport;
	out.dport = dport;
	out.ttl = (uint8_t)((in->ttl ? in->ttl : 64) - 1);
	len = packet_build(&out, want);
	memcpy(want, macs, 12);
	CHECK_BYTES(got->bytes, got->len, want, len);
	if (!in->hop_headers && !in->ip_options) /* else packet_build alone says what is right */
		CHECK(packet_sums_are_right(got->bytes, got->len));
}

static const uint8_t to_endpoint[12] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 };

/* Back to whoever sent the client's packet, from whom it was sent to. */
static void macs_back(uint8_t out[12])
{
	memcpy(out, packet_src_mac, 6);
	memcpy(out + 6, packet_dst_mac, 6);
}

TEST(packets_and_answers_are_translated_byte_for_byte)
{
	static const struct {
		const char *name, *client, *vip, *source, *endpoint;
		struct packet begins, answer, more;
		uint16_t dport;
	} rows[] = {
		{ "TCP", L4_CLIENT, L4_VIP, SOURCE, ENDPOINT, TCP4(.flags = SYN, .seq = 7),
		  TCP4(.flags = SYN | ACK, .seq = 99, .ack = 8),
		  TCP4(.payload = "odd", .ip_options = 8), L4_PORT },
		{ "TCP over IPv6", L4_CLIENT6, L4_VIP6, SOURCE6, ENDPOINT6,
		  TCP4(.flags = SYN, .seq = 7), TCP4(.flags = SYN | ACK, .seq = 99, .ack = 8),
		  TCP4(.payload = "odd", .hop_headers = 1), L4_PORT },
		{ "UDP", L4_CLIENT, L4_VIP, SOURCE, ENDPOINT, UDP4(.payload = "who?"),
		  UDP4(.payload = "me!"), UDP4(.payload = "and?", .ttl = 2), 53 },
		{ "UDP over IPv6", L4_CLIENT6, L4_VIP6, SOURCE6, ENDPOINT6, UDP4(.payload = "who?"),
		  UDP4(.payload = "me!"), UDP4(.payload = "and?", .ttl = 2), 53 },
	};
	uint8_t back[12];

	macs_back(back);
	FOR_ROWS (row, rows) {
		struct packet in = row->begins, answer = row->answer, more = row->more;
		struct outcome got;
		uint16_t port;

		NEED_NAT(row->endpoint, 4000);
		in.src = more.src = row->client;
		in.dst = more.dst = row->vip;
		in.sport = more.sport = 4000;
		in.dport = more.dport = row->dport;
		got = runs(&in, XDP_TX, COUNT_NATED);
		port = port_at(&got, strchr(row->client, ':') != NULL);
		CHECK(port >= FIRST && port < FIRST + 4000);
		became(&got, &in, row->source, port, row->endpoint, FAR_PORT, to_endpoint);
		answer.src = row->endpoint;
		answer.sport = FAR_PORT;
		answer.dst = row->source;
		answer.dport = port;
		got = runs(&answer, XDP_TX, COUNT_NAT_ANSWERED);
		became(&got, &answer, row->vip, row->dport, row->client, 4000, back);
		got = runs(&more, XDP_TX, COUNT_NATED);
		became(&got, &more, row->source, port, row->endpoint, FAR_PORT, to_endpoint);
	}
}

#define FROM(port, ...) L4_DATA(.sport = (port), __VA_ARGS__)

TEST(what_belongs_to_no_connection_makes_none)
{
	struct packet data = FROM(5000, .payload = "x"), tagged = FROM(5001, .flags = SYN);
	struct packet stray =
		TCP4(.src = ENDPOINT, .dst = SOURCE, .sport = FAR_PORT, .dport = FIRST);

	NEED_NAT(ENDPOINT, 16);
	runs(&data, XDP_DROP, COUNT_NAT_UNKNOWN);
	tagged.vlan_tags = 2;
	runs(&tagged, XDP_DROP, COUNT_NAT_LINK);
	runs(&stray, XDP_PASS, COUNT_NOT_OURS);
}

static void handshake(uint16_t client_port, uint16_t *out_port)
{
	struct packet syn = FROM(client_port, .flags = SYN), ack = FROM(client_port, .flags = ACK);
	struct packet answer =
		TCP4(.src = ENDPOINT, .dst = SOURCE, .sport = FAR_PORT, .flags = SYN | ACK);
	struct outcome got = runs(&syn, XDP_TX, COUNT_NATED);

	answer.dport = *out_port = port_at(&got, false);
	runs(&answer, XDP_TX, COUNT_NAT_ANSWERED);
	runs(&ack, XDP_TX, COUNT_NATED);
}

TEST(a_port_is_given_once_until_its_connection_is_over)
{
	struct packet second = FROM(6001, .flags = SYN), fin = FROM(6000, .flags = FIN | ACK);
	struct packet fin_back =
		TCP4(.src = ENDPOINT, .dst = SOURCE, .sport = FAR_PORT, .flags = FIN | ACK);
	struct settings *live;
	uint16_t port;

	NEED_NAT(ENDPOINT, 1);
	live = maps_live_settings(program_maps());
	live->nat_first = live->nat_last = FIRST + 4500; /* no other test's */
	live->epoch = 100;
	handshake(6000, &port);
	CHECK_INT(port, FIRST + 4500);
	live->epoch = 1000; /* however silent it is */
	runs(&second, XDP_DROP, COUNT_NAT_FULL);
	fin_back.dport = port;
	runs(&fin, XDP_TX, COUNT_NATED);
	runs(&second, XDP_DROP, COUNT_NAT_FULL);
	runs(&fin_back, XDP_TX, COUNT_NAT_ANSWERED);
	runs(&second, XDP_DROP, COUNT_NAT_FULL); /* it rests */
	live->epoch = 1059;
	runs(&second, XDP_DROP, COUNT_NAT_FULL);
	live->epoch = 1060;
	runs(&second, XDP_TX, COUNT_NATED);
}

TEST(first_packets_alone_hold_no_port_for_long)
{
	struct packet flood = FROM(7000, .flags = SYN), honest = FROM(7001, .flags = SYN);
	struct settings *live;

	NEED_NAT(ENDPOINT, 1);
	live = maps_live_settings(program_maps());
	live->nat_first = live->nat_last = FIRST + 4501;
	live->epoch = 2000;
	runs(&flood, XDP_TX, COUNT_NATED);
	runs(&flood, XDP_TX, COUNT_NATED); /* the same again keeps its port */
	runs(&honest, XDP_DROP, COUNT_NAT_FULL);
	live->epoch = 2002;
	runs(&honest, XDP_TX, COUNT_NATED);
}

TEST(both_ends_agree_on_segments_that_fit_either_link)
{
	static const uint8_t asked[] = { 2, 4, 0x05, 0xb4 }, fits[] = { 2, 4, 0x04, 0xb0 };
	struct packet syn = FROM(8000, .flags = SYN, .tcp_options = asked, .tcp_options_len = 4);
	struct packet want = syn;
	struct outcome got;

	NEED_NAT(ENDPOINT, 4000);
	l4_hop(L4_HOP_FIRST, RUN_IFINDEX, 1240);
	got = runs(&syn, XDP_TX, COUNT_NATED);
	want.tcp_options = fits;
	became(&got, &want, SOURCE, port_at(&got, false), ENDPOINT, FAR_PORT, to_endpoint);
}

/* A connection under way: what left, and the answer that did. */
struct under_way {
	struct packet in, answer;
	struct outcome out, back;
};

static struct under_way begin(const char *client, const char *vip, const char *source,
			      const char *endpoint, uint8_t proto)
{
	bool v6 = strchr(client, ':');
	struct under_way w = { .in = TCP4(.flags = SYN, .seq = 7, .payload = "abcd"),
			       .answer = TCP4(.flags = SYN | ACK, .ack = 8, .payload = "efgh") };

	w.in.proto = w.answer.proto = proto;
	w.in.src = client;
	w.in.dst = vip;
	w.in.sport = 4100;
	w.in.dport = proto == IPPROTO_UDP ? 53 : L4_PORT;
	w.out = runs(&w.in, XDP_TX, COUNT_NATED);
	w.answer.src = endpoint;
	w.answer.dst = source;
	w.answer.sport = FAR_PORT;
	w.answer.dport = port_at(&w.out, v6);
	w.back = runs(&w.answer, XDP_TX, COUNT_NAT_ANSWERED);
	return w;
}

TEST(errors_are_about_what_their_receiver_has_sent)
{
	static const struct {
		const char *name;
		bool v6, to_client;
		uint8_t proto, type, code;
		uint16_t quote; /* bytes behind the quoted IP header */
	} rows[] = {
		{ "to the client, as little as allowed", false, true, IPPROTO_TCP, 3, 4, 8 },
		{ "whole", false, true, IPPROTO_TCP, 3, 4, 24 },
		{ "UDP: port unreachable", false, true, IPPROTO_UDP, 3, 3, 12 },
		{ "to the endpoint", false, false, IPPROTO_TCP, 11, 0, 24 },
		{ "UDP, to the endpoint", false, false, IPPROTO_UDP, 3, 3, 8 },
		{ "packet too big, to the client", true, true, IPPROTO_TCP, 2, 0, 24 },
		{ "packet too big, to the endpoint", true, false, IPPROTO_TCP, 2, 0, 18 },
		{ "UDP over IPv6", true, true, IPPROTO_UDP, 1, 4, 12 },
	};
	uint8_t back[12];

	macs_back(back);
	FOR_ROWS (row, rows) {
		const char *client = row->v6 ? L4_CLIENT6 : L4_CLIENT;
		const char *vip = row->v6 ? L4_VIP6 : L4_VIP;
		const char *source = row->v6 ? SOURCE6 : SOURCE;
		const char *endpoint = row->v6 ? ENDPOINT6 : ENDPOINT;
		uint8_t quoted[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
		struct icmp_packet error = { .src = row->v6 ? "2001:db8:77::1" : "10.7.7.7",
					     .dst = row->to_client ? source : vip,
					     .type = row->type,
					     .code = row->code,
					     .rest = 1400,
					     .body_len = (row->v6 ? 40u : 20u) + row->quote };
		struct under_way w;
		struct packet sent;
		struct counters before;
		struct outcome got;
		size_t len;

		NEED_NAT(endpoint, 4000);
		w = begin(client, vip, source, endpoint, row->proto);
		error.body = (row->to_client ? w.out.bytes : w.back.bytes) + ETH_HLEN;
		len = packet_icmp(&error, frame);
		before = program_counters();
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, XDP_TX);
		check_only_counted(&before, COUNT_ERROR_TRANSLATED);
		sent = row->to_client ? w.in : w.answer;
		sent.ttl = 63; /* it came one hop further */
		packet_build(&sent, quoted);
		error.src = row->to_client ? vip : source;
		error.dst = row->to_client ? client : endpoint;
		error.ttl = 63;
		error.body = quoted + ETH_HLEN;
		len = packet_icmp(&error, want);
		memcpy(want, row->to_client ? back : to_endpoint, 12);
		CHECK_BYTES(got.bytes, got.len, want, len);
		CHECK(packet_sums_are_right(got.bytes, got.len));
	}
}

TEST(answers_go_back_through_the_tag_by_which_the_client_came)
{
	struct packet syn = FROM(9500, .flags = SYN, .vlan_tags = 1);
	struct packet answer =
		TCP4(.src = ENDPOINT, .dst = SOURCE, .sport = FAR_PORT, .flags = SYN | ACK);
	struct outcome out, back;
	struct packet want;
	uint8_t bytes[PACKET_BYTES_MAX], macs[12];
	size_t len;

	NEED_NAT(ENDPOINT, 4000);
	out = runs(&syn, XDP_TX, COUNT_NATED);
	answer.dport = port_at(&out, false);
	back = runs(&answer, XDP_TX, COUNT_NAT_ANSWERED);
	want = answer;
	want.src = L4_VIP;
	want.dst = L4_CLIENT;
	want.sport = L4_PORT;
	want.dport = 9500;
	want.ttl = 63;
	want.vlan_tags = 1;
	len = packet_build(&want, bytes);
	macs_back(macs);
	memcpy(bytes, macs, 12);
	CHECK_BYTES(back.bytes, back.len, bytes, len);
}

TEST(an_endpoint_that_is_down_or_drains)
{
	struct packet syn = FROM(9000, .flags = SYN), ack = FROM(9000, .flags = ACK),
		      other = FROM(9001, .flags = SYN);
	struct endpoint_entry e;
	uint32_t id = L4_FIRST;
	int endpoints;

	NEED_NAT(ENDPOINT, 4000);
	endpoints = bpf_map__fd(program_load()->maps.shunt_endpoints);
	CHECK_INT(bpf_map_lookup_elem(endpoints, &id, &e), 0);
	runs(&syn, XDP_TX, COUNT_NATED);
	e.flags |= ENDPOINT_DRAINING; /* no other is there: as if it did not */
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	runs(&ack, XDP_TX, COUNT_NATED);
	runs(&other, XDP_TX, COUNT_NATED);
	e.flags |= ENDPOINT_DOWN;
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	runs(&ack, XDP_DROP, COUNT_NAT_UNKNOWN);
	runs(&syn, XDP_DROP, COUNT_NO_ENDPOINT);
	e.flags = ENDPOINT_USED;
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	runs(&ack, XDP_TX, COUNT_NATED); /* it was only away */
}
