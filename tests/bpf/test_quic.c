/* Datagrams that go by their QUIC connection ids, through the verified program. */
#include "tests/harness/ingress_lab.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi/quic.h"

BOTH_TWINS

enum { CONFIG = 2, DOWN = 3, DRAINS = 4, BYTES_MAX = 300 };
#define FIRST "\x48" /* CONFIG in three bits, then what servers like */
#define NONCE "\x01\x02\x03\x04"
#define OF_1  FIRST "\x0a\x00\x01" NONCE
#define OF_2  FIRST "\x0a\x00\x02" NONCE
#define V1    "\x00\x00\x00\x01"
/* Literals have zeros in them. */
#define BYTES(text) text, sizeof(text) - 1

static char filler[BYTES_MAX + 1];

static void id_of(const char *bytes, size_t len, uint32_t endpoint)
{
	struct quic_key key = { .listener = RING };

	memcpy(key.id, bytes, len);
	program_set(x->maps.shunt_quic, &key, &endpoint);
}

/* Without a connection id, all go to endpoint 1. */
static void quic_lab(uint32_t config, uint32_t bytes)
{
	maps_mode(program_maps(), RING, VIP_SETTLED | VIP_QUIC | VIP_QUIC_LAYOUT(config, bytes));
	add_endpoint(DOWN, HOP_OTHER, 1, ENDPOINT_USED | ENDPOINT_DOWN);
	add_endpoint(DRAINS, HOP_OTHER, 1, ENDPOINT_USED | ENDPOINT_DRAINING);
	id_of("\x0a\x00\x01", 3, 1);
	id_of("\x0a\x00\x02", 3, 2);
	id_of("\x0a\x00\x03", 3, DOWN);
	id_of("\x0a\x00\x04", 3, DRAINS);
	id_of("\x0a\x00\x05", 3, 9); /* of no endpoint */
	memset(filler, 'x', BYTES_MAX);
}

#define NEED_QUIC                                                                                  \
	do {                                                                                       \
		NEED_PROGRAM;                                                                      \
		quic_lab(CONFIG, 3);                                                               \
	} while (0)

/* The datagram's bytes take the place of the builder's own text; XDP looks at no checksum of it. */
static int fate_of(struct packet packet, const char *bytes, size_t len)
{
	uint8_t frame[PACKET_BYTES_MAX];
	size_t whole;

	packet.payload = filler + BYTES_MAX - len;
	whole = packet_build(&packet, frame);
	memcpy(frame + whole - packet.pad - len, bytes, len);
	return program_run_bytes(frame, whole).fate;
}

TEST(a_connection_id_names_its_endpoint_whatever_its_header)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "short", BYTES("\x40" OF_2 "rest"), BY_2, COUNT_FORWARDED_QUIC },
		{ "short, of the other", BYTES("\x40" OF_1 "rest"), BY_1, COUNT_FORWARDED_QUIC },
		{ "short, and no more", BYTES("\x40" OF_2), BY_2, COUNT_FORWARDED_QUIC },
		{ "short, a nonce too little", BYTES("\x40" FIRST "\x0a\x00\x02\x01\x02\x03"), BY_1,
		  COUNT_FORWARDED },
		{ "short, other bits in its first octet", BYTES("\x3f" OF_2), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "long", BYTES("\xc0" V1 "\x08" OF_2 "\x00rest"), BY_2, COUNT_FORWARDED_QUIC },
		{ "long, of a handshake", BYTES("\xe3" V1 "\x08" OF_2 "\x00"), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "long, another version", BYTES("\x80\xfa\xce\xb0\x0c\x08" OF_2), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "long, a longer id", BYTES("\xc0" V1 "\x0c" OF_2 "more\x00"), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "long, an id too short", BYTES("\xc0" V1 "\x07" OF_2 "rest"), BY_1,
		  COUNT_FORWARDED },
		{ "long, no id", BYTES("\xc0" V1 "\x00" OF_2 "rest"), BY_1, COUNT_FORWARDED },
		{ "long, the id ends behind the datagram", BYTES("\xc0" V1 "\x09" OF_2), BY_1,
		  COUNT_FORWARDED },
		{ "long, the id much too long", BYTES("\xc0" V1 "\xff" OF_2), BY_1,
		  COUNT_FORWARDED },
		{ "long, without an id's length", BYTES("\xc0" V1), BY_1, COUNT_FORWARDED },
		{ "long, without a version", BYTES("\xc0\x00"), BY_1, COUNT_FORWARDED },
		{ "one byte, long", BYTES("\xc0"), BY_1, COUNT_FORWARDED },
		{ "one byte, short", BYTES("\x40"), BY_1, COUNT_FORWARDED },
		{ "no byte", BYTES(""), BY_1, COUNT_FORWARDED },
		{ "what a client made up", BYTES("\xc0" V1 "\x08" FIRST "abcdefg\x00"), BY_1,
		  COUNT_FORWARDED },
		{ "another configuration", BYTES("\x40\x68\x0a\x00\x02" NONCE), BY_1,
		  COUNT_FORWARDED },
		{ "the configuration of none", BYTES("\x40\xe8\x0a\x00\x02" NONCE), BY_1,
		  COUNT_FORWARDED },
		{ "another length in the first octet", BYTES("\x40\x5f\x0a\x00\x02" NONCE), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "an endpoint that is down", BYTES("\x40" FIRST "\x0a\x00\x03" NONCE), BY_1,
		  COUNT_FORWARDED },
		{ "one that drains", BYTES("\x40" FIRST "\x0a\x00\x04" NONCE), BY_2,
		  COUNT_FORWARDED_QUIC },
		{ "one that is no more", BYTES("\x40" FIRST "\x0a\x00\x05" NONCE), BY_1,
		  COUNT_FORWARDED },
	};

	NEED_QUIC;
	FOR_ROWS (row, rows) {
		struct counters before = program_counters();

		CHECK_INT(fate_of(TO_DNS(), row->bytes, row->len), row->fate);
		check_only_counted(&before, row->counted);
	}
}

TEST(wherever_the_datagram_stands_in_its_frame)
{
	static const struct {
		const char *name;
		struct packet packet;
		int fate;
	} rows[] = {
		{ "two tags", TO_DNS(.vlan_tags = 2), BY_2 },
		{ "IPv4 options", TO_DNS(.ip_options = 12), BY_2 },
		{ "behind it Ethernet's padding", TO_DNS(.pad = 20), BY_2 },
		{ "a datagram that ends before its id", TO_DNS(.udp_length_lie = -6), BY_1 },
		{ "one without payload, by its length", TO_DNS(.udp_length_lie = -14), BY_1 },
		{ "a first fragment", TO_DNS(.fragment = 0x2000), BY_1 },
		{ "IPv6",
		  UDP4(.src = CLIENT6, .dst = VIP6, .sport = 4000, .dport = 53, .proto = 17),
		  BY_2 },
		{ "extension headers",
		  UDP4(.src = CLIENT6, .dst = VIP6, .sport = 4000, .dport = 53, .hop_headers = 3),
		  BY_2 },
	};

	NEED_PROGRAM;
	add_vip(VIP6, 53, IPPROTO_UDP, VIP_L4);
	quic_lab(CONFIG, 3);
	FOR_ROWS (row, rows)
		CHECK_INT(fate_of(row->packet, BYTES("\x40" OF_2 "rest!")), row->fate);
}

TEST(a_connection_survives_another_address_of_its_client_and_another_ring)
{
	static const char *const clients[] = { CLIENT, "198.51.100.77", "192.0.2.200" };

	NEED_QUIC;
	for (uint16_t i = 0; i < 30; i++) {
		struct packet packet = TO_DNS();

		packet.src = clients[i % 3];
		packet.sport = (uint16_t)(5000 + i);
		if (i == 10) {
			ring_changes_to(2);
			quic_lab(CONFIG, 3);
		}
		CHECK_INT(fate_of(packet, BYTES("\x40" OF_1)), BY_1);
		CHECK_INT(fate_of(packet, BYTES("\x40" OF_2)), BY_2);
		CHECK_INT(fate_of(packet, BYTES("\x40"
						"nobody's id")),
			  i < 10 ? BY_1 : BY_2);
	}
}

TEST(who_begins_is_new_as_soon_as_the_ring_has_changed)
{
	NEED_QUIC;
	ring_changes_to(2);
	maps_mode(program_maps(), RING, VIP_QUIC | VIP_QUIC_LAYOUT(CONFIG, 3));
	CHECK_INT(fate_of(TO_DNS(.sport = 4500), BYTES("\xc0" V1 "\x08whatever\x00")), BY_2);
	CHECK_INT(fate_of(TO_DNS(.sport = 4500), BYTES("\xc0" V1 "\x08whatever\x00")), BY_2);
	/* May be of a server that has no such ids, and old. */
	CHECK_INT(fate_of(TO_DNS(.sport = 4501), BYTES("\x40whatever")), BY_1);
}

TEST(only_the_listener_that_says_so_looks_for_ids)
{
	NEED_QUIC;
	maps_mode(program_maps(), RING, VIP_SETTLED);
	CHECK_INT(fate_of(TO_DNS(), BYTES("\x40" OF_2)), BY_1);
}

static uint64_t dice = 0x9e3779b97f4a7c15ull;

static uint32_t pick(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 33) % below;
}

struct known {
	uint8_t id[QUIC_SERVER_ID_MAX];
	uint32_t endpoint;
};

/* As slow and plain as can be: the endpoint that the bytes name, or 0. */
static uint32_t model(const uint8_t *b, size_t len, uint32_t config, uint32_t bytes,
		      const struct known known[4])
{
	const uint8_t *cid = b + 1;
	size_t cid_len = len - 1;

	if (len == 0)
		return 0;
	if (b[0] & 0x80) {
		if (len < 6 || len < 6u + b[5])
			return 0;
		cid = b + 6;
		cid_len = b[5];
	}
	if (cid_len < 1 + bytes + 4 || cid[0] / 32 != config)
		return 0;
	for (int i = 0; i < 4; i++)
		if (memcmp(known[i].id, cid + 1, bytes) == 0)
			return known[i].endpoint;
	return 0;
}

static size_t random_datagram(uint8_t *b, uint32_t config, uint32_t bytes,
			      const struct known known[4])
{
	uint8_t id_len = (uint8_t)(pick(6) ? 1 + bytes + pick(12) : pick(256));
	size_t len = pick(3) ? 40 + pick(200) : pick(40), at = 1;

	for (size_t i = 0; i < BYTES_MAX; i++)
		b[i] = (uint8_t)pick(256);
	if (b[0] & 0x80) {
		b[5] = id_len;
		at = 6;
	}
	b[at] = (uint8_t)((pick(4) ? config : pick(8)) << 5 | pick(32));
	if (pick(4))
		memcpy(b + at + 1, known[pick(4)].id, bytes);
	return len;
}

static void random_layout(uint32_t *out_config, uint32_t *out_bytes, struct known known[4])
{
	*out_config = pick(7);
	*out_bytes = 1 + pick(QUIC_SERVER_ID_MAX);
	maps_mode(program_maps(), RING,
		  VIP_SETTLED | VIP_QUIC | VIP_QUIC_LAYOUT(*out_config, *out_bytes));
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t k = 0; k < *out_bytes; k++)
			known[i].id[k] = (uint8_t)pick(256);
		known[i].id[0] = (uint8_t)(pick(64) * 4 + i); /* else two might be one */
		known[i].endpoint = 1 + i % 2;
		id_of((const char *)known[i].id, *out_bytes, known[i].endpoint);
	}
}

static void forget_ids(uint32_t bytes, const struct known known[4])
{
	for (uint32_t i = 0; i < 4; i++) {
		struct quic_key key = { .listener = RING };

		memcpy(key.id, known[i].id, bytes);
		program_del(x->maps.shunt_quic, &key);
	}
}

TEST(random_datagrams_go_where_the_model_says)
{
	uint32_t named[3] = { 0 };

	NEED_QUIC;
	for (int layout = 0; layout < 100; layout++) {
		struct known known[4] = { 0 };
		uint32_t config, bytes;

		random_layout(&config, &bytes, known);
		for (int i = 0; i < 200; i++) {
			uint8_t b[BYTES_MAX];
			size_t len = random_datagram(b, config, bytes, known);
			uint32_t want = model(b, len, config, bytes, known);
			struct counters before = program_counters();

			char name[80];

			snprintf(name, sizeof(name), "layout %d, datagram %d: %u bytes, want %u",
				 layout, i, bytes, want);
			test_row(name);
			named[want]++;
			CHECK_INT(fate_of(TO_DNS(.sport = (uint16_t)(5000 + pick(60000))),
					  (const char *)b, len),
				  want == 2 ? BY_2 : BY_1);
			check_only_counted(&before, want ? COUNT_FORWARDED_QUIC : COUNT_FORWARDED);
		}
		forget_ids(bytes, known);
	}
	CHECK(named[0] > 2000 && named[1] > 2000 && named[2] > 2000);
}
