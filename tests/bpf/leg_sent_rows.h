/*
 * leg_sent_rows.h - two legs with a body between them, and what their sockets send, through
 * tc_egress: the client's leg is OUT, the endpoint's IN. What comes out is compared byte by byte.
 */
#pragma once
#include "tests/harness/maps.h"
#include "tests/harness/packet.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <unistd.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/splice.h"
#include "tc_egress.skel.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { C_SLOT = 3, E_SLOT = 4, GENERATION = 5, BOTH_STAMPS = LEG_STAMP_OWN | LEG_STAMP_PAST };

/* All numbers on the wire have `base` added, so that each in turn stands at 2^32. */
enum {
	LEN = 0x1000,
	C_FROM = 0x2000,
	C_PROGRESS = C_FROM + 0x400,
	E_FROM = 0x5000,
	E_TO = E_FROM + LEN,
	E_PROGRESS = E_FROM + 0x400, /* the client's, as the endpoint counts */
	DELTA = C_FROM - E_FROM,
	C_ACKED = 0x7000,
	E_SENT = 0x9000,
	C_TX = 0x900,
	C_RX = 0x20,
	E_TX = 0x50,
	E_RX = 0x300,
};

/* As our sockets count; base is added to these, too. */
#define C_SEQ(n) ((n) - C_TX)
#define C_ACK(n) ((n) - C_RX)
#define E_SEQ(n) ((n) - E_TX)
#define E_ACK(n) ((n) - E_RX)

static const uint32_t bases[] = { 0,       -C_FROM,  -C_PROGRESS,     -E_FROM, -E_PROGRESS,
				  -E_TO,   -C_ACKED, -C_ACKED + C_RX, -E_SENT, -E_SENT + E_TX,
				  -0x2000, -0x20,    0x80000000u };

struct ends {
	const char *client, *vip, *self, *endpoint;
};

static const struct ends families[] = {
	{ "198.51.100.2", "203.0.113.10", "192.0.2.10", "10.0.1.2" },
	{ "2001:db8:1::2", "2001:db8:53::10", "2001:db8:2::10", "fd00:1::2" },
};

static struct tc_egress *tc;
static struct maps *maps;
static const struct ends *at;

static inline void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (inet_pton(AF_INET6, text, out) == 1)
		return;
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

/* Of what comes from that end. */
static inline void enter(const char *src, uint16_t sport, const char *dst, uint16_t dport,
			 uint32_t slot)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	ip_into(key.src, src);
	ip_into(key.dst, dst);
	maps_splice(maps, &key, 0, slot, GENERATION);
}

static inline bool program_ready(void)
{
	struct bpf_map *map;
	int err;

	if (tc || geteuid() != 0)
		return tc;
	tc = tc_egress__open();
	bpf_object__for_each_map(map, tc->obj)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	err = tc_egress__load(tc);
	if (err) {
		tc_egress__destroy(tc);
		tc = NULL;
		CHECK_INT(err, -EPERM); /* anything else is the program's fault, and no skip */
		return false;
	}
	maps = maps_open(tc->maps.shunt_settings, NULL, NULL, NULL, tc->maps.shunt_flows);
	for (int i = 0; i < 2; i++) {
		const struct ends *e = &families[i];

		enter(e->client, 4000, e->vip, 443, C_SLOT);
		enter(e->endpoint, 80, e->self, 20000, E_SLOT);
	}
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!program_ready())                                                              \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static inline void put(const struct splice *sp, uint32_t slot)
{
	CHECK_INT(bpf_map_update_elem(bpf_map__fd(tc->maps.shunt_splices), &slot, sp, BPF_ANY), 0);
}

static inline struct splice get(uint32_t slot)
{
	struct splice sp;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(tc->maps.shunt_splices), &slot, &sp), 0);
	return sp;
}

static inline void begin_client(struct splice *c, uint32_t base)
{
	*c = (struct splice){ .state = SPLICE_LEG, .generation = GENERATION };
	c->leg = (struct leg){ .turn = 8,
			       .tx = C_TX,
			       .rx = C_RX,
			       .body = LEG_OUT,
			       .from = C_FROM + base,
			       .to = C_FROM + LEN + base,
			       .peer = E_SLOT,
			       .peer_generation = GENERATION,
			       .heard = 1,
			       .progress = C_PROGRESS + base,
			       .sent = C_FROM - 0x10 + base,
			       .acked = C_ACKED - 0x10 + base };
	c->past.window = 0x400;
	c->past.ws_in = 7;
}

static inline void begin_endpoint(struct splice *e, uint32_t base)
{
	*e = (struct splice){ .state = SPLICE_LEG, .generation = GENERATION };
	e->past.seq_delta = DELTA;
	e->past.max_seq = E_PROGRESS + base;
	e->leg = (struct leg){ .turn = 6,
			       .tx = E_TX,
			       .rx = E_RX,
			       .body = LEG_IN,
			       .from = E_FROM + base,
			       .to = E_TO + base,
			       .peer = C_SLOT,
			       .peer_generation = GENERATION,
			       .progress = E_FROM + 0x300 + base,
			       .sent = E_SENT + base,
			       .acked = E_FROM + base,
			       .scale = 2 };
}

struct row {
	const char *name;
	bool to_endpoint;
	struct packet packet; /* numbers without base; addresses are filled in */
	uint32_t seq, ack;    /* as they leave, without base */
	void (*tweak)(struct splice *c, struct splice *e);
	uint16_t window; /* as it leaves; 0: as it was */
};

static inline void address(struct packet *p, bool to_endpoint)
{
	p->src = to_endpoint ? at->self : at->vip;
	p->dst = to_endpoint ? at->endpoint : at->client;
	p->sport = to_endpoint ? 20000 : 443;
	p->dport = to_endpoint ? 80 : 4000;
}

static inline int run(const struct packet *packet, uint8_t out[PACKET_BYTES_MAX], size_t *out_len)
{
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len = packet_build(packet, frame);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = PACKET_BYTES_MAX, .repeat = 1);

	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(tc->progs.tc_egress), &opts), 0);
	*out_len = opts.data_size_out;
	return (int)opts.retval;
}

static inline void check_same(const uint8_t *got, size_t got_len, const struct packet *want,
			      uint32_t base)
{
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len = packet_build(want, frame);

	CHECK_INT(got_len, len);
	for (size_t i = 0; i < len; i++)
		if (got[i] != frame[i])
			test_fail(__FILE__, __LINE__, "base %#x: byte %zu is %#x, not %#x", base, i,
				  got[i], frame[i]);
}

static inline void check_row(const struct row *row, uint32_t base)
{
	struct packet p = row->packet;
	uint8_t got[PACKET_BYTES_MAX];
	struct splice c, e;
	size_t len;

	begin_client(&c, base);
	begin_endpoint(&e, base);
	if (row->tweak)
		row->tweak(&c, &e);
	put(&c, C_SLOT);
	put(&e, E_SLOT);
	address(&p, row->to_endpoint);
	p.seq += base;
	p.ack += base;
	CHECK_INT(run(&p, got, &len), TC_ACT_UNSPEC);
	p.seq = row->seq + base;
	p.ack = row->ack + base;
	p.window = row->window ? row->window : p.window;
	check_same(got, len, &p, base);
}

static inline void check_rows(const struct row *rows, size_t n)
{
	for (size_t family = 0; family < 2; family++) {
		at = &families[family];
		for (const struct row *row = rows; row < rows + n; row++) {
			test_row(row->name);
			for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
				check_row(row, bases[i]);
		}
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))
#define P(...)           { .proto = 6, .flags = ACK, __VA_ARGS__ }
