/*
 * leg_rows.h - two legs with a body between them, and rows of packets for them. What comes out is
 * compared byte by byte. The client's leg is OUT, the endpoint's IN.
 */
#pragma once
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { C_SLOT = 3, E_SLOT = 4, HOP = 9, GENERATION = 5 };

/* All numbers on the wire have `base` added, so that each in turn stands at 2^32. */
enum {
	LEN = 0x1000,
	C_FROM = 0x2000,
	C_TO = C_FROM + LEN,
	C_PROGRESS = C_FROM + 0x400,
	E_FROM = 0x5000,
	E_TO = E_FROM + LEN,
	E_FLOOR = E_FROM - 0x40,
	E_MAX = E_FROM + 0x800, /* so much of it went past */
	C_MAX = C_FROM + 0x800, /* as the client counts */
	DELTA = C_FROM - E_FROM,
	C_ACKED = 0x7000, /* of what the client sends */
	E_SENT = 0x9000,
	C_TX = 0x900,
	C_RX = 0x20,
	E_TX = 0x50,
	E_RX = 0x300,
	ROOM = 0x2000,
	C_SCALE = 7,  /* the client's own, */
	E_TOLD = 5,   /* and that which our socket announced to the endpoint */
	WINDOW = 200, /* our socket's, to the client */
};

static const uint32_t bases[] = { 0,       -C_FROM,  -C_PROGRESS, -C_TO,      -C_TO + 1,
				  -E_FROM, -E_MAX,   -E_FROM - 1, -E_TO,      -C_ACKED,
				  -E_SENT, -E_FLOOR, -0x20,       0x80000000u };

struct ends {
	const char *client, *vip, *self, *endpoint;
};

static const struct ends families[] = {
	{ "198.51.100.2", "203.0.113.10", "192.0.2.10", "10.0.1.2" },
	{ "2001:db8:1::2", "2001:db8:53::10", "2001:db8:2::10", "fd00:1::2" },
};

static struct xdp_ingress *x;
static const struct ends *at;

static inline void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (inet_pton(AF_INET6, text, out) == 1)
		return;
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static inline struct flow_key key_of(const char *src, uint16_t sport, const char *dst,
				     uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	ip_into(key.src, src);
	ip_into(key.dst, dst);
	return key;
}

static inline struct flow_key client_key(void)
{
	return key_of(at->client, 4000, at->vip, 443);
}

static inline struct flow_key endpoint_key(void)
{
	return key_of(at->endpoint, 80, at->self, 20000);
}

static inline void begin_client(struct splice *c, uint32_t base)
{
	*c = (struct splice){ .state = SPLICE_LEG, .generation = GENERATION };
	c->past.out = key_of(at->self, 20000, at->endpoint, 80);
	c->past.next_hop = HOP;
	c->past.ack_delta = -(uint32_t)DELTA;
	c->past.ws_in = C_SCALE;
	c->past.ws_out = E_TOLD;
	c->past.window = 50;
	c->leg = (struct leg){ .turn = 8,
			       .tx = C_TX,
			       .rx = C_RX,
			       .body = LEG_OUT,
			       .from = C_FROM + base,
			       .to = C_TO + base,
			       .peer = E_SLOT,
			       .peer_generation = GENERATION,
			       .room = ROOM,
			       .heard = 1,
			       .progress = C_PROGRESS + base,
			       .sent = C_FROM + base,
			       .acked = C_ACKED + base,
			       .window = WINDOW,
			       .scale = 3,
			       .key = client_key() };
}

static inline void begin_endpoint(struct splice *e, uint32_t base)
{
	*e = (struct splice){ .state = SPLICE_LEG, .generation = GENERATION };
	e->past.out = key_of(at->vip, 443, at->client, 4000);
	e->past.next_hop = HOP;
	e->past.seq_delta = DELTA;
	e->past.floor = E_FLOOR + base;
	e->past.max_seq = E_MAX + base;
	e->leg = (struct leg){ .turn = 6,
			       .tx = E_TX,
			       .rx = E_RX,
			       .body = LEG_IN,
			       .from = E_FROM + base,
			       .to = E_TO + base,
			       .peer = C_SLOT,
			       .peer_generation = GENERATION,
			       .room = ROOM,
			       .progress = E_FROM + 0x300 + base,
			       .sent = E_SENT + base,
			       .acked = E_FROM + base,
			       .window = 77,
			       .passed = E_FROM - E_RX + base,
			       .key = endpoint_key() };
}

static inline void put(const struct splice *sp, uint32_t slot)
{
	program_set(x->maps.shunt_splices, &slot, sp);
}

static inline struct splice get(uint32_t slot)
{
	struct splice sp;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_splices), &slot, &sp), 0);
	return sp;
}

static inline bool setup(void)
{
	struct next_hop hop = { .ifindex = RUN_IFINDEX,
				.ready = 1,
				.mtu = 1500,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };
	struct settings s = { .abi_version = ABI_VERSION };
	uint32_t index = HOP;

	x = program_load();
	if (!x)
		return false;
	maps_settings(program_maps(), &s);
	program_set(x->maps.shunt_next_hops, &index, &hop);
	for (int i = 0; i < 2; i++) {
		struct flow_key c, e;

		at = &families[i];
		c = client_key();
		e = endpoint_key();
		maps_addr(program_maps(), c.dst, ADDR_SPLICES);
		maps_addr(program_maps(), e.dst, ADDR_SPLICES);
		maps_splice(program_maps(), &c, 0, C_SLOT, GENERATION);
		maps_splice(program_maps(), &e, 0, E_SLOT, GENERATION);
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
	bool from_endpoint;
	struct packet packet; /* numbers without base; addresses are filled in */
	int fate;
	enum counter counted;
	uint32_t seq, ack; /* as they go on, without base */
	uint16_t window;   /* 0: as it was */
	void (*tweak)(struct splice *c, struct splice *e);
	uint8_t flags; /* 0: as they were */
};

static inline void address(struct packet *p, bool from_endpoint)
{
	p->src = from_endpoint ? at->endpoint : at->client;
	p->dst = from_endpoint ? at->self : at->vip;
	p->sport = from_endpoint ? 80 : 4000;
	p->dport = from_endpoint ? 20000 : 443;
}

/* The frame that shall come out. */
static inline size_t expected(const struct row *row, uint32_t base, uint8_t out[PACKET_BYTES_MAX])
{
	struct packet p = row->packet;
	size_t len;

	address(&p, row->from_endpoint);
	p.seq = row->seq + base;
	p.ack = row->ack + base;
	p.window = row->window ? row->window : p.window;
	p.flags = row->flags ? row->flags : p.flags;
	if (row->fate != XDP_TX)
		return packet_build(&p, out);
	p.src = row->from_endpoint ? at->vip : at->self;
	p.dst = row->from_endpoint ? at->client : at->endpoint;
	p.sport = row->from_endpoint ? 443 : 20000;
	p.dport = row->from_endpoint ? 4000 : 80;
	p.ttl = 63;
	len = packet_build(&p, out);
	memcpy(out, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 }, 12);
	return len;
}

static inline void check_bytes(const struct outcome *got, const struct row *row, uint32_t base)
{
	uint8_t want[PACKET_BYTES_MAX];
	size_t len = expected(row, base, want);

	CHECK_INT(got->len, len);
	for (size_t i = 0; i < len; i++)
		if (got->bytes[i] != want[i])
			test_fail(__FILE__, __LINE__, "base %#x: byte %zu is %#x, not %#x", base, i,
				  got->bytes[i], want[i]);
	CHECK(packet_sums_are_right(got->bytes, got->len));
}

static inline void check_row(const struct row *row, uint32_t base)
{
	struct packet p = row->packet;
	struct counters before;
	struct splice c, e;
	struct outcome got;

	begin_client(&c, base);
	begin_endpoint(&e, base);
	if (row->tweak)
		row->tweak(&c, &e);
	put(&c, C_SLOT);
	put(&e, E_SLOT);
	address(&p, row->from_endpoint);
	p.seq += base;
	p.ack += base;
	before = program_counters();
	got = program_run(&p);
	CHECK_INT(got.fate, row->fate);
	check_only_counted(&before, row->counted);
	if (row->fate != XDP_DROP)
		check_bytes(&got, row, base);
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

#define P(...)          { .proto = 6, .flags = ACK, __VA_ARGS__ }
#define TO_SOCKET       XDP_PASS, COUNT_LEG_PASSED
#define PAST            XDP_TX, COUNT_SPLICED
#define LOST(why)       XDP_DROP, COUNT_##why, 0, 0, 0
#define C_SOCKET_SEQ(n) ((n) - C_RX)
#define C_SOCKET_ACK(n) ((n) - C_TX)
#define E_SOCKET_SEQ(n) ((n) - E_RX)
#define E_SOCKET_ACK(n) ((n) - E_TX)
/* What the endpoint may be told of the client's window: its units are 1 << E_TOLD bytes. */
#define CUT(ack) ((uint16_t)((C_TO - (ack) + ROOM + (1 << E_TOLD) - 1) >> E_TOLD))

static inline void unheard(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.heard = 0;
}

static inline void turning_client(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.turn++;
}

static inline void turning_endpoint(struct splice *c, struct splice *e)
{
	(void)c;
	e->leg.turn++;
}

static inline void peer_gone(struct splice *c, struct splice *e)
{
	c->leg.peer = e->leg.peer = 4000000000u;
}

static inline void peer_of_another_use(struct splice *c, struct splice *e)
{
	c->leg.peer_generation++;
	e->leg.peer_generation++;
}

static inline void no_body(struct splice *c, struct splice *e)
{
	c->leg.body = e->leg.body = LEG_NONE;
}
