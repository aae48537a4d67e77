/* What xdp_ingress answers itself, and errors about L4 connections: byte for byte. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

#define ROUTER  "192.0.2.1"
#define ROUTER6 "2001:db8:7::1"

static const uint8_t letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static void same_bytes(const struct icmp_packet *in, int fate, enum counter counted,
		       const struct icmp_packet *out)
{
	uint8_t frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
	size_t len = packet_icmp(in, frame), want_len = packet_icmp(out ? out : in, want);
	struct counters before = program_counters();
	struct outcome got = program_run_bytes(frame, len);

	CHECK_INT(got.fate, fate);
	check_only_counted(&before, counted);
	CHECK_BYTES(got.bytes, got.len, want, want_len);
}

TEST(an_echo_request_to_a_vip_is_answered_dropped_or_passed)
{
	static const struct {
		const char *name, *vip, *client;
		uint32_t flags;
		uint8_t type, answer, vlan_tags;
		uint16_t len;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "answered", L4_VIP, L4_CLIENT, ADDR_ANSWER, 8, 0, 0, 36, XDP_TX,
		  COUNT_PING_ANSWERED },
		{ "of an odd length", L4_VIP, L4_CLIENT, ADDR_ANSWER, 8, 0, 0, 35, XDP_TX,
		  COUNT_PING_ANSWERED },
		{ "empty", L4_VIP, L4_CLIENT, ADDR_ANSWER, 8, 0, 0, 0, XDP_TX,
		  COUNT_PING_ANSWERED },
		{ "over IPv6", L4_VIP6, L4_CLIENT6, ADDR_ANSWER, 128, 129, 0, 36, XDP_TX,
		  COUNT_PING_ANSWERED },
		{ "with two tags", L4_VIP, L4_CLIENT, ADDR_ANSWER, 8, 0, 2, 36, XDP_TX,
		  COUNT_PING_ANSWERED },
		{ "also beside a proxy", L4_VIP, L4_CLIENT, ADDR_ANSWER | ADDR_STACK, 8, 0, 0, 36,
		  XDP_TX, COUNT_PING_ANSWERED },
		{ "dropped", L4_VIP, L4_CLIENT, ADDR_NO_ANSWER, 8, 8, 0, 36, XDP_DROP,
		  COUNT_PING_DROPPED },
		{ "dropped over IPv6", L4_VIP6, L4_CLIENT6, ADDR_NO_ANSWER, 128, 128, 0, 36,
		  XDP_DROP, COUNT_PING_DROPPED },
		{ "passed", L4_VIP, L4_CLIENT, ADDR_STACK, 8, 8, 0, 36, XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "an answer is none", L4_VIP, L4_CLIENT, ADDR_ANSWER, 0, 0, 0, 36, XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "nor is neighbour discovery", L4_VIP6, L4_CLIENT6, ADDR_ANSWER, 135, 135, 0, 36,
		  XDP_PASS, COUNT_ODD_TO_STACK },
		{ "ICMP of the other family", L4_VIP6, L4_CLIENT6, ADDR_ANSWER, 8, 8, 0, 36,
		  XDP_PASS, COUNT_ODD_TO_STACK },
		{ "from loopback", L4_VIP, "127.0.0.1", ADDR_ANSWER, 8, 8, 0, 36, XDP_DROP,
		  COUNT_MARTIAN },
		{ "from the vip", L4_VIP, L4_VIP, ADDR_ANSWER, 8, 8, 0, 36, XDP_DROP, COUNT_LAND },
		{ "to nobody", "192.0.2.99", L4_CLIENT, 0, 8, 8, 0, 36, XDP_PASS, COUNT_NOT_OURS },
	};

	NEED_L4_MAPS;
	FOR_ROWS (row, rows) {
		struct icmp_packet in = { .src = row->client,
					  .dst = row->vip,
					  .type = row->type,
					  .rest = 0x12340007,
					  .ttl = 9,
					  .body = letters,
					  .body_len = row->len,
					  .vlan_tags = row->vlan_tags };
		struct icmp_packet out = in;

		if (row->flags)
			l4_addr(row->vip, row->flags);
		if (row->fate == XDP_TX) {
			out.src = row->vip;
			out.dst = row->client;
			out.type = row->answer;
			out.ttl = 64;
			out.turned = true;
		}
		same_bytes(&in, row->fate, row->counted, &out);
	}
}

enum { WRAP_BYTES = ETH_HLEN + 50 };

#define SENT(...)                                                                                  \
	TCP4(.src = L4_VIP, .dst = L4_CLIENT, .sport = L4_PORT, .dport = 4500, __VA_ARGS__)
#define SENT6(...)                                                                                 \
	TCP4(.src = L4_VIP6, .dst = L4_CLIENT6, .sport = L4_PORT, .dport = 4500, __VA_ARGS__)

TEST(an_error_follows_the_connection_that_it_quotes)
{
	static const struct {
		const char *name;
		struct packet quoted;
		const char *from, *to;
		uint8_t type, code;
		uint16_t quote_len;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "fragmentation needed", SENT(), ROUTER, L4_VIP, 3, 4, 28, XDP_TX,
		  COUNT_ERROR_FOLLOWED },
		{ "host unreachable", SENT(), ROUTER, L4_VIP, 3, 1, 40, XDP_TX,
		  COUNT_ERROR_FOLLOWED },
		{ "time exceeded", SENT(), ROUTER, L4_VIP, 11, 0, 28, XDP_TX,
		  COUNT_ERROR_FOLLOWED },
		{ "parameter problem", SENT(), ROUTER, L4_VIP, 12, 0, 28, XDP_TX,
		  COUNT_ERROR_FOLLOWED },
		{ "with options in the quote", SENT(.ip_options = 12), ROUTER, L4_VIP, 3, 4, 40,
		  XDP_TX, COUNT_ERROR_FOLLOWED },
		{ "about a datagram",
		  UDP4(.src = L4_VIP, .dst = L4_CLIENT, .sport = 53, .dport = 4500), ROUTER, L4_VIP,
		  3, 3, 28, XDP_TX, COUNT_ERROR_FOLLOWED },
		{ "packet too big, IPv6", SENT6(), ROUTER6, L4_VIP6, 2, 0, 60, XDP_TX,
		  COUNT_ERROR_FOLLOWED },
		{ "IPv6 with extension headers in the quote", SENT6(.hop_headers = 2), ROUTER6,
		  L4_VIP6, 3, 0, 76, XDP_TX, COUNT_ERROR_FOLLOWED },
		{ "a quote of less than the ports", SENT(), ROUTER, L4_VIP, 3, 4, 27, XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "a quote of no header", SENT(), ROUTER, L4_VIP, 3, 4, 10, XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "a quote of a later fragment", SENT(.fragment = 5), ROUTER, L4_VIP, 3, 4, 28,
		  XDP_PASS, COUNT_ODD_TO_STACK },
		{ "a quote of another vip's packet",
		  TCP4(.src = "203.0.113.10", .dst = L4_CLIENT, .sport = L4_PORT, .dport = 4500),
		  ROUTER, L4_VIP, 3, 4, 28, XDP_PASS, COUNT_ODD_TO_STACK },
		{ "a quote of a port that is not ours",
		  TCP4(.src = L4_VIP, .dst = L4_CLIENT, .sport = 9, .dport = 4500), ROUTER, L4_VIP,
		  3, 4, 28, XDP_PASS, COUNT_ODD_TO_STACK },
		{ "a redirect is no error", SENT(), ROUTER, L4_VIP, 5, 1, 28, XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "from multicast", SENT(), "224.0.0.1", L4_VIP, 3, 4, 28, XDP_DROP,
		  COUNT_MARTIAN },
		{ "to nobody",
		  TCP4(.src = "192.0.2.99", .dst = L4_CLIENT, .sport = L4_PORT, .dport = 4500),
		  ROUTER, "192.0.2.99", 3, 4, 28, XDP_PASS, COUNT_NOT_OURS },
	};

	NEED_L4_MAPS;
	FOR_ROWS (row, rows) {
		uint8_t quote[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX];
		struct icmp_packet in = { .src = row->from,
					  .dst = row->to,
					  .type = row->type,
					  .code = row->code,
					  .rest = 1400,
					  .body = quote + ETH_HLEN,
					  .body_len = row->quote_len };
		struct counters before = program_counters();
		struct outcome got;
		size_t len;

		packet_build(&row->quoted, quote);
		len = packet_icmp(&in, frame);
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate != XDP_TX) {
			CHECK_BYTES(got.bytes, got.len, frame, len);
			continue;
		}
		/* Wrapped, and inside it is as it was but for its TTL. */
		in.ttl = 63;
		len = packet_icmp(&in, frame);
		CHECK_BYTES(got.bytes + WRAP_BYTES, got.len - WRAP_BYTES, frame + ETH_HLEN,
			    len - ETH_HLEN);
	}
}

TEST(an_error_goes_where_its_connection_goes_and_makes_none)
{
	struct packet syn =
		TCP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 4500, .dport = L4_PORT, .flags = 2);
	struct packet sent = SENT(), other = SENT(.dport = 4501);
	uint8_t quote[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX];
	struct icmp_packet in = { .src = ROUTER,
				  .dst = L4_VIP,
				  .type = 3,
				  .code = 4,
				  .body = quote + ETH_HLEN,
				  .body_len = 28 };
	struct flow_key key = { .sport = htons(4501),
				.dport = htons(L4_PORT),
				.proto = IPPROTO_TCP };
	struct flow_table flows;
	size_t len;

	NEED_L4_MAPS;
	flows = maps_flows(program_maps());
	CHECK_INT(program_run(&syn).fate, XDP_TX);
	l4_ring(L4_OTHER);
	packet_build(&sent, quote);
	len = packet_icmp(&in, frame);
	CHECK_INT(program_run_bytes(frame, len).fate, XDP_TX); /* with the connection */
	packet_build(&other, quote);
	len = packet_icmp(&in, frame);
	CHECK_INT(program_run_bytes(frame, len).fate, XDP_TX); /* it may have begun before */
	l4_ip(key.src, L4_CLIENT);
	l4_ip(key.dst, L4_VIP);
	CHECK_INT(flow_table_find(&flows, &key), 0);
}

TEST(what_does_not_fit_is_answered_with_what_would)
{
	static char text[1460];
	static const struct {
		const char *name;
		struct packet packet;
		uint16_t mtu, told;
		size_t quote;
		int fate;
		enum counter counted;
	} rows[] = {
#define BIG4(...) L4_DATA(.sport = 4600, .payload = text, __VA_ARGS__)
#define BIG6(...) L4_DATA6(.sport = 4600, .payload = text, __VA_ARGS__)
		{ "IPv4 that must not be fragmented", BIG4(.fragment = 0x4000), 1500, 1450, 548,
		  XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "IPv4 that might be", BIG4(.pad = 3), 1500, 1450, 548, XDP_TX,
		  COUNT_TOO_BIG_TOLD },
		{ "with a tag", BIG4(.vlan_tags = 1), 1500, 1450, 548, XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "with two", BIG4(.vlan_tags = 2), 1500, 1450, 548, XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "with IPv4 options", BIG4(.ip_options = 20), 1500, 1450, 548, XDP_TX,
		  COUNT_TOO_BIG_TOLD },
		{ "a datagram",
		  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 4600, .dport = 53,
		       .payload = text),
		  1500, 1450, 548, XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "IPv6", BIG6(), 1500, 1450, 1232, XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "IPv6 with a tag and extension headers", BIG6(.vlan_tags = 1, .hop_headers = 2),
		  1500, 1450, 1232, XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "a packet smaller than a quote may be",
		  L4_DATA(.sport = 4600, .payload = "0123456789012345678901234567890"), 118, 68, 68,
		  XDP_TX, COUNT_TOO_BIG_TOLD },
		{ "IPv6 where no link may be so small", BIG6(), 1329, 0, 0, XDP_DROP,
		  COUNT_TOO_BIG },
		{ "IPv4 where no link may be so small", BIG4(), 117, 0, 0, XDP_DROP,
		  COUNT_TOO_BIG },
	};

	NEED_L4_MAPS;
	memset(text, 'x', sizeof(text) - 1);
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
		bool v6 = strchr(row->packet.dst, ':');
		size_t len = packet_build(&row->packet, frame), want_len;
		struct icmp_packet out = { .src = row->packet.dst,
					   .dst = row->packet.src,
					   .type = v6 ? 2 : 3,
					   .code = v6 ? 0 : 4,
					   .rest = row->told,
					   .body = frame + ETH_HLEN + row->packet.vlan_tags * 4,
					   .body_len = row->quote,
					   .vlan_tags = row->packet.vlan_tags,
					   .turned = true };
		struct counters before = program_counters();
		struct outcome got;

		l4_hop(L4_HOP_FIRST, RUN_IFINDEX, row->mtu);
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate != XDP_TX)
			continue;
		want_len = packet_icmp(&out, want);
		CHECK_BYTES(got.bytes, got.len, want, want_len);
	}
}

TEST(whoever_floods_with_what_does_not_fit_is_not_told_each_time)
{
	enum { TURNS_MAX = 1000000 };
	static char text[1460];
	struct packet packet = L4_DATA(.sport = 4601, .payload = text);
	struct counters before;
	struct outcome got = { 0 };
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len;

	NEED_L4_MAPS;
	memset(text, 'x', sizeof(text) - 1);
	len = packet_build(&packet, frame);
	/* More than a thousand in one second of one CPU, whenever that begins. */
	for (int i = 0; i < TURNS_MAX && got.fate != XDP_DROP; i++) {
		before = program_counters();
		got = program_run_bytes(frame, len);
	}
	CHECK_INT(got.fate, XDP_DROP);
	check_only_counted(&before, COUNT_TOO_BIG_LIMITED);
	CHECK_BYTES(got.bytes, got.len, frame, len);
}

TEST(who_sends_with_too_few_hops_is_told_where_they_ended)
{
	static char text[900];
	static const struct {
		const char *name;
		struct packet packet;
		size_t quote;
	} rows[] = {
		{ "a SYN", L4_DATA(.sport = 4700, .flags = 2, .ttl = 1), 40 },
		{ "a SYN with a tag", L4_DATA(.sport = 4700, .flags = 2, .ttl = 1, .vlan_tags = 1),
		  40 },
		{ "with two, and options",
		  L4_DATA(.sport = 4700, .ttl = 1, .vlan_tags = 2, .ip_options = 8), 48 },
		{ "with Ethernet's padding", L4_DATA(.sport = 4700, .ttl = 1, .pad = 6), 40 },
		{ "a short datagram, in whole words",
		  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 4700, .dport = 53,
		       .payload = "abc", .ttl = 1),
		  28 },
		{ "more than is quoted", L4_DATA(.sport = 4700, .ttl = 1, .payload = text), 548 },
		{ "a first fragment", L4_DATA(.sport = 4700, .ttl = 1, .fragment = 0x2000), 40 },
		{ "IPv6", L4_DATA6(.sport = 4700, .flags = 2, .ttl = 1), 60 },
		{ "IPv6 with a tag and extension headers",
		  L4_DATA6(.sport = 4700, .ttl = 1, .vlan_tags = 1, .hop_headers = 2,
			   .payload = text),
		  975 / 4 * 4 },
	};

	NEED_L4_MAPS;
	memset(text, 'x', sizeof(text) - 1);
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
		bool v6 = strchr(row->packet.dst, ':');
		size_t len = packet_build(&row->packet, frame), want_len;
		struct icmp_packet out = { .src = row->packet.dst,
					   .dst = row->packet.src,
					   .type = v6 ? 3 : 11,
					   .body = frame + ETH_HLEN + row->packet.vlan_tags * 4,
					   .body_len = row->quote,
					   .vlan_tags = row->packet.vlan_tags,
					   .turned = true };
		struct counters before = program_counters();
		struct outcome got = program_run_bytes(frame, len);

		CHECK_INT(got.fate, XDP_TX);
		check_only_counted(&before, COUNT_TTL_TOLD);
		want_len = packet_icmp(&out, want);
		CHECK_BYTES(got.bytes, got.len, want, want_len);
	}
}

TEST(whoever_floods_with_too_few_hops_is_not_told_each_time)
{
	enum { TURNS_MAX = 1000000 };
	struct packet packet = L4_DATA(.sport = 4701, .ttl = 1);
	struct counters before;
	struct outcome got = { 0 };

	NEED_L4_MAPS;
	for (int i = 0; i < TURNS_MAX && got.fate != XDP_DROP; i++) {
		before = program_counters();
		got = program_run(&packet);
	}
	CHECK_INT(got.fate, XDP_DROP);
	check_only_counted(&before, COUNT_TTL_EXPIRED);
}
