/*
 * Spliced segments over IPv6, through VLAN tags, and to next hops behind one: the whole frame that
 * leaves is held against one that packet_build made. The rules' edges are in test_splice.c.
 */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

/* No two words of an address are the same, nor zero. */
#define CLIENT6   "2001:db8:11:12:13:14:15:2"
#define VIP6      "2001:db8:21:22:23:24:25:10"
#define SELF6     "2001:db8:31:32:33:34:35:10"
#define ENDPOINT6 "2001:db8:41:42:43:44:45:2"
#define CLIENT4   "198.51.100.2"
#define VIP4      "203.0.113.10"
#define SELF4     "192.0.2.10"
#define ENDPOINT4 "10.0.1.2"

enum { FIN = 1, RST = 4, PSH = 8, ACK = 16 };
enum { SLOT4 = 3, SLOT6 = 4, GENERATION = 5, VLAN = 700, MTU = 120 };
enum { HOP_PLAIN = 0, HOP_TAGGED = 1, HOP_UNREADY = 2 };

/* As in test_splice.c: numbers stand next to the wrap. */
#define FLOOR     0xffffff00u
#define DRAIN     0xfffffe00u
#define SEQ_DELTA 0x1000u
#define ACK_DELTA 0x7000u
#define Y_DRAIN   (FLOOR + SEQ_DELTA)
#define TS_DELTA  500u

#define FROM_C6(...) TCP4(.src = CLIENT6, .dst = VIP6, .sport = 4000, .dport = 443, __VA_ARGS__)
#define TO_E6(...)   TCP4(.src = SELF6, .dst = ENDPOINT6, .sport = 20000, .dport = 80, __VA_ARGS__)
#define FROM_E6(...) TCP4(.src = ENDPOINT6, .dst = SELF6, .sport = 80, .dport = 20000, __VA_ARGS__)
#define TO_C6(...)   TCP4(.src = VIP6, .dst = CLIENT6, .sport = 443, .dport = 4000, __VA_ARGS__)
#define FROM_C4(...) TCP4(.src = CLIENT4, .dst = VIP4, .sport = 4000, .dport = 443, __VA_ARGS__)
#define TO_E4(...)   TCP4(.src = SELF4, .dst = ENDPOINT4, .sport = 20000, .dport = 80, __VA_ARGS__)

static const uint8_t hop_dst_mac[6] = { 2, 0, 0, 0, 0, 9 }, hop_src_mac[6] = { 2, 0, 0, 0, 0, 8 };
static struct xdp_ingress *x;

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
		return;
	}
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static struct flow_key key_of(const struct packet *p)
{
	struct flow_key key = { .sport = htons(p->sport),
				.dport = htons(p->dport),
				.proto = IPPROTO_TCP };

	ip_into(key.src, p->src);
	ip_into(key.dst, p->dst);
	return key;
}

/* Each connection's both ways, as flow keys. */
struct side {
	uint32_t slot;
	struct packet from_c, to_e, from_e, to_c;
};

static const struct side legs[] = {
	{ SLOT6, FROM_C6(), TO_E6(), FROM_E6(), TO_C6() },
	{ SLOT4, FROM_C4(), TO_E4(),
	  TCP4(.src = ENDPOINT4, .dst = SELF4, .sport = 80, .dport = 20000),
	  TCP4(.src = VIP4, .dst = CLIENT4, .sport = 443, .dport = 4000) },
};

/* Both connections begin anew; y_behind: the endpoint has acked so much less than its drain. */
static void begin(uint32_t state, uint32_t hop, uint32_t y_behind)
{
	for (size_t i = 0; i < sizeof(legs) / sizeof(legs[0]); i++) {
		struct splice sp = { .state = state,
				     .generation = GENERATION,
				     .flags = SPLICE_TIMESTAMPS };
		struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];

		c->out = key_of(&legs[i].to_e);
		e->out = key_of(&legs[i].to_c);
		c->next_hop = e->next_hop = hop;
		c->seq_delta = SEQ_DELTA;
		c->ack_delta = ACK_DELTA;
		e->seq_delta = -ACK_DELTA;
		e->ack_delta = -SEQ_DELTA;
		c->ts_delta = TS_DELTA;
		c->tsecr_delta = -(uint32_t)TS_DELTA * 3;
		c->floor = c->krcv = c->max_seq = FLOOR;
		c->drain = c->max_ack = DRAIN;
		e->floor = e->krcv = e->max_seq = DRAIN + ACK_DELTA;
		e->drain = Y_DRAIN;
		e->max_ack = Y_DRAIN - y_behind;
		c->window = e->window = 0xffff;
		program_set(x->maps.shunt_splices, &legs[i].slot, &sp);
	}
}

static struct splice get(uint32_t slot)
{
	struct splice sp;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_splices), &slot, &sp), 0);
	return sp;
}

static bool setup(void)
{
	struct next_hop hop = { .ifindex = RUN_IFINDEX, .ready = 1, .mtu = MTU };
	struct settings s = { .abi_version = ABI_VERSION };

	x = program_load();
	if (!x)
		return false;
	memcpy(hop.dst_mac, hop_dst_mac, sizeof(hop.dst_mac));
	memcpy(hop.src_mac, hop_src_mac, sizeof(hop.src_mac));
	maps_settings(program_maps(), &s);
	for (uint32_t i = HOP_PLAIN; i <= HOP_UNREADY; i++) {
		hop.vlan = i == HOP_TAGGED ? VLAN : 0;
		hop.ready = i != HOP_UNREADY;
		program_set(x->maps.shunt_next_hops, &i, &hop);
	}
	for (size_t i = 0; i < sizeof(legs) / sizeof(legs[0]); i++) {
		struct flow_key c = key_of(&legs[i].from_c), e = key_of(&legs[i].from_e);

		maps_addr(program_maps(), c.dst, ADDR_SPLICES);
		maps_addr(program_maps(), e.dst, ADDR_SPLICES);
		maps_splice(program_maps(), &c, 0, legs[i].slot, GENERATION);
		maps_splice(program_maps(), &e, 1, legs[i].slot, GENERATION);
	}
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

struct row {
	const char *name;
	struct packet in;
	uint32_t y_behind;
	int fate;
	enum counter counted;
	struct packet want; /* as it leaves; nothing of it matters where the packet is dropped */
};

static void check_row(const struct row *row, uint32_t state, uint32_t hop)
{
	uint8_t want[PACKET_BYTES_MAX];
	size_t len = packet_build(row->want.proto ? &row->want : &row->in, want);
	struct counters before;
	struct outcome got;

	begin(state, hop, row->y_behind);
	before = program_counters();
	got = program_run(&row->in);
	CHECK_INT(got.fate, row->fate);
	check_only_counted(&before, row->counted);
	if (row->fate == XDP_DROP)
		return;
	if (row->fate == XDP_TX) {
		memcpy(want, hop_dst_mac, 6);
		memcpy(want + 6, hop_src_mac, 6);
		if (hop == HOP_TAGGED) {
			want[ETH_HLEN] = VLAN >> 8;
			want[ETH_HLEN + 1] = VLAN & 255;
		}
	}
	CHECK_BYTES(got.bytes, got.len, want, len);
}

#define PASSED   XDP_PASS, COUNT_HANDOVER_PASSED
#define SENT     XDP_TX, COUNT_SPLICED
#define AS_TO_E6 .seq = FLOOR + SEQ_DELTA, .ack = DRAIN + ACK_DELTA, .ttl = 63

TEST(in_a_handover_over_ipv6_each_packet_goes_by_its_rule)
{
	static const struct row rows[] = {
		{ "R1: an ACK up to drain is our socket's", FROM_C6(.seq = FLOOR, .ack = DRAIN), 0,
		  PASSED },
		{ "R1: with an extension header",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN - 9, .hop_headers = 1), 0, PASSED },
		{ "R1: padded by Ethernet, which is no payload",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .pad = 9), 0, PASSED },
		{ "the endpoint's ACK of what was never sent",
		  FROM_E6(.seq = DRAIN + ACK_DELTA, .ack = Y_DRAIN + 1), 0, XDP_DROP,
		  COUNT_SPLICE_FORGED },
		{ "R3: data from floor on", FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = "abc"),
		  0, SENT, TO_E6(AS_TO_E6, .payload = "abc") },
		{ "R3: an ack below drain is raised",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN - 50, .payload = "a"), 0, SENT,
		  TO_E6(AS_TO_E6, .payload = "a") },
		{ "R3: a FIN is data", FROM_C6(.seq = FLOOR, .ack = DRAIN, .flags = FIN | ACK), 5,
		  SENT, TO_E6(AS_TO_E6, .flags = FIN | ACK) },
		{ "R3: from the endpoint",
		  FROM_E6(.seq = DRAIN + ACK_DELTA, .ack = Y_DRAIN, .payload = "xyz"), 0, SENT,
		  TO_C6(.seq = DRAIN, .ack = FLOOR, .ttl = 63, .payload = "xyz") },
		{ "R3: behind extension headers, which stay",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = "abc", .hop_headers = 3), 0, SENT,
		  TO_E6(AS_TO_E6, .payload = "abc", .hop_headers = 3) },
		{ "R4: below floor, Y past its drain",
		  FROM_C6(.seq = FLOOR - 3, .ack = DRAIN, .payload = "abc"), 0, SENT,
		  TO_E6(.seq = FLOOR - 3 + SEQ_DELTA, .ack = DRAIN + ACK_DELTA, .ttl = 63,
			.payload = "abc") },
		{ "R4: ends at floor, Y behind",
		  FROM_C6(.seq = FLOOR - 3, .ack = DRAIN, .payload = "abc"), 1, PASSED },
		{ "R4: straddles floor, Y behind",
		  FROM_C6(.seq = FLOOR - 2, .ack = DRAIN, .payload = "abc"), 1, XDP_DROP,
		  COUNT_SPLICE_EARLY },
		{ "R4: an extension header is no payload",
		  FROM_C6(.seq = FLOOR - 3, .ack = DRAIN, .payload = "abc", .hop_headers = 2), 1,
		  PASSED },
		{ "R5: a number beyond what our socket saw",
		  FROM_C6(.seq = FLOOR + 700, .ack = DRAIN), 0, PASSED,
		  FROM_C6(.seq = FLOOR, .ack = DRAIN) },
		{ "R5: behind an extension header",
		  FROM_C6(.seq = 5, .ack = DRAIN, .hop_headers = 1), 0, PASSED,
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .hop_headers = 1) },
		{ "an ack of what was never sent", FROM_C6(.seq = FLOOR, .ack = DRAIN + 1), 0,
		  XDP_DROP, COUNT_SPLICE_FORGED },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows)
		check_row(row, SPLICE_HANDOVER, HOP_PLAIN);
}

TEST(over_ipv6_an_ack_beyond_drain_is_forwarded_and_recorded)
{
	struct packet data = FROM_E6(.seq = DRAIN + ACK_DELTA, .ack = Y_DRAIN, .payload = "abcd");
	struct packet ack = FROM_C6(.seq = FLOOR, .ack = DRAIN + 4);
	struct packet want = TO_E6(.seq = FLOOR + SEQ_DELTA, .ack = DRAIN + 4 + ACK_DELTA);
	uint8_t bytes[PACKET_BYTES_MAX];
	struct outcome got;

	NEED_PROGRAM;
	begin(SPLICE_HANDOVER, HOP_PLAIN, 0);
	CHECK_INT(program_run(&data).fate, XDP_TX);
	got = program_run(&ack);
	CHECK_INT(got.fate, XDP_TX); /* R2 */
	want.ttl = 63;
	packet_build(&want, bytes);
	CHECK_BYTES(got.bytes + ETH_HLEN, got.len - ETH_HLEN, bytes + ETH_HLEN, 60);
	CHECK_INT(get(SLOT6).dir[0].max_ack, DRAIN + 4);
	CHECK_INT(get(SLOT6).dir[1].bytes, 4);
}

TEST(tags_are_taken_off_put_on_or_changed_as_the_next_hop_wants)
{
#define IN6(n)  FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = "abc", .vlan_tags = n)
#define OUT6(n) TO_E6(AS_TO_E6, .payload = "abc", .vlan_tags = n)
#define IN4(n)  FROM_C4(.seq = FLOOR, .ack = DRAIN, .payload = "abc", .vlan_tags = n)
#define OUT4(n) TO_E4(AS_TO_E6, .payload = "abc", .vlan_tags = n)
	static const struct {
		const char *name;
		uint32_t hop;
		struct row row;
	} rows[] = {
		{ "one off, IPv6", HOP_PLAIN, { "", IN6(1), 0, SENT, OUT6(0) } },
		{ "two off, IPv6", HOP_PLAIN, { "", IN6(2), 0, SENT, OUT6(0) } },
		{ "one on, IPv6", HOP_TAGGED, { "", IN6(0), 0, SENT, OUT6(1) } },
		{ "one for another, IPv6", HOP_TAGGED, { "", IN6(1), 0, SENT, OUT6(1) } },
		{ "one for two, IPv6", HOP_TAGGED, { "", IN6(2), 0, SENT, OUT6(1) } },
		{ "one off, IPv4", HOP_PLAIN, { "", IN4(1), 0, SENT, OUT4(0) } },
		{ "two off, IPv4", HOP_PLAIN, { "", IN4(2), 0, SENT, OUT4(0) } },
		{ "one on, IPv4", HOP_TAGGED, { "", IN4(0), 0, SENT, OUT4(1) } },
		{ "one for another, IPv4", HOP_TAGGED, { "", IN4(1), 0, SENT, OUT4(1) } },
		{ "one for two, IPv4", HOP_TAGGED, { "", IN4(2), 0, SENT, OUT4(1) } },
		{ "R1 passes it with its tag",
		  HOP_PLAIN,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .vlan_tags = 1), 0, PASSED } },
		{ "R5 clamps behind a tag",
		  HOP_PLAIN,
		  { "", FROM_C4(.seq = FLOOR + 9, .ack = DRAIN, .vlan_tags = 2), 0, PASSED,
		    FROM_C4(.seq = FLOOR, .ack = DRAIN, .vlan_tags = 2) } },
		{ "R4 drops behind a tag",
		  HOP_TAGGED,
		  { "", FROM_C6(.seq = FLOOR - 1, .ack = DRAIN, .payload = "ab", .vlan_tags = 1), 1,
		    XDP_DROP, COUNT_SPLICE_EARLY } },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows)
		check_row(&row->row, SPLICE_HANDOVER, row->hop);
}

TEST(options_are_shifted_behind_extension_headers_and_tags)
{
	static const uint8_t usual[] = { 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0 };
	static const uint8_t shifted[] = { 1, 1, 8, 10, 0, 0, 2, 0xf4, 0, 0, 2, 0x24 };
	static const uint8_t odd[] = { 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0, 1 };
	static const uint8_t odd_shifted[] = { 1, 8, 10, 0, 0, 2, 0xf4, 0, 0, 2, 0x24, 1 };
	static const uint8_t sack[] = { 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9 };
	static const uint8_t sack_shifted[] = { 1, 1, 5, 10, 0, 0, 0x70, 1, 0, 0, 0x70, 9 };
#define OPTS(o) .payload = "abc", .tcp_options = o, .tcp_options_len = sizeof(o)
	static const struct row rows[] = {
		{ "timestamps", FROM_C6(.seq = FLOOR, .ack = DRAIN, OPTS(usual)), 0, SENT,
		  TO_E6(AS_TO_E6, OPTS(shifted)) },
		{ "at an odd offset", FROM_C6(.seq = FLOOR, .ack = DRAIN, OPTS(odd)), 0, SENT,
		  TO_E6(AS_TO_E6, OPTS(odd_shifted)) },
		{ "SACK edges", FROM_C6(.seq = FLOOR, .ack = DRAIN, OPTS(sack)), 0, SENT,
		  TO_E6(AS_TO_E6, OPTS(sack_shifted)) },
		{ "timestamps behind two extension headers",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .hop_headers = 2, OPTS(usual)), 0, SENT,
		  TO_E6(AS_TO_E6, .hop_headers = 2, OPTS(shifted)) },
		{ "odd ones behind headers and a tag that goes",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .hop_headers = 1, .vlan_tags = 1, OPTS(odd)),
		  0, SENT, TO_E6(AS_TO_E6, .hop_headers = 1, OPTS(odd_shifted)) },
		{ "SACK behind two tags, IPv4 with options",
		  FROM_C4(.seq = FLOOR, .ack = DRAIN, .vlan_tags = 2, .ip_options = 12, OPTS(sack)),
		  0, SENT, TO_E4(AS_TO_E6, .ip_options = 12, OPTS(sack_shifted)) },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows)
		check_row(row, SPLICE_SPLICED, HOP_PLAIN);
}

/* 60 bytes of headers, and so many that the packet is as long as the MTU. */
#define FILLS_MTU "012345678901234567890123456789012345678901234567890123456789"

TEST(once_spliced_nothing_is_passed_up_and_what_cannot_go_on_is_counted)
{
	static const struct {
		const char *name;
		uint32_t hop;
		struct row row;
	} rows[] = {
		{ "an ACK that R1 would pass",
		  HOP_PLAIN,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN), 0, SENT, TO_E6(AS_TO_E6) } },
		{ "as long as the MTU, the tag not counted",
		  HOP_TAGGED,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = FILLS_MTU), 0, SENT,
		    TO_E6(AS_TO_E6, .payload = FILLS_MTU, .vlan_tags = 1) } },
		{ "one byte longer",
		  HOP_TAGGED,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = FILLS_MTU "x"), 0, XDP_DROP,
		    COUNT_TOO_BIG } },
		{ "hop limit used up",
		  HOP_PLAIN,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .ttl = 1), 0, XDP_DROP,
		    COUNT_TTL_EXPIRED } },
		{ "next hop not resolved",
		  HOP_UNREADY,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN), 0, XDP_DROP, COUNT_UNRESOLVED } },
		{ "whose it is cannot be known behind more headers than we walk",
		  HOP_PLAIN,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .hop_headers = 7), 0, XDP_PASS,
		    COUNT_NOT_OURS } },
		{ "a first fragment, tagged",
		  HOP_PLAIN,
		  { "", FROM_C4(.seq = FLOOR, .ack = DRAIN, .fragment = 0x2000, .vlan_tags = 1), 0,
		    XDP_DROP, COUNT_FRAGMENT } },
		{ "an IPv6 payload length beyond the frame",
		  HOP_PLAIN,
		  { "", FROM_C6(.seq = FLOOR, .ack = DRAIN, .length_lie = 1), 0, XDP_DROP,
		    COUNT_BAD_LENGTH } },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows)
		check_row(&row->row, SPLICE_SPLICED, row->hop);
}

TEST(a_segment_that_ends_anywhere_neither_goes_on_nor_moves_anything)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t slot;
		size_t ports_end; /* from here on it is known whose it is */
	} rows[] = {
		{ "IPv6", FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = "abcdef"), SLOT6,
		  ETH_HLEN + 60 },
		{ "IPv6 with headers and a tag",
		  FROM_C6(.seq = FLOOR, .ack = DRAIN, .payload = "abcdef", .hop_headers = 2,
			  .vlan_tags = 1),
		  SLOT6, ETH_HLEN + 4 + 76 },
		{ "IPv4 with options and two tags",
		  FROM_C4(.seq = FLOOR, .ack = DRAIN, .payload = "abcdef", .ip_options = 8,
			  .vlan_tags = 2),
		  SLOT4, ETH_HLEN + 8 + 48 },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX];
		size_t whole = packet_build(&row->packet, frame);
		struct splice before, after;

		begin(SPLICE_SPLICED, HOP_PLAIN, 0);
		before = get(row->slot);
		for (size_t len = ETH_HLEN; len < whole; len++) {
			struct outcome got = program_run_bytes(frame, len);

			CHECK_INT(got.fate, len < row->ports_end ? XDP_PASS : XDP_DROP);
			if (got.fate == XDP_PASS)
				CHECK_BYTES(got.bytes, got.len, frame, len);
		}
		after = get(row->slot);
		CHECK(memcmp(&before, &after, sizeof(before)) == 0);
		CHECK_INT(program_run_bytes(frame, whole).fate, XDP_TX);
	}
}
