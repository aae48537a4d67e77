/*
 * A slow, obvious model of what xdp_ingress does at an L4 vip, and random packets that both judge:
 * valid ones, mutated, cut short. Verdict, counter and bytes must be the same; of both twins.
 *
 * SHUNT_MODEL_PACKETS says how many (50000), SHUNT_MODEL_SEED which (printed on failure).
 */
#include "tests/harness/l4_maps.h"
#include "tests/harness/model.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <linux/bpf.h>
#include <stdlib.h>

BOTH_TWINS

static uint64_t dice;

static uint32_t pick(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 33) % below;
}

#define ONE_OF(...)                                                                                \
	((const uint32_t[]){                                                                       \
		__VA_ARGS__ })[pick(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))]

static char text[1460];
static uint8_t options[40];

static struct packet random_packet(bool v6)
{
	static const char *const src[] = { L4_CLIENT,   "198.51.100.9", "127.0.0.1",
					   "224.0.0.5", L4_VIP,         L4_CLIENT };
	static const char *const src6[] = { L4_CLIENT6, "2001:db8:1::9", "::1",
					    "ff02::5",  L4_VIP6,         L4_CLIENT6 };
	uint32_t from = pick(40), length = pick(8) ? pick(60) : pick(1450);
	struct packet p = {
		.src = (v6 ? src6 : src)[from < 6 ? from : 0],
		.dst = pick(10) ? (v6 ? L4_VIP6 : L4_VIP) : (v6 ? "2001:db8:2::99" : "192.0.2.99"),
		.sport = (uint16_t)pick(30),
		.proto = (uint8_t)ONE_OF(6, 6, 6, 17, 17, 17, 132),
		.flags = (uint8_t)(pick(4) ? ONE_OF(2, 16, 24, 17, 18, 4, 20) : pick(256)),
		.seq = pick(1u << 31),
		.payload = text + sizeof(text) - 1 - length,
		.vlan_tags = (uint8_t)(pick(4) ? 0 : pick(4)),
		.hop_headers = (uint8_t)(pick(4) ? 0 : pick(9)),
		.ip_options = (uint8_t)(pick(4) ? 0 : pick(11) * 4),
		.ttl = (uint8_t)(pick(10) ? 64 : 1 + pick(2)),
		.id = (uint16_t)pick(20),
		.pad = (uint16_t)(pick(4) ? 0 : pick(30))
	};

	p.dport = (uint16_t)(p.proto == 17 ? ONE_OF(53, 53, 53, 54) : ONE_OF(8000, 8000, 8000, 80));
	if (p.proto == 6) {
		p.tcp_options_len = (uint8_t)(pick(2) ? 0 : pick(11) * 4);
		for (size_t i = 0; i < sizeof(options); i++)
			options[i] = (uint8_t)(pick(3) ? ONE_OF(1, 2, 4, 5, 180, 0, 8) : pick(256));
		if (pick(2)) { /* else an MSS comes up too seldom */
			uint8_t mss[] = { 2, 4, (uint8_t)pick(8), (uint8_t)pick(256) };
			uint32_t at = pick(20);

			memset(options, 1, at);
			memcpy(options + at, mss, sizeof(mss));
		}
		p.tcp_options = options;
	}
	if (!pick(5))
		p.fragment =
			(uint16_t)(v6 ? pick(3) * 8 + pick(2) : pick(3) * 10 + pick(2) * 0x2000);
	else if (!v6)
		p.fragment = (uint16_t)(pick(2) * 0x4000);
	if (!pick(20))
		p.length_lie = (int)pick(200) - 100;
	if (!pick(20))
		p.udp_length_lie = (int)pick(40) - 20;
	return p;
}

static size_t random_icmp(bool v6, uint8_t *frame)
{
	uint8_t quote[PACKET_BYTES_MAX];
	struct packet sent = random_packet(v6);
	const char *vip = v6 ? L4_VIP6 : L4_VIP, *client = v6 ? L4_CLIENT6 : L4_CLIENT;
	uint16_t port = sent.sport;
	struct icmp_packet p = { .src = pick(20) ? (v6 ? "2001:db8:7::1" : "192.0.2.1") : vip,
				 .dst = pick(10) ? vip : (v6 ? "2001:db8:2::99" : "192.0.2.99"),
				 .type = (uint8_t)(v6 ? ONE_OF(1, 2, 3, 4, 128, 129, 5)
						      : ONE_OF(3, 4, 5, 11, 12, 8, 0)),
				 .code = (uint8_t)(pick(4) ? 0 : pick(6)),
				 .rest = 1400,
				 .ttl = sent.ttl,
				 .vlan_tags = sent.vlan_tags };

	sent.vlan_tags = 0;
	if (pick(10)) { /* as the endpoint sends it */
		sent.src = vip;
		sent.dst = client;
		sent.sport = sent.dport;
		sent.dport = port;
	}
	p.body_len = packet_build(&sent, quote) - 14;
	if (pick(2))
		p.body_len = pick((uint32_t)p.body_len + 1);
	if (p.body_len > 500)
		p.body_len = 500;
	p.body = quote + 14;
	return packet_icmp(&p, frame);
}

/* Checksums stay as they were: what the mutation broke is then wrong in both. */
static size_t random_frame(uint8_t *frame)
{
	bool v6 = pick(2);
	struct packet p = random_packet(v6);
	size_t len = pick(4) ? packet_build(&p, frame) : random_icmp(v6, frame);

	if (!pick(4))
		for (uint32_t i = 1 + pick(3); i > 0; i--)
			frame[12 + pick(len > 100 ? 88 : (uint32_t)len - 12)] ^=
				(uint8_t)(1u << pick(8));
	if (!pick(8))
		len = 14 + pick((uint32_t)len - 13);
	return len;
}

/* More than so many in a second are not told what fits; so the second begins again. */
enum { TELL_AGAIN = 500 };

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

TEST(random_packets_meet_the_fate_and_have_the_bytes_that_the_model_says)
{
	uint64_t count = number_of("SHUNT_MODEL_PACKETS", 50000);
	uint64_t seed = number_of("SHUNT_MODEL_SEED", 0x5eed), seen[COUNTERS] = { 0 }, collided = 0;
	static const enum counter wanted[] = {
		COUNT_NOT_OURS,       COUNT_NOT_IP,        COUNT_ODD_TO_STACK, COUNT_FORWARDED,
		COUNT_SHORT,          COUNT_BAD_LENGTH,    COUNT_BAD_HEADER,   COUNT_BAD_CHECKSUM,
		COUNT_BAD_FLAGS,      COUNT_LAND,          COUNT_MARTIAN,      COUNT_FRAGMENT_LOST,
		COUNT_ERROR_FOLLOWED, COUNT_PING_ANSWERED, COUNT_TTL_EXPIRED,  COUNT_TOO_BIG,
		COUNT_TOO_BIG_TOLD,   COUNT_TTL_TOLD,
	};
	struct counters before;

	NEED_L4_MAPS;
	memset(text, 'x', sizeof(text) - 1);
	dice = seed;
	model_begin();
	before = program_counters();
	for (uint64_t i = 0; i < count; i++) {
		uint8_t frame[PACKET_BYTES_MAX];
		size_t len = random_frame(frame);

		if (i % TELL_AGAIN == 0)
			l4_tell_again();
		struct outcome got = program_run_bytes(frame, len);
		struct model_outcome want = model_ingress(frame, len);
		char name[80];

		snprintf(name, sizeof(name), "seed %llu, packet %llu, %s", (unsigned long long)seed,
			 (unsigned long long)i, program_counter_name(want.why));
		test_row(name);
		/* Another datagram may have the slot: the only thing that is left to chance. */
		if (want.borrowed && got.fate == XDP_DROP && got.fate != want.fate) {
			collided++;
			seen[COUNT_FRAGMENT_LOST]++;
			continue;
		}
		CHECK_INT(got.fate, want.fate);
		seen[want.why]++;
		if (want.fate == XDP_DROP)
			continue;
		model_blank_source_port(&want, got.bytes, got.len);
		CHECK_BYTES(got.bytes, got.len, want.bytes, want.len);
	}
	test_row("what came up");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		CHECK(count < 50000 || seen[wanted[i]] > 0); /* else the test has lost its point */
	for (int i = 0; i < COUNTERS; i++)
		if (seen[i])
			print_message("%8llu %s\n", (unsigned long long)seen[i],
				      program_counter_name((enum counter)i));
	test_row("slots of fragments");
	CHECK(collided * 1000 <= count);
	for (int i = 0; i < COUNTERS; i++) {
		uint64_t moved = program_counters().n[i] - before.n[i];

		test_row(program_counter_name((enum counter)i));
		/* Which flows were known is the table's affair: either way they were forwarded. */
		if (i == COUNT_FORWARDED)
			moved += program_counters().n[COUNT_FORWARDED_STICKY] -
				 before.n[COUNT_FORWARDED_STICKY];
		if (i == COUNT_FORWARDED_STICKY)
			continue;
		CHECK_INT(moved, seen[i]);
	}
}
