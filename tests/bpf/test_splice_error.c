/* ICMP errors about packets of a spliced connection: what E gets is about what E sent. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

enum { SLOT = 3, HOP = 9, GENERATION = 5, ACK = 16, MTU = 1500 };

/* E, the endpoint, sends from E_SEQ on; C, the client, sees DELTA more, across the wrap. */
#define E_SEQ     0xffffff00u
#define DELTA     0x1000u
#define C_SEQ     0x00500000u
#define C_DELTA   0x7000u
#define UNDER_WAY 1000u

/* Both families; C at the vip, E at our own address. */
struct ends {
	const char *client, *vip, *self, *endpoint, *router;
};
static const struct ends v4 = { "198.51.100.2", "203.0.113.10", "192.0.2.10", "10.0.1.2",
				"192.0.2.1" };
static const struct ends v6 = { "2001:db8:1::2", "2001:db8:53::10", "2001:db8:2::10",
				"2001:db8:a::2", "2001:db8:7::1" };

static struct xdp_ingress *x;

static struct flow_key key_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	l4_ip(key.src, src);
	l4_ip(key.dst, dst);
	return key;
}

/* E has sent UNDER_WAY bytes that C has not acknowledged. */
static bool begin(const struct ends *a, uint32_t state)
{
	struct settings s = { .abi_version = ABI_VERSION };
	struct splice sp = { .state = state, .generation = GENERATION };
	struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];
	struct flow_key c_key = key_of(a->client, 4000, a->vip, 443);
	struct flow_key e_key = key_of(a->endpoint, 80, a->self, 20000);
	uint32_t slot = SLOT;

	x = program_load();
	if (!x)
		return false;
	c->out = key_of(a->self, 20000, a->endpoint, 80);
	e->out = key_of(a->vip, 443, a->client, 4000);
	c->next_hop = e->next_hop = HOP;
	c->seq_delta = C_DELTA;
	e->ack_delta = -C_DELTA;
	e->seq_delta = DELTA;
	c->ack_delta = -DELTA;
	e->max_seq = E_SEQ + UNDER_WAY;
	c->max_ack = E_SEQ + DELTA;
	c->max_seq = C_SEQ + UNDER_WAY;
	e->max_ack = C_SEQ + C_DELTA;
	c->drain = E_SEQ + DELTA;
	e->drain = C_SEQ + C_DELTA;
	c->window = e->window = 0xffff;
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), c_key.dst, ADDR_SPLICES);
	maps_addr(program_maps(), e_key.dst, ADDR_SPLICES);
	l4_hop(HOP, RUN_IFINDEX, MTU);
	program_set(x->maps.shunt_splices, &slot, &sp);
	maps_splice(program_maps(), &c_key, 0, SLOT, GENERATION);
	maps_splice(program_maps(), &e_key, 1, SLOT, GENERATION);
	return true;
}

/* The next hop's MACs in place of those of the test's packets. */
static void leave(uint8_t *frame)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 };

	memcpy(frame, macs, sizeof(macs));
}

TEST(an_error_about_a_spliced_packet_is_about_what_its_sender_sent)
{
	static const struct {
		const char *name;
		const struct ends *ends;
		bool to_client; /* the error is about what C sent */
		uint8_t type, code, vlan_tags;
		uint16_t quote; /* bytes behind the quoted IP header */
	} rows[] = {
		{ "fragmentation needed, as little as allowed", &v4, false, 3, 4, 0, 8 },
		{ "with the acknowledgement", &v4, false, 3, 4, 0, 12 },
		{ "with the checksum", &v4, false, 3, 4, 0, 18 },
		{ "whole", &v4, false, 3, 4, 0, 24 },
		{ "an odd length", &v4, false, 11, 0, 0, 23 },
		{ "about what the client sent", &v4, true, 3, 1, 0, 24 },
		{ "with tags", &v4, true, 12, 0, 2, 24 },
		{ "packet too big", &v6, false, 2, 0, 0, 24 },
		{ "hop limit exceeded", &v6, true, 3, 0, 1, 8 },
		{ "unreachable", &v6, false, 1, 0, 0, 18 },
	};

	if (!begin(&v4, SPLICE_SPLICED))
		TEST_SKIP("loading BPF programs needs root");
	FOR_ROWS (row, rows) {
		const struct ends *a = row->ends;
		size_t ip = a == &v6 ? 40 : 20;
		struct packet from_e =
			TCP4(.src = a->endpoint, .dst = a->self, .sport = 80, .dport = 20000,
			     .seq = E_SEQ + 5, .ack = C_SEQ + C_DELTA, .payload = "abcd");
		struct packet from_c =
			TCP4(.src = a->client, .dst = a->vip, .sport = 4000, .dport = 443,
			     .seq = C_SEQ + 5, .ack = E_SEQ + DELTA, .payload = "abcd");
		struct packet sent = row->to_client ? from_c : from_e;
		uint8_t quoted[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
		struct outcome passed, got;
		struct icmp_packet error = { .src = a->router,
					     .dst = row->to_client ? a->self : a->vip,
					     .type = row->type,
					     .code = row->code,
					     .rest = 1400,
					     .body_len = ip + row->quote,
					     .vlan_tags = row->vlan_tags };
		struct counters before;
		size_t len, want_len;

		begin(a, SPLICE_SPLICED);
		/* What goes on is what the program itself makes of the packet; that is quoted. */
		passed = program_run(&sent);
		CHECK_INT(passed.fate, XDP_TX);
		error.body = passed.bytes + ETH_HLEN;
		len = packet_icmp(&error, frame);
		before = program_counters();
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, XDP_TX);
		check_only_counted(&before, COUNT_ERROR_TRANSLATED);
		/* And this is what X sent, but that it came one hop further. */
		sent.ttl = 63;
		packet_build(&sent, quoted);
		error.src = row->to_client ? a->vip : a->self;
		error.dst = row->to_client ? a->client : a->endpoint;
		error.ttl = 63;
		error.body = quoted + ETH_HLEN;
		error.vlan_tags = 0;
		want_len = packet_icmp(&error, want);
		leave(want);
		CHECK(packet_sums_are_right(got.bytes, got.len));
		CHECK_BYTES(got.bytes, got.len, want, want_len);
	}
}

TEST(an_error_that_nobody_can_mean_changes_nothing)
{
	static const struct {
		const char *name;
		uint32_t seq, state;
		uint16_t sport;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "the oldest number under way", E_SEQ + DELTA, SPLICE_SPLICED, 443, XDP_TX,
		  COUNT_ERROR_TRANSLATED },
		{ "the next to be sent", E_SEQ + DELTA + UNDER_WAY, SPLICE_SPLICED, 443, XDP_TX,
		  COUNT_ERROR_TRANSLATED },
		{ "acknowledged already", E_SEQ + DELTA - 1, SPLICE_SPLICED, 443, XDP_DROP,
		  COUNT_ERROR_FORGED },
		{ "never sent", E_SEQ + DELTA + UNDER_WAY + 1, SPLICE_SPLICED, 443, XDP_DROP,
		  COUNT_ERROR_FORGED },
		{ "half the numbers away", E_SEQ + DELTA + (1u << 31), SPLICE_SPLICED, 443,
		  XDP_DROP, COUNT_ERROR_FORGED },
		{ "while our socket lives, new", E_SEQ + DELTA, SPLICE_HANDOVER, 443, XDP_TX,
		  COUNT_ERROR_TRANSLATED },
		{ "while our socket lives, forged", E_SEQ + DELTA - 1, SPLICE_HANDOVER, 443,
		  XDP_DROP, COUNT_ERROR_FORGED },
		{ "of a splice that is no more", E_SEQ + DELTA, SPLICE_FREE, 443, XDP_PASS,
		  COUNT_NOT_OURS },
		{ "of another port", E_SEQ + DELTA, SPLICE_SPLICED, 444, XDP_PASS, COUNT_NOT_OURS },
	};

	if (!begin(&v4, SPLICE_SPLICED))
		TEST_SKIP("loading BPF programs needs root");
	FOR_ROWS (row, rows) {
		struct packet quoted = TCP4(.src = v4.vip, .dst = v4.client, .sport = row->sport,
					    .dport = 4000, .seq = row->seq);
		uint8_t quote[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX];
		struct icmp_packet error = { .src = v4.router,
					     .dst = v4.vip,
					     .type = 3,
					     .code = 4,
					     .body = quote + ETH_HLEN,
					     .body_len = 28 };
		struct counters before;
		struct outcome got;
		size_t len;

		begin(&v4, row->state);
		packet_build(&quoted, quote);
		len = packet_icmp(&error, frame);
		before = program_counters();
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate != XDP_TX)
			CHECK_BYTES(got.bytes, got.len, frame, len);
	}
}

TEST(an_error_about_what_our_own_socket_sent_is_for_that_socket)
{
	struct packet quoted = TCP4(.src = v4.vip, .dst = v4.client, .sport = 443, .dport = 4000,
				    .seq = E_SEQ + DELTA - 10);
	uint8_t quote[PACKET_BYTES_MAX], frame[PACKET_BYTES_MAX];
	struct icmp_packet error = { .src = v4.router,
				     .dst = v4.vip,
				     .type = 3,
				     .code = 4,
				     .body = quote + ETH_HLEN,
				     .body_len = 28 };
	uint32_t slot = SLOT;
	struct counters before;
	struct outcome got;
	struct splice sp;
	size_t len;

	if (!begin(&v4, SPLICE_HANDOVER))
		TEST_SKIP("loading BPF programs needs root");
	bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_splices), &slot, &sp);
	sp.dir[0].max_ack -= 20; /* C has some of it still to acknowledge */
	program_set(x->maps.shunt_splices, &slot, &sp);
	packet_build(&quoted, quote);
	len = packet_icmp(&error, frame);
	before = program_counters();
	got = program_run_bytes(frame, len);
	CHECK_INT(got.fate, XDP_PASS);
	check_only_counted(&before, COUNT_HANDOVER_PASSED);
	CHECK_BYTES(got.bytes, got.len, frame, len);
}

TEST(a_spliced_segment_too_big_for_the_other_leg_is_answered)
{
	static const struct {
		const char *name;
		const struct ends *ends;
		uint16_t mtu;
		size_t quote;
	} rows[] = {
		{ "IPv4", &v4, 1400, 548 },
		{ "IPv6", &v6, 1400, 1232 },
	};
	char text[1401];

	if (!begin(&v4, SPLICE_SPLICED))
		TEST_SKIP("loading BPF programs needs root");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	FOR_ROWS (row, rows) {
		const struct ends *a = row->ends;
		struct packet sent = TCP4(.src = a->endpoint, .dst = a->self, .sport = 80,
					  .dport = 20000, .seq = E_SEQ + 5, .ack = C_SEQ + C_DELTA,
					  .payload = text, .fragment = a == &v4 ? 0x4000 : 0);
		uint8_t frame[PACKET_BYTES_MAX], want[PACKET_BYTES_MAX];
		struct icmp_packet told = { .src = a->self,
					    .dst = a->endpoint,
					    .type = a == &v6 ? 2 : 3,
					    .code = a == &v6 ? 0 : 4,
					    .rest = row->mtu,
					    .body = frame + ETH_HLEN,
					    .body_len = row->quote,
					    .turned = true };
		struct counters before;
		struct outcome got;
		size_t len, want_len;

		begin(a, SPLICE_SPLICED);
		l4_hop(HOP, RUN_IFINDEX, row->mtu);
		len = packet_build(&sent, frame);
		before = program_counters();
		got = program_run_bytes(frame, len);
		CHECK_INT(got.fate, XDP_TX);
		check_only_counted(&before, COUNT_TOO_BIG_TOLD);
		want_len = packet_icmp(&told, want);
		CHECK_BYTES(got.bytes, got.len, want, want_len);
	}
}
