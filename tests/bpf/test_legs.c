/*
 * Bodies that go past two sockets (docs/splice.md, Bodies), through the verified programs: the
 * client's leg is OUT, the endpoint's IN. What comes out is compared byte by byte.
 */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

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

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (inet_pton(AF_INET6, text, out) == 1)
		return;
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

static struct flow_key client_key(void)
{
	return key_of(at->client, 4000, at->vip, 443);
}

static struct flow_key endpoint_key(void)
{
	return key_of(at->endpoint, 80, at->self, 20000);
}

static void begin_client(struct splice *c, uint32_t base)
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

static void begin_endpoint(struct splice *e, uint32_t base)
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

static void put(const struct splice *sp, uint32_t slot)
{
	program_set(x->maps.shunt_splices, &slot, sp);
}

static bool setup(void)
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

static void address(struct packet *p, bool from_endpoint)
{
	p->src = from_endpoint ? at->endpoint : at->client;
	p->dst = from_endpoint ? at->self : at->vip;
	p->sport = from_endpoint ? 80 : 4000;
	p->dport = from_endpoint ? 20000 : 443;
}

/* The frame that shall come out. */
static size_t expected(const struct row *row, uint32_t base, uint8_t out[PACKET_BYTES_MAX])
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

static void check_bytes(const struct outcome *got, const struct row *row, uint32_t base)
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

static void check_row(const struct row *row, uint32_t base)
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

static void check_rows(const struct row *rows, size_t n)
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

static void unheard(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.heard = 0;
}

static void turning_client(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.turn++;
}

static void turning_endpoint(struct splice *c, struct splice *e)
{
	(void)c;
	e->leg.turn++;
}

static void peer_gone(struct splice *c, struct splice *e)
{
	c->leg.peer = e->leg.peer = 4000000000u;
}

static void peer_of_another_use(struct splice *c, struct splice *e)
{
	c->leg.peer_generation++;
	e->leg.peer_generation++;
}

static void no_body(struct splice *c, struct splice *e)
{
	c->leg.body = e->leg.body = LEG_NONE;
}

TEST(what_acknowledges_a_body_goes_to_its_sender_and_all_else_to_the_socket)
{
	static const struct row rows[] = {
		{ "an ack from inside the body, its window as it is", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x500, .window = 20), PAST, E_SENT,
		  E_FROM + 0x500, 20 << C_SCALE >> E_TOLD },
		{ "its window cut to the rest of the body and what the socket takes behind", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x501, .window = 500), PAST, E_SENT,
		  E_FROM + 0x501, CUT(C_FROM + 0x501) },
		{ "of all that was sent", false, P(.seq = C_ACKED, .ack = C_MAX, .window = 65535),
		  PAST, E_SENT, E_FROM + 0x800, CUT(C_MAX) },
		{ "of one byte more than anybody has sent", false,
		  P(.seq = C_ACKED, .ack = C_MAX + 1), LOST(SPLICE_FORGED) },
		{ "of all of the body, when half of it was sent", false,
		  P(.seq = C_ACKED, .ack = C_TO), LOST(SPLICE_FORGED) },
		{ "of half the space ahead", false, P(.seq = C_ACKED, .ack = C_MAX + 0x70000000),
		  LOST(SPLICE_FORGED) },
		{ "of what is before the body: the socket's", false,
		  P(.seq = C_ACKED, .ack = C_FROM - 1), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM - 1) },
		{ "exactly up to the body, once the socket knows", false,
		  P(.seq = C_ACKED, .ack = C_FROM, .window = 20), PAST, E_SENT, E_FROM,
		  20 << C_SCALE >> E_TOLD },
		{ "the first from there on is the socket's", false,
		  P(.seq = C_ACKED, .ack = C_FROM), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM), .tweak = unheard },
		{ "also from inside the body: it says no more than all before it", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x700), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM), .tweak = unheard },
		{ "an older one within the body", false,
		  P(.seq = C_ACKED, .ack = C_PROGRESS - 1, .window = 20), PAST, E_SENT,
		  E_FROM + 0x3ff, 20 << C_SCALE >> E_TOLD },
		{ "the next request", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x500, .flags = PSH | ACK, .payload = "GET /"),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "the next request, by which it acks nothing new", false,
		  P(.seq = C_ACKED, .ack = C_FROM - 8, .payload = "GET /"), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM - 8) },
		{ "a request that acks what nobody has sent", false,
		  P(.seq = C_ACKED, .ack = C_MAX + 1, .payload = "GET /"), LOST(SPLICE_FORGED) },
		{ "an old request again", false,
		  P(.seq = C_ACKED - 90, .ack = C_PROGRESS, .payload = "GET /"), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 90), C_SOCKET_ACK(C_FROM) },
		{ "its end", false, P(.seq = C_ACKED, .ack = C_PROGRESS, .flags = FIN | ACK),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "a reset, which the socket judges", false, P(.seq = C_ACKED + 5, .flags = RST),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED + 5), 0 },
		{ "a reset with an ack", false,
		  P(.seq = C_ACKED, .ack = C_PROGRESS, .flags = RST | ACK), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "a keepalive probe", false, P(.seq = C_ACKED - 1, .ack = C_PROGRESS), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 1), C_SOCKET_ACK(C_FROM) },
		{ "an ack with a number from long ago", false,
		  P(.seq = C_ACKED - 2, .ack = C_PROGRESS + 9), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 2), C_SOCKET_ACK(C_FROM) },
		{ "an ack with a number beyond any window", false,
		  P(.seq = C_ACKED + (WINDOW << 3) + 65537, .ack = C_PROGRESS + 9), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED + (WINDOW << 3) + 65537), C_SOCKET_ACK(C_FROM) },
		{ "while the plan changes", false, P(.seq = C_ACKED, .ack = C_PROGRESS),
		  LOST(LEG_CHANGING), .tweak = turning_client },
		{ "the other leg is gone", false, P(.seq = C_ACKED, .ack = C_PROGRESS), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM), .tweak = peer_gone },
		{ "its element has another use", false, P(.seq = C_ACKED, .ack = C_PROGRESS),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM),
		  .tweak = peer_of_another_use },
		{ "a SYN is for the socket as it is", false, P(.seq = 77, .flags = SYN), TO_SOCKET,
		  77, 0 },
		{ "no body: all is the socket's", false, P(.seq = C_ACKED, .ack = C_TO), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_TO), .tweak = no_body },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}

static void changing_client(struct splice *c, struct splice *e)
{
	turning_client(c, e);
}

static void long_body_in_a_closed_window(struct splice *c, struct splice *e)
{
	c->past.window = 0;
	c->leg.to += 0x100000;
	e->leg.to += 0x100000;
}

/* The furthest that the client's window, the socket's and some slack allow. */
#define EDGE (E_FROM + 0x400 + ROOM + 65536)

TEST(a_body_goes_past_both_sockets_and_nothing_else_does)
{
	static const struct row rows[] = {
		{ "in the midst", true, P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"), PAST,
		  E_MAX + DELTA, C_ACKED, WINDOW },
		{ "odd bytes, odd number", true, P(.seq = E_MAX + 1, .ack = E_SENT, .payload = "a"),
		  PAST, E_MAX + 1 + DELTA, C_ACKED, WINDOW },
		{ "its first bytes", true, P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), PAST,
		  C_FROM, C_ACKED, WINDOW },
		{ "its last bytes", true, P(.seq = E_TO - 3, .ack = E_SENT, .payload = "abc"), PAST,
		  C_TO - 3, C_ACKED, WINDOW },
		{ "one byte across its end", true,
		  P(.seq = E_TO - 2, .ack = E_SENT, .payload = "abc"), LOST(BODY_BEHIND) },
		{ "behind it", true, P(.seq = E_TO, .ack = E_SENT, .payload = "abc"),
		  LOST(BODY_BEHIND) },
		{ "across its beginning, but of the body", true,
		  P(.seq = E_FROM - 2, .ack = E_SENT, .payload = "abc"), PAST, C_FROM - 2, C_ACKED,
		  WINDOW },
		{ "from exactly where both sides have the same", true,
		  P(.seq = E_FLOOR, .ack = E_SENT,
		    .payload = "0123456789012345678901234567890123456789012345678901234567890123X"),
		  PAST, E_FLOOR + DELTA, C_ACKED, WINDOW },
		{ "with a byte of the head in front", true,
		  P(.seq = E_FLOOR - 1, .ack = E_SENT,
		    .payload =
			    "H0123456789012345678901234567890123456789012345678901234567890123X"),
		  LOST(BODY_BEFORE) },
		{ "what ends at its beginning, the socket has", true,
		  P(.seq = E_FROM - 3, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM - 3), E_SOCKET_ACK(E_SENT) },
		{ "an older ack with it", true,
		  P(.seq = E_MAX, .ack = E_SENT - 100, .payload = "abc"), PAST, E_MAX + DELTA,
		  C_ACKED, WINDOW },
		{ "an ack of what our socket never sent", true,
		  P(.seq = E_MAX, .ack = E_SENT + 1, .payload = "abc"), LOST(SPLICE_FORGED) },
		{ "an ack from a quarter of the space ago", true,
		  P(.seq = E_MAX, .ack = E_SENT - (1 << 30) - 1, .payload = "abc"),
		  LOST(SPLICE_FORGED) },
		{ "its end with the last bytes: comes again alone", true,
		  P(.seq = E_TO - 3, .ack = E_SENT, .payload = "abc", .flags = FIN | PSH | ACK),
		  PAST, C_TO - 3, C_ACKED, WINDOW, .flags = PSH | ACK },
		{ "its end right behind the body", true,
		  P(.seq = E_TO, .ack = E_SENT, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end before the body", true,
		  P(.seq = E_FROM, .ack = E_SENT, .flags = FIN | ACK), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT) },
		{ "an acknowledgement of what our socket sent", true,
		  P(.seq = E_MAX, .ack = E_SENT), TO_SOCKET, E_SOCKET_SEQ(E_FROM),
		  E_SOCKET_ACK(E_SENT) },
		{ "a probe of what went past", true, P(.seq = E_MAX - 1, .ack = E_SENT), PAST,
		  E_MAX - 1 + DELTA, C_ACKED, WINDOW },
		{ "a probe of what our socket has", true, P(.seq = E_FROM - 1, .ack = E_SENT),
		  TO_SOCKET, E_SOCKET_SEQ(E_FROM - 1), E_SOCKET_ACK(E_SENT) },
		{ "a reset where the client stands comes as one that the socket heeds", true,
		  P(.seq = E_FROM + 0x300, .flags = RST), TO_SOCKET, E_SOCKET_SEQ(E_FROM), 0 },
		{ "a reset behind all that it sent", true, P(.seq = E_MAX, .flags = RST), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), 0 },
		{ "a reset one off", true, P(.seq = E_MAX + 1, .flags = RST), LOST(SPLICE_FORGED) },
		{ "a reset one below", true, P(.seq = E_FROM + 0x2ff, .flags = RST),
		  LOST(SPLICE_FORGED) },
		{ "a reset with an ack, one off", true,
		  P(.seq = E_MAX - 1, .ack = E_SENT, .flags = RST | ACK), LOST(SPLICE_FORGED) },
		{ "a reset before the body is for the socket to judge", true,
		  P(.seq = E_FROM - 7, .flags = RST), TO_SOCKET, E_SOCKET_SEQ(E_FROM - 7), 0 },
		{ "while the plan changes", true, P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"),
		  LOST(LEG_CHANGING), .tweak = turning_endpoint },
		{ "the other leg's plan changes: no matter", true,
		  P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"), PAST, E_MAX + DELTA, C_ACKED,
		  WINDOW, .tweak = changing_client },
		{ "the other leg is gone: for the socket", true,
		  P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT), .tweak = peer_gone },
		{ "its element has another use", true,
		  P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT), .tweak = peer_of_another_use },
		{ "as far as the client's window goes", true,
		  P(.seq = EDGE - 3, .ack = E_SENT, .payload = "abc"), PAST, EDGE - 3 + DELTA,
		  C_ACKED, WINDOW, .tweak = long_body_in_a_closed_window },
		{ "and one byte beyond", true, P(.seq = EDGE - 2, .ack = E_SENT, .payload = "abc"),
		  LOST(SPLICE_FORGED), .tweak = long_body_in_a_closed_window },
		{ "a SYN is for the socket as it is", true, P(.seq = 77, .flags = SYN), TO_SOCKET,
		  77, 0 },
		{ "no body: all is the socket's", true,
		  P(.seq = E_TO, .ack = E_SENT, .payload = "abc"), TO_SOCKET, E_SOCKET_SEQ(E_TO),
		  E_SOCKET_ACK(E_SENT), .tweak = no_body },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}
