/* Rule R6 of docs/splice.md: what our own sockets still send in a handover, through tc_egress. */
#include "tests/harness/maps.h"
#include "tests/harness/packet.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <unistd.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/splice.h"
#include "tc_egress.skel.h"

#define CLIENT  "198.51.100.2"
#define VIP     "203.0.113.10"
#define CLIENT6 "2001:db8:1::2"
#define VIP6    "2001:db8:53::10"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { SLOT = 3, GENERATION = 5, TO_CLIENT = 1 };

/*
 * Our socket towards the client sends; the client's packets are direction 0. The endpoint
 * (direction 1) has acknowledged up to Y_ACK through XDP, which is NEWEST in the client's numbers.
 */
#define Y_DRAIN   0xffffff00u
#define Y_ACK     0x00000100u /* beyond the wrap */
#define ACK_DELTA 0x7000u
#define NEWEST    (Y_ACK + ACK_DELTA)

static struct tc_egress *tc;
static struct maps *maps;

static bool program_ready(void)
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
	} else {
		maps = maps_open(tc->maps.shunt_settings, NULL, NULL, NULL, tc->maps.shunt_flows);
	}
	return tc;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!program_ready())                                                              \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static void set(struct bpf_map *map, const void *key, const void *value)
{
	CHECK_INT(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
	} else {
		out[2] = htonl(0xffff);
		inet_pton(AF_INET, text, &out[3]);
	}
}

static void put(const char *client, const char *vip, uint32_t state, uint32_t generation,
		uint32_t y_ack)
{
	struct flow_key key = { .sport = htons(4000), .dport = htons(443), .proto = IPPROTO_TCP };
	struct splice sp = { .state = state, .generation = generation };
	uint32_t slot = SLOT;

	ip_into(key.src, client);
	ip_into(key.dst, vip);
	sp.dir[1].max_ack = y_ack;
	sp.dir[1].drain = Y_DRAIN;
	sp.dir[1].ack_delta = ACK_DELTA;
	maps_splice(maps, &key, 0, SLOT, GENERATION);
	set(tc->maps.shunt_splices, &slot, &sp);
}

static uint64_t counted(enum counter which)
{
	struct tally per_cpu[1024];
	uint64_t sum = 0;
	uint32_t key = which;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(tc->maps.shunt_counters), &key, per_cpu), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += per_cpu[i].packets;
	return sum;
}

/* Length of what comes out. */
static size_t run(const uint8_t *frame, size_t len, uint8_t out[PACKET_BYTES_MAX])
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = PACKET_BYTES_MAX, .repeat = 1);

	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(tc->progs.tc_egress), &opts), 0);
	CHECK_INT((int)opts.retval, TC_ACT_UNSPEC);
	return opts.data_size_out;
}

static uint32_t ack_of(const uint8_t *frame)
{
	uint32_t ack;

	memcpy(&ack, frame + ETH_HLEN + (frame[ETH_HLEN] >> 4 == 6 ? 40 : 20) + 8, sizeof(ack));
	return ntohl(ack);
}

#define OURS(...)  TCP4(.src = VIP, .dst = CLIENT, .sport = 443, .dport = 4000, __VA_ARGS__)
#define OURS6(...) TCP4(.src = VIP6, .dst = CLIENT6, .sport = 443, .dport = 4000, __VA_ARGS__)

struct row {
	const char *name;
	struct packet packet;
	uint32_t state, generation, y_ack, ack; /* ack as it leaves; 0: the frame is untouched */
	enum counter counted;                   /* COUNTERS: none */
};

static void check_row(const struct row *row)
{
	uint8_t frame[PACKET_BYTES_MAX], got[PACKET_BYTES_MAX];
	size_t len = packet_build(&row->packet, frame);
	uint64_t plain = counted(COUNT_EGRESS_PLAIN), repaired = counted(COUNT_EGRESS_REPAIRED);

	put(CLIENT, VIP, row->state, row->generation, row->y_ack);
	put(CLIENT6, VIP6, row->state, row->generation, row->y_ack);
	CHECK_INT(run(frame, len, got), len);
	CHECK_INT(counted(COUNT_EGRESS_PLAIN) - plain, row->counted == COUNT_EGRESS_PLAIN);
	CHECK_INT(counted(COUNT_EGRESS_REPAIRED) - repaired, row->counted == COUNT_EGRESS_REPAIRED);
	if (!row->ack) {
		CHECK(memcmp(frame, got, len) == 0);
		return;
	}
	CHECK_INT(ack_of(got), row->ack);
	CHECK(packet_sums_are_right(got, len));
}

TEST(in_a_handover_an_old_acknowledgement_is_raised_to_the_newest)
{
	static const struct row rows[] = {
		{ "R6: a bare ACK", OURS(.seq = 7, .ack = NEWEST - 1), SPLICE_HANDOVER, GENERATION,
		  Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "R6: data",
		  OURS(.seq = 7, .ack = NEWEST - 5000, .flags = PSH | ACK, .payload = "ab"),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "R6: a FIN", OURS(.ack = NEWEST - 9, .flags = FIN | ACK), SPLICE_HANDOVER,
		  GENERATION, Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "R6: a reset with ACK", OURS(.ack = NEWEST - 9, .flags = RST | ACK),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "R6: with IPv4 options", OURS(.ack = NEWEST - 9, .ip_options = 8),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, 0, COUNT_EGRESS_REPAIRED },
		{ "R6: IPv6", OURS6(.ack = NEWEST - 9, .payload = "abc"), SPLICE_HANDOVER,
		  GENERATION, Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "R6: from before the wrap", OURS(.ack = 0xfffffff0), SPLICE_HANDOVER, GENERATION,
		  Y_ACK, NEWEST, COUNT_EGRESS_REPAIRED },
		{ "one that is up to date", OURS(.ack = NEWEST), SPLICE_HANDOVER, GENERATION, Y_ACK,
		  0, COUNT_EGRESS_PLAIN },
		{ "one that is ahead", OURS(.ack = NEWEST + 1), SPLICE_HANDOVER, GENERATION, Y_ACK,
		  0, COUNT_EGRESS_PLAIN },
		{ "Y at its drain", OURS(.ack = 1), SPLICE_HANDOVER, GENERATION, Y_DRAIN, 0,
		  COUNT_EGRESS_PLAIN },
		{ "Y before its drain", OURS(.ack = 1), SPLICE_HANDOVER, GENERATION, Y_DRAIN - 1, 0,
		  COUNT_EGRESS_PLAIN },
		{ "Y one past its drain", OURS(.ack = Y_DRAIN + ACK_DELTA), SPLICE_HANDOVER,
		  GENERATION, Y_DRAIN + 1, Y_DRAIN + 1 + ACK_DELTA, COUNT_EGRESS_REPAIRED },
		{ "no ACK to repair", OURS(.flags = RST), SPLICE_HANDOVER, GENERATION, Y_ACK, 0,
		  COUNT_EGRESS_PLAIN },
		{ "spliced: nothing of ours is repaired", OURS(.ack = NEWEST - 9), SPLICE_SPLICED,
		  GENERATION, Y_ACK, 0, COUNTERS },
		{ "closed", OURS(.ack = NEWEST - 9), SPLICE_CLOSED, GENERATION, Y_ACK, 0,
		  COUNTERS },
		{ "a key of an earlier use", OURS(.ack = NEWEST - 9), SPLICE_HANDOVER,
		  GENERATION + 1, Y_ACK, 0, COUNTERS },
		{ "another port",
		  TCP4(.src = VIP, .dst = CLIENT, .sport = 443, .dport = 4001, .ack = NEWEST - 9),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, 0, COUNTERS },
		{ "UDP with the same ports",
		  UDP4(.src = VIP, .dst = CLIENT, .sport = 443, .dport = 4000), SPLICE_HANDOVER,
		  GENERATION, Y_ACK, 0, COUNTERS },
		{ "UDP over IPv6 with the same ports",
		  UDP4(.src = VIP6, .dst = CLIENT6, .sport = 443, .dport = 4000,
		       .payload = "as long as a TCP header"),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, 0, COUNTERS },
		{ "a SYN", OURS(.flags = SYN), SPLICE_HANDOVER, GENERATION, Y_ACK, 0,
		  COUNT_EGRESS_PLAIN },
		{ "a tag in the frame, where our stack puts none before us",
		  OURS(.ack = NEWEST - 9, .vlan_tags = 1), SPLICE_HANDOVER, GENERATION, Y_ACK, 0,
		  COUNTERS },
		{ "a later fragment", OURS(.ack = NEWEST - 9, .fragment = 100), SPLICE_HANDOVER,
		  GENERATION, Y_ACK, 0, COUNTERS },
		{ "IPv6 with extension headers", OURS6(.ack = NEWEST - 9, .hop_headers = 1),
		  SPLICE_HANDOVER, GENERATION, Y_ACK, 0, COUNTERS },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX], got[PACKET_BYTES_MAX];
		struct row plain = *row;

		if (row->packet.ip_options) { /* ack_of() knows no options: look at the field */
			size_t len = packet_build(&row->packet, frame);
			uint32_t ack;

			put(CLIENT, VIP, row->state, row->generation, row->y_ack);
			CHECK_INT(run(frame, len, got), len);
			memcpy(&ack, got + ETH_HLEN + 20 + row->packet.ip_options + 8, sizeof(ack));
			CHECK_INT(ntohl(ack), NEWEST);
			CHECK(packet_sums_are_right(got, len));
			continue;
		}
		check_row(&plain);
	}
}

TEST(a_frame_that_ends_anywhere_is_left_alone_or_repaired_whole)
{
	static const struct packet packets[] = { OURS(.ack = NEWEST - 9, .payload = "abcdef"),
						 OURS6(.ack = NEWEST - 9, .payload = "abcdef") };

	NEED_PROGRAM;
	put(CLIENT, VIP, SPLICE_HANDOVER, GENERATION, Y_ACK);
	put(CLIENT6, VIP6, SPLICE_HANDOVER, GENERATION, Y_ACK);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		uint8_t frame[PACKET_BYTES_MAX], got[PACKET_BYTES_MAX];
		size_t whole = packet_build(&packets[i], frame);
		size_t tcp = ETH_HLEN + (i ? 40u : 20u);

		/* The kernel takes no skb for a test without its IP header. */
		for (size_t len = tcp; len < whole; len++) {
			CHECK_INT(run(frame, len, got), len);
			if (len >= tcp + 18) /* the checksum is there: repaired */
				CHECK_INT(ack_of(got), NEWEST);
			else
				CHECK(memcmp(frame, got, len) == 0);
		}
	}
}

TEST(what_does_not_say_that_it_is_ip_is_not_read_as_such)
{
	static const struct packet packets[] = { OURS(.ack = NEWEST - 9),
						 OURS6(.ack = NEWEST - 9) };

	NEED_PROGRAM;
	put(CLIENT, VIP, SPLICE_HANDOVER, GENERATION, Y_ACK);
	put(CLIENT6, VIP6, SPLICE_HANDOVER, GENERATION, Y_ACK);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		uint8_t frame[PACKET_BYTES_MAX], got[PACKET_BYTES_MAX];
		size_t len = packet_build(&packets[i], frame);

		frame[12] = 0x88; /* for local experiments: IEEE 802, 9.2.2 */
		frame[13] = 0xb5;
		CHECK_INT(run(frame, len, got), len);
		CHECK(memcmp(frame, got, len) == 0);
	}
}
