/* The rules of docs/splice.md, through the verified xdp_ingress. Every output's sums are checked.
 */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

#define CLIENT   "198.51.100.2"
#define VIP      "203.0.113.10"
#define SELF     "192.0.2.10"
#define ENDPOINT "10.0.1.2"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { SLOT = 3, HOP = 9, GENERATION = 5 };

/*
 * X is the client. Its bytes below FLOOR were edited by the proxy; Y's side has DELTA more. All
 * numbers stand next to the wrap at 2^32.
 */
#define FLOOR     0xffffff00u
#define DRAIN     0xfffffe00u /* X's acks up to here are our own socket's */
#define SEQ_DELTA 0x1000u
#define ACK_DELTA 0x7000u
#define Y_DRAIN   (FLOOR + SEQ_DELTA)
#define TS_DELTA  500u

static struct xdp_ingress *x;

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static struct flow_key key_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	ip_into(key.src, src);
	ip_into(key.dst, dst);
	return key;
}

/* Where a test's splice begins; rows change what matters to them. */
static struct splice begin(uint32_t state)
{
	struct splice sp = { .state = state, .generation = GENERATION };
	struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];

	c->out = key_of(SELF, 20000, ENDPOINT, 80);
	e->out = key_of(VIP, 443, CLIENT, 4000);
	c->next_hop = e->next_hop = HOP;
	c->seq_delta = SEQ_DELTA;
	c->ack_delta = ACK_DELTA;
	e->seq_delta = -ACK_DELTA;
	e->ack_delta = -SEQ_DELTA;
	c->ts_delta = TS_DELTA;
	c->tsecr_delta = -(uint32_t)TS_DELTA * 3;
	c->floor = c->krcv = c->max_seq = FLOOR;
	c->drain = c->max_ack = DRAIN;
	e->floor = e->krcv = e->max_seq = DRAIN + ACK_DELTA;
	e->drain = e->max_ack = Y_DRAIN;
	c->window = e->window = 0xffff;
	return sp;
}

static void put(const struct splice *sp)
{
	uint32_t slot = SLOT;

	program_set(x->maps.shunt_splices, &slot, sp);
}

static struct splice get(void)
{
	uint32_t slot = SLOT;
	struct splice sp;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_splices), &slot, &sp), 0);
	return sp;
}

static bool setup(void)
{
	struct next_hop hop = { .ifindex = RUN_IFINDEX,
				.ready = 1,
				.mtu = 1500,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };
	struct flow_key c = key_of(CLIENT, 4000, VIP, 443), e = key_of(ENDPOINT, 80, SELF, 20000);
	struct settings s = { .abi_version = ABI_VERSION };
	uint32_t index = HOP;

	x = program_load();
	if (!x)
		return false;
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), c.dst, ADDR_SPLICES);
	maps_addr(program_maps(), e.dst, ADDR_SPLICES);
	program_set(x->maps.shunt_next_hops, &index, &hop);
	maps_splice(program_maps(), &c, 0, SLOT, GENERATION);
	maps_splice(program_maps(), &e, 1, SLOT, GENERATION);
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define FROM_C(...) TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = 443, __VA_ARGS__)
#define FROM_E(...) TCP4(.src = ENDPOINT, .dst = SELF, .sport = 80, .dport = 20000, __VA_ARGS__)

static uint32_t be32_at(const uint8_t *frame, size_t at)
{
	return (uint32_t)frame[at] << 24 | (uint32_t)frame[at + 1] << 16 |
	       (uint32_t)frame[at + 2] << 8 | frame[at + 3];
}

enum {
	SEQ_AT = ETH_HLEN + 20 + 4,
	ACK_AT = SEQ_AT + 4,
	WINDOW_AT = ACK_AT + 6,
	TCP_OPTIONS_AT = ETH_HLEN + 40
};

TEST(in_a_handover_each_packet_goes_by_its_rule)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t y_behind; /* Y has acked so much less than its drain */
		int fate;
		enum counter counted;
		uint32_t seq, ack; /* as they go on */
	} rows[] = {
		{ "R1: an ACK up to drain is our socket's", FROM_C(.seq = FLOOR, .ack = DRAIN), 0,
		  XDP_PASS, COUNT_HANDOVER_PASSED, FLOOR, DRAIN },
		{ "R1: an older one too", FROM_C(.seq = FLOOR, .ack = DRAIN - 9), 0, XDP_PASS,
		  COUNT_HANDOVER_PASSED, FLOOR, DRAIN - 9 },
		{ "R5: with a number beyond what our socket saw",
		  FROM_C(.seq = FLOOR + 700, .ack = DRAIN), 0, XDP_PASS, COUNT_HANDOVER_PASSED,
		  FLOOR, DRAIN },
		{ "R5: across the wrap", FROM_C(.seq = 5, .ack = DRAIN), 0, XDP_PASS,
		  COUNT_HANDOVER_PASSED, FLOOR, DRAIN },
		{ "R3: data from floor on", FROM_C(.seq = FLOOR, .ack = DRAIN, .payload = "abc"), 0,
		  XDP_TX, COUNT_SPLICED, FLOOR + SEQ_DELTA, DRAIN + ACK_DELTA },
		{ "R3: an ack below drain is raised",
		  FROM_C(.seq = FLOOR, .ack = DRAIN - 50, .payload = "a"), 0, XDP_TX, COUNT_SPLICED,
		  FLOOR + SEQ_DELTA, DRAIN + ACK_DELTA },
		{ "R3: also while Y is behind",
		  FROM_C(.seq = FLOOR, .ack = DRAIN, .payload = "abc"), 10, XDP_TX, COUNT_SPLICED,
		  FLOOR + SEQ_DELTA, DRAIN + ACK_DELTA },
		{ "R3: a FIN is data", FROM_C(.seq = FLOOR, .ack = DRAIN, .flags = FIN | ACK), 0,
		  XDP_TX, COUNT_SPLICED, FLOOR + SEQ_DELTA, DRAIN + ACK_DELTA },
		{ "R4: below floor, Y past its drain",
		  FROM_C(.seq = FLOOR - 3, .ack = DRAIN, .payload = "abc"), 0, XDP_TX,
		  COUNT_SPLICED, FLOOR - 3 + SEQ_DELTA, DRAIN + ACK_DELTA },
		{ "R4: ends at floor, Y behind",
		  FROM_C(.seq = FLOOR - 3, .ack = DRAIN, .payload = "abc"), 1, XDP_PASS,
		  COUNT_HANDOVER_PASSED, FLOOR - 3, DRAIN },
		{ "R4: ends below floor, Y behind",
		  FROM_C(.seq = FLOOR - 9, .ack = DRAIN, .payload = "abc"), 1, XDP_PASS,
		  COUNT_HANDOVER_PASSED, FLOOR - 9, DRAIN },
		{ "R4: straddles floor by one, Y behind",
		  FROM_C(.seq = FLOOR - 2, .ack = DRAIN, .payload = "abc"), 1, XDP_DROP,
		  COUNT_SPLICE_EARLY, 0, 0 },
		{ "R4: begins one below floor, Y behind",
		  FROM_C(.seq = FLOOR - 1, .ack = DRAIN, .payload = "abc"), 1, XDP_DROP,
		  COUNT_SPLICE_EARLY, 0, 0 },
		{ "an ack of what was never sent", FROM_C(.seq = FLOOR, .ack = DRAIN + 1), 0,
		  XDP_DROP, COUNT_SPLICE_FORGED, 0, 0 },
		{ "no ack at all", FROM_C(.seq = FLOOR, .flags = 8, .payload = "a"), 0, XDP_DROP,
		  COUNT_SPLICE_FORGED, 0, 0 },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct splice sp = begin(SPLICE_HANDOVER);
		struct counters before;
		struct outcome got;

		sp.dir[1].max_ack -= row->y_behind;
		put(&sp);
		before = program_counters();
		got = program_run(&row->packet);
		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate == XDP_DROP)
			continue;
		CHECK_INT(be32_at(got.bytes, SEQ_AT), row->seq);
		CHECK_INT(be32_at(got.bytes, ACK_AT), row->ack);
		CHECK(packet_sums_are_right(got.bytes, got.len));
	}
}

TEST(an_ack_beyond_drain_is_forwarded)
{
	struct packet ack = FROM_C(.seq = FLOOR, .ack = DRAIN + 40);
	struct splice sp = begin(SPLICE_HANDOVER);
	struct outcome got;

	NEED_PROGRAM;
	sp.dir[1].max_seq += 100; /* Y has sent past the handover */
	put(&sp);
	got = program_run(&ack);
	CHECK_INT(got.fate, XDP_TX); /* R2 */
	CHECK_INT(be32_at(got.bytes, ACK_AT), DRAIN + 40 + ACK_DELTA);
	CHECK(packet_sums_are_right(got.bytes, got.len));
	CHECK_INT(get().dir[0].max_ack, DRAIN + 40);
}

TEST(the_headers_become_those_of_the_other_leg)
{
	struct packet data = FROM_C(.seq = FLOOR, .ack = DRAIN, .window = 200, .payload = "hello");
	struct splice sp = begin(SPLICE_SPLICED);
	__be32 src, dst;
	struct outcome got;

	NEED_PROGRAM;
	sp.dir[0].ws_in = 7;
	sp.dir[0].ws_out = 4;
	put(&sp);
	got = program_run(&data);
	CHECK_INT(got.fate, XDP_TX);
	inet_pton(AF_INET, SELF, &src);
	inet_pton(AF_INET, ENDPOINT, &dst);
	CHECK(memcmp(got.bytes + ETH_HLEN + 12, &src, 4) == 0);
	CHECK(memcmp(got.bytes + ETH_HLEN + 16, &dst, 4) == 0);
	CHECK_INT(be32_at(got.bytes, ETH_HLEN + 20), 20000u << 16 | 80);
	CHECK_INT(got.bytes[ETH_HLEN + 8], 63); /* TTL */
	CHECK_INT(got.bytes[WINDOW_AT] << 8 | got.bytes[WINDOW_AT + 1], 200 << 7 >> 4);
	CHECK_INT(got.bytes[5], 9); /* the next hop's MAC */
	CHECK(packet_sums_are_right(got.bytes, got.len));
}

TEST(options_are_shifted_wherever_they_stand)
{
	static const uint8_t usual[] = { 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0 };
	static const uint8_t bare[] = { 8, 10, 0, 0, 1, 0, 0, 0, 8, 0, 1, 1 };
	static const uint8_t odd[] = { 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0, 1 };
	static const uint8_t sack[] = { 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9 };
	static const uint8_t odd_sack[] = { 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9, 1 };
	static const uint8_t beyond[] = { 1, 1, 5, 34 }; /* says it goes on into the payload */
	static const struct {
		const char *name;
		const uint8_t *options;
		uint8_t len;
		size_t first_at;
		uint32_t first, second;
	} rows[] = {
		{ "as nearly always", usual, sizeof(usual), 4, 0x100 + TS_DELTA,
		  0x800 - 3 * TS_DELTA },
		{ "without NOPs before", bare, sizeof(bare), 2, 0x100 + TS_DELTA,
		  0x800 - 3 * TS_DELTA },
		{ "at an odd offset", odd, sizeof(odd), 3, 0x100 + TS_DELTA, 0x800 - 3 * TS_DELTA },
		{ "SACK edges", sack, sizeof(sack), 4, 1 + ACK_DELTA, 9 + ACK_DELTA },
		{ "SACK at an odd offset", odd_sack, sizeof(odd_sack), 3, 1 + ACK_DELTA,
		  9 + ACK_DELTA },
		{ "longer than the header", beyond, sizeof(beyond), 4, 0x61616161, 0x61616161 },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct packet data =
			FROM_C(.seq = FLOOR, .ack = DRAIN,
			       .payload = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			       .tcp_options = row->options, .tcp_options_len = row->len);
		struct splice sp = begin(SPLICE_SPLICED);
		struct outcome got;

		sp.flags = SPLICE_TIMESTAMPS;
		put(&sp);
		got = program_run(&data);
		CHECK_INT(got.fate, XDP_TX);
		CHECK_INT(be32_at(got.bytes, TCP_OPTIONS_AT + row->first_at), row->first);
		CHECK_INT(be32_at(got.bytes, TCP_OPTIONS_AT + row->first_at + 4), row->second);
		CHECK(packet_sums_are_right(got.bytes, got.len));
	}
}

TEST(only_an_exact_reset_ends_a_splice)
{
	static const struct {
		const char *name;
		uint32_t seq;
		int fate;
		bool ends;
	} rows[] = {
		{ "exactly what Y waits for", FLOOR, XDP_TX, true },
		{ "inside the window", FLOOR + 1, XDP_TX, false },
		{ "below it", FLOOR - 1, XDP_DROP, false },
		{ "far beyond it", FLOOR + 0x40000000, XDP_DROP, false },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct packet rst = FROM_C(.seq = row->seq, .flags = RST);
		struct splice sp = begin(SPLICE_SPLICED);

		put(&sp);
		CHECK_INT(program_run(&rst).fate, row->fate);
		CHECK_INT(!!(get().events & SPLICE_RESET), row->ends);
	}
}

TEST(both_fins_acked_end_a_splice_also_in_its_handover)
{
	static const uint32_t states[] = { SPLICE_HANDOVER, SPLICE_SPLICED };

	NEED_PROGRAM;
	for (int i = 0; i < 2; i++) {
		const uint32_t y = DRAIN + ACK_DELTA; /* Y's next number */
		struct packet c_fin = FROM_C(.seq = FLOOR, .ack = DRAIN, .flags = FIN | ACK);
		struct packet e_fin = FROM_E(.seq = y, .ack = Y_DRAIN + 1, .flags = FIN | ACK);
		struct packet c_ack = FROM_C(.seq = FLOOR + 1, .ack = DRAIN + 1);
		struct splice sp = begin(states[i]);

		put(&sp);
		CHECK_INT(program_run(&c_fin).fate, XDP_TX);
		CHECK_INT(program_run(&e_fin).fate, XDP_TX);
		CHECK_INT(get().events & SPLICE_ENDED, 0);
		CHECK_INT(program_run(&c_ack).fate, XDP_TX);
		CHECK_INT(get().events & SPLICE_ENDED, SPLICE_ENDED);
	}
}

TEST(what_was_exported_is_dropped_and_nothing_of_it_is_recorded)
{
	static const struct packet packets[] = {
		FROM_C(.seq = FLOOR, .ack = DRAIN, .payload = "abc"),
		FROM_E(.seq = DRAIN + ACK_DELTA, .ack = Y_DRAIN, .flags = FIN | ACK),
		FROM_C(.seq = FLOOR, .ack = DRAIN, .flags = RST | ACK),
		FROM_C(.seq = FLOOR, .flags = SYN),
	};
	struct splice sp = begin(SPLICE_MOVED), after;

	NEED_PROGRAM;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct counters before = program_counters();

		put(&sp);
		CHECK_INT(program_run(&packets[i]).fate, XDP_DROP);
		check_only_counted(&before, COUNT_SPLICE_MOVED);
		after = get();
		CHECK_INT(memcmp(&after, &sp, sizeof(sp)), 0);
	}
}

TEST(nothing_forged_moves_what_is_recorded)
{
	static const struct {
		const char *name;
		struct packet packet;
	} rows[] = {
		{ "data beyond the window",
		  FROM_C(.seq = FLOOR + 0x20000000, .ack = DRAIN, .payload = "a") },
		{ "an ack of the future",
		  FROM_C(.seq = FLOOR, .ack = DRAIN + 0x10000, .payload = "a") },
		{ "an ack from half the space away",
		  FROM_C(.seq = FLOOR, .ack = DRAIN - 0x70000000, .payload = "a") },
		{ "a FIN far ahead",
		  FROM_C(.seq = FLOOR + 0x20000000, .ack = DRAIN, .flags = FIN | ACK) },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct splice sp = begin(SPLICE_SPLICED), after;
		struct counters before;

		put(&sp);
		before = program_counters();
		CHECK_INT(program_run(&row->packet).fate, XDP_DROP);
		check_only_counted(&before, COUNT_SPLICE_FORGED);
		after = get();
		CHECK(memcmp(&sp, &after, sizeof(sp)) == 0);
	}
}

TEST(a_syn_on_a_key_is_dropped_and_told_and_a_stale_key_is_none)
{
	struct packet syn = FROM_C(.seq = 1, .flags = SYN),
		      data = FROM_C(.seq = FLOOR, .ack = DRAIN);
	struct splice sp = begin(SPLICE_SPLICED);
	struct counters before;

	NEED_PROGRAM;
	put(&sp);
	before = program_counters();
	CHECK_INT(program_run(&syn).fate, XDP_DROP);
	check_only_counted(&before, COUNT_SPLICE_SYN);
	CHECK_INT(get().events, SPLICE_REUSED);
	sp.generation++;
	put(&sp);
	CHECK_INT(program_run(&data).fate, XDP_PASS);
	sp = begin(SPLICE_FREE);
	put(&sp);
	CHECK_INT(program_run(&data).fate, XDP_PASS);
}

TEST(drained_is_told_when_both_ends_have_acked_and_then_never_again)
{
	struct packet ack = FROM_C(.seq = FLOOR, .ack = DRAIN);
	struct splice sp = begin(SPLICE_HANDOVER);

	NEED_PROGRAM;
	sp.dir[0].max_ack -= 5;
	sp.dir[1].max_ack -= 5;
	put(&sp);
	program_run(&ack);
	CHECK_INT(get().events, 0); /* Y has not */
	sp.dir[1].max_ack += 5;
	put(&sp);
	program_run(&ack);
	CHECK_INT(get().events, SPLICE_DRAINED);
}

static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* Where the segment and the splice are near each other; some of it is forged. */
static struct packet random_segment(uint64_t *seed, struct splice *sp)
{
	static const uint8_t options[] = { 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 8, 0, 1, 1, 1, 0 };
	static const uint8_t flags[] = { ACK, ACK, ACK, ACK | FIN, ACK | RST, SYN, 8 | ACK, FIN };
	static const uint8_t lens[] = { 0, 12, 12, 16 };
	static const char *payloads[] = { NULL, "a", "bulk", "of a body" };
	struct splice_dir *c = &sp->dir[0], *e = &sp->dir[1];
	uint8_t len = lens[random_next(seed) % 4];

	*sp = begin(random_next(seed) % 8 ? SPLICE_SPLICED : SPLICE_HANDOVER);
	sp->flags = random_next(seed) % 2 ? SPLICE_TIMESTAMPS : 0;
	c->ws_in = random_next(seed) % 16;
	c->ws_out = random_next(seed) % 16;
	c->fin = random_next(seed) % 8 == 0;
	c->fin_seq = FLOOR + random_next(seed) % 64;
	e->fin = random_next(seed) % 8 == 0;
	e->max_ack += random_next(seed) % 64;
	e->max_seq += random_next(seed) % 64;
	return FROM_C(.seq = FLOOR - 32 +
			     random_next(seed) % (random_next(seed) % 8 ? 64 : 1 << 24),
		      .ack = DRAIN - 32 +
			     random_next(seed) % (random_next(seed) % 8 ? 96 : 1 << 24),
		      .flags = flags[random_next(seed) % 8], .window = (uint16_t)random_next(seed),
		      .ttl = random_next(seed) % 8 ? 64 : 1,
		      .payload = payloads[random_next(seed) % 4],
		      .tcp_options = len ? options : NULL, .tcp_options_len = len);
}

/* Fate, bytes, and what it leaves; watched, it goes the long way. */
static struct splice run_watched(const struct packet *packet, const struct splice *sp, bool watched,
				 struct outcome *out)
{
	struct watch_order order = { .until_ns = watched ? UINT64_MAX : 0 };
	struct splice left;
	uint32_t zero = 0;

	program_set(x->maps.shunt_watch, &zero, &order);
	put(sp);
	*out = program_run(packet);
	left = get();
	left.dir[0].last_jiffies = !!left.dir[0].last_jiffies;
	return left;
}

TEST(the_short_way_of_a_segment_ends_as_the_long_one)
{
	enum { SEGMENTS = 20000 };
	uint64_t seed = 1;
	uint32_t forwarded = 0;

	NEED_PROGRAM;
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		struct splice sp, left_short, left_long;
		struct packet packet = random_segment(&seed, &sp);
		struct outcome by_short, by_long;

		left_long = run_watched(&packet, &sp, true, &by_long);
		left_short = run_watched(&packet, &sp, false, &by_short);
		CHECK_INT(by_short.fate, by_long.fate);
		CHECK_BYTES(by_short.bytes, by_short.len, by_long.bytes, by_long.len);
		CHECK_BYTES(&left_short, sizeof(left_short), &left_long, sizeof(left_long));
		forwarded += by_short.fate == XDP_TX;
	}
	print_message("%u of %d went on\n", forwarded, SEGMENTS);
	CHECK(forwarded > SEGMENTS / 4 && forwarded < SEGMENTS);
}
