/*
 * What both ends of a splice may still say to each other, end to end: congestion marks, probes,
 * closed windows, crossing FINs, old time. With the numbers of each of the four ends at the wrap.
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

enum { FIN = 1, RST = 4, ACK = 16, ECE = 64, CWR = 128 };
enum { SLOT = 3, HOP = 9, GENERATION = 5, WINDOW = 1000 };
enum { SEQ_AT = ETH_HLEN + 24, ACK_AT = SEQ_AT + 4, FLAGS_AT = ACK_AT + 5, WINDOW_AT = ACK_AT + 6 };
enum { SAID_AT = ETH_HLEN + 1, STAMP_AT = ETH_HLEN + 44 };

/* The next numbers of the client, of our sockets towards the endpoint and the client, and of the
 * endpoint: all beside the wrap, each by turns just before it. */
struct numbers {
	uint32_t client, to_endpoint, to_client, endpoint;
};

static const struct numbers wraps[] = {
	{ 0xffffffffu, 0x100, 0x200, 0x300 },
	{ 0x100, 0xffffffffu, 0x200, 0x300 },
	{ 0x100, 0x200, 0xffffffffu, 0x300 },
	{ 0x100, 0x200, 0x300, 0xffffffffu },
	{ 0, 0xffffff00u, 0xfffffffeu, 1 },
	{ 0x7fffffffu, 0x80000000u, 0x80000001u, 0x7ffffffeu },
};

static struct xdp_ingress *x;
static struct numbers n;

static struct flow_key key_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key = { .src = { 0, 0, htonl(0xffff) },
				.dst = { 0, 0, htonl(0xffff) },
				.sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	inet_pton(AF_INET, src, &key.src[3]);
	inet_pton(AF_INET, dst, &key.dst[3]);
	return key;
}

static void begin(const struct numbers *at)
{
	uint32_t slot = SLOT;
	struct splice sp = { .state = SPLICE_SPLICED,
			     .generation = GENERATION,
			     .flags = SPLICE_TIMESTAMPS };
	struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];

	n = *at;
	c->out = key_of(SELF, 20000, ENDPOINT, 80);
	e->out = key_of(VIP, 443, CLIENT, 4000);
	c->next_hop = e->next_hop = HOP;
	c->seq_delta = n.to_endpoint - n.client;
	e->seq_delta = n.to_client - n.endpoint;
	c->ack_delta = -e->seq_delta;
	e->ack_delta = -c->seq_delta;
	c->ts_delta = 5000;
	e->tsecr_delta = -c->ts_delta;
	c->floor = c->krcv = c->max_seq = n.client;
	e->floor = e->krcv = e->max_seq = n.endpoint;
	c->drain = c->max_ack = n.to_client;
	e->drain = e->max_ack = n.to_endpoint;
	c->window = e->window = WINDOW;
	program_set(x->maps.shunt_splices, &slot, &sp);
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
	struct next_hop hop = { .ifindex = RUN_IFINDEX, .ready = 1, .mtu = 1500 };
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

/* Numbers count from where its sender, and the other end, stand. */
#define FROM_C(SEQ, SEEN, ...)                                                                     \
	TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = 443, .seq = n.client + (SEQ),      \
	     .ack = n.to_client + (SEEN), .window = WINDOW, __VA_ARGS__)
#define FROM_E(SEQ, SEEN, ...)                                                                     \
	TCP4(.src = ENDPOINT, .dst = SELF, .sport = 80, .dport = 20000, .seq = n.endpoint + (SEQ), \
	     .ack = n.to_endpoint + (SEEN), .window = WINDOW, __VA_ARGS__)

static uint32_t be32_at(const uint8_t *frame, size_t at)
{
	return (uint32_t)frame[at] << 24 | (uint32_t)frame[at + 1] << 16 |
	       (uint32_t)frame[at + 2] << 8 | frame[at + 3];
}

/* It leaves with the numbers that its receiver counts in. */
static struct outcome goes_on(const struct packet *p, uint32_t seq, uint32_t ack)
{
	struct outcome got = program_run(p);

	CHECK_INT(got.fate, XDP_TX);
	CHECK_INT(be32_at(got.bytes, SEQ_AT), seq);
	CHECK_INT(be32_at(got.bytes, ACK_AT), ack);
	CHECK(packet_sums_are_right(got.bytes, got.len));
	return got;
}

TEST(marks_of_congestion_are_carried_both_ways)
{
	static const uint8_t flags[] = { ACK, ACK | ECE, ACK | CWR, ACK | ECE | CWR };

	NEED_PROGRAM;
	for (uint8_t said = 0; said < 4; said++)
		for (size_t i = 0; i < sizeof(flags); i++) {
			struct packet c, e;
			struct outcome got;

			begin(&wraps[0]);
			c = FROM_C(0, 0, .tos = 0xb8 | said, .flags = flags[i], .payload = "abc");
			e = FROM_E(0, 0, .tos = said, .flags = flags[i]);
			got = goes_on(&c, n.to_endpoint, n.endpoint);
			CHECK_INT(got.bytes[SAID_AT], 0xb8 | said);
			CHECK_INT(got.bytes[FLAGS_AT], flags[i]);
			got = goes_on(&e, n.to_client, n.client);
			CHECK_INT(got.bytes[SAID_AT], said);
			CHECK_INT(got.bytes[FLAGS_AT], flags[i]);
		}
}

/* A keepalive: one byte, or none, that the other end has. */
TEST(probes_reach_the_other_end_and_are_answered)
{
	NEED_PROGRAM;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		begin(&wraps[i]);
		{
			struct packet bare = FROM_C(-1, 0), byte = FROM_C(-1, 0, .payload = "x"),
				      back = FROM_E(-1, 0), answer = FROM_E(0, 0);

			goes_on(&bare, n.to_endpoint - 1, n.endpoint);
			goes_on(&byte, n.to_endpoint - 1, n.endpoint);
			goes_on(&answer, n.to_client, n.client);
			goes_on(&back, n.to_client - 1, n.client);
		}
		CHECK_INT(get().dir[0].max_seq, n.client);
		CHECK_INT(get().dir[1].max_seq, n.endpoint);
		CHECK_INT(get().events, 0);
	}
}

TEST(a_closed_window_is_told_probed_and_opened_again)
{
	NEED_PROGRAM;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		begin(&wraps[i]);
		{
			struct packet data = FROM_E(0, 0, .payload = "abc"),
				      shut = FROM_C(0, 3, .closed = true),
				      probe = FROM_E(3, 0, .payload = "d"),
				      open = FROM_C(0, 4, .window = 7);
			struct outcome got;

			goes_on(&data, n.to_client, n.client);
			got = goes_on(&shut, n.to_endpoint, n.endpoint + 3);
			CHECK_INT(got.bytes[WINDOW_AT] << 8 | got.bytes[WINDOW_AT + 1], 0);
			goes_on(&probe, n.to_client + 3, n.client);
			/* Not taken, and told again; then taken. */
			goes_on(&shut, n.to_endpoint, n.endpoint + 3);
			goes_on(&probe, n.to_client + 3, n.client);
			got = goes_on(&open, n.to_endpoint, n.endpoint + 4);
			CHECK_INT(got.bytes[WINDOW_AT] << 8 | got.bytes[WINDOW_AT + 1], 7);
		}
		CHECK_INT(get().dir[0].max_ack, n.to_client + 4);
		CHECK_INT(get().dir[0].window, 7);
	}
}

TEST(fins_that_cross_end_a_splice_when_both_are_acknowledged)
{
	NEED_PROGRAM;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		begin(&wraps[i]);
		{
			struct packet c_fin = FROM_C(0, 0, .flags = FIN | ACK),
				      e_fin = FROM_E(0, 0, .flags = FIN | ACK),
				      c_ack = FROM_C(1, 1), e_ack = FROM_E(1, 1);

			goes_on(&c_fin, n.to_endpoint, n.endpoint);
			goes_on(&e_fin, n.to_client, n.client);
			goes_on(&c_ack, n.to_endpoint + 1, n.endpoint + 1);
			CHECK_INT(get().events & SPLICE_ENDED, 0);
			goes_on(&e_ack, n.to_client + 1, n.client + 1);
		}
		CHECK_INT(get().events & SPLICE_ENDED, SPLICE_ENDED);
	}
}

/* RFC 5961, 3 and 5, with each end's numbers at the wrap. */
TEST(resets_and_acknowledgements_are_judged_across_the_wrap)
{
	NEED_PROGRAM;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		begin(&wraps[i]);
		{
			struct packet below = FROM_C(-1, 0, .flags = RST),
				      inside = FROM_C(1, 0, .flags = RST), future = FROM_C(0, 1),
				      old = FROM_C(0, -(1 << 30) - 1), late = FROM_C(0, -9),
				      exact = FROM_C(0, 0, .flags = RST);

			CHECK_INT(program_run(&below).fate, XDP_DROP);
			CHECK_INT(program_run(&inside).fate, XDP_TX);
			CHECK_INT(program_run(&future).fate, XDP_DROP);
			CHECK_INT(program_run(&old).fate, XDP_DROP);
			CHECK_INT(program_run(&late).fate, XDP_TX);
			CHECK_INT(get().dir[0].max_ack, n.to_client);
			CHECK_INT(get().events, 0);
			CHECK_INT(program_run(&exact).fate, XDP_TX);
		}
		CHECK_INT(get().events & SPLICE_RESET, SPLICE_RESET);
	}
}

/* PAWS is the ends' (RFC 7323, 5): what is older stays older by as much, also across the wrap. */
TEST(old_time_stays_old)
{
	static const uint32_t stamps[] = { 1000, 999, 0xffffffffu, 0x80000000u, -5000, -5001 };

	NEED_PROGRAM;
	begin(&wraps[0]);
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
		const uint32_t words[] = { htonl(0x0101080a), htonl(stamps[i]), 0 };
		struct packet p = FROM_C(0, 0, .payload = "abc", .tcp_options = (void *)words,
					 .tcp_options_len = sizeof(words));
		struct outcome got = goes_on(&p, n.to_endpoint, n.endpoint);

		CHECK_INT(be32_at(got.bytes, STAMP_AT), stamps[i] + 5000);
	}
}
