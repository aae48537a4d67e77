/*
 * Endpoints come, go, and get other weights, at random; connections that send now and then stay
 * where they are. By the loaded program, and the daemon's own rings and sweep.
 *
 * SHUNT_CHURN_FLOWS: how many connections, up to a million; SHUNT_CHURN_SEED: other changes.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "bpf/abi/hash.h"
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/snapshot/compile_rings.h"

enum {
	RING = 9,
	SLOTS = 16381,
	PORT = 4000,
	MEMBERS = 40,
	SOURCES = 20,
	SPORTS = 50000,
	FIRST_SPORT = 1024,
	FLOWS_MAX = SOURCES * SPORTS,
	FLOWS = 20000,
	CHANGES = 12,
	STEP_S = RING_SETTLE_S * 2 / 5, /* several changes in the time in which a ring settles */
	SPORT_AT = 14 + 20,
	VNI_AT = 14 + 20 + 8 + 4,
};

static struct {
	uint8_t bytes[2][PACKET_BYTES_MAX]; /* data, SYN */
	size_t len[2];
} sources[SOURCES];
static uint16_t endpoints[FLOWS_MAX]; /* of each connection */
static struct ring_member members[MEMBERS];
static uint32_t ring[SLOTS], ring_before[SLOTS];
static uint32_t dice;

static uint32_t random_below(uint32_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % n;
}

static uint32_t number_from(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* The endpoint to which a packet of the connection goes. */
static uint32_t send_one(uint32_t flow, bool syn)
{
	uint8_t *frame = sources[flow / SPORTS].bytes[syn], out[PACKET_BYTES_MAX];
	uint16_t sport = htons((uint16_t)(FIRST_SPORT + flow % SPORTS));
	struct xdp_md in = { .data_end = (uint32_t)sources[flow / SPORTS].len[syn],
			     .ingress_ifindex = RUN_IFINDEX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = in.data_end,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);
	uint32_t vni;

	memcpy(frame + SPORT_AT, &sport, sizeof(sport));
	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(program_load()->progs.xdp_ingress), &opts),
		  0);
	CHECK_INT(opts.retval, XDP_TX);
	memcpy(&vni, out + VNI_AT, sizeof(vni));
	return ntohl(vni) >> 8;
}

static void make_ring(uint32_t now_s)
{
	memcpy(ring_before, ring, sizeof(ring));
	CHECK(compile_ring(members, MEMBERS, 7, ring, SLOTS));
	maps_live_settings(program_maps())->epoch = now_s;
	maps_ring(program_maps(), RING, ring, SLOTS, now_s == 1);
	maps_commit(program_maps());
}

static void add_endpoint(uint32_t id)
{
	struct endpoint_entry e = {
		.generation = 1, .next_hop = L4_HOP_FIRST, .vni = id, .flags = ENDPOINT_USED
	};

	l4_ip(e.vtep, L4_HOST);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
}

static void set_up(void)
{
	struct vip_key key = { .port = htons(PORT), .proto = IPPROTO_TCP };

	dice = number_from("SHUNT_CHURN_SEED", 1);
	l4_ip(key.addr, L4_VIP);
	for (uint32_t i = 0; i < MEMBERS; i++) {
		members[i] = (struct ring_member){ hash_word(i, 99), 1 + i, i % 2 };
		add_endpoint(1 + i);
	}
	for (uint32_t i = 0; i < SOURCES; i++)
		for (uint32_t syn = 0; syn < 2; syn++) {
			char src[32];
			struct packet p = TCP4(.dst = L4_VIP, .sport = 1, .dport = PORT);

			snprintf(src, sizeof(src), "198.51.100.%u", 1 + i);
			p.src = src;
			p.flags = syn ? 2 : 16;
			sources[i].len[syn] = packet_build(&p, sources[i].bytes[syn]);
		}
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
	make_ring(1);
	maps_vip(program_maps(), &key, VIP_L4, RING);
	maps_commit(program_maps());
}

/* One endpoint comes, goes, or gets another weight. */
static void change(void)
{
	struct ring_member *m = &members[random_below(MEMBERS)];

	if (m->weight && random_below(2))
		m->weight = 0;
	else
		m->weight = 1 + random_below(4);
}

/* Slots that changed and that had to. */
static void count_slots(uint32_t *out_moved, uint32_t *out_must)
{
	int32_t gain[MEMBERS + 1] = { 0 };

	for (uint32_t i = 0; i < SLOTS; i++) {
		*out_moved += ring[i] != ring_before[i];
		gain[ring[i]]++;
		gain[ring_before[i]]--;
	}
	for (uint32_t id = 0; id <= MEMBERS; id++)
		*out_must += gain[id] > 0 ? (uint32_t)gain[id] : 0;
}

/* Connections begin, at endpoints that may have new ones. */
static void begin(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		endpoints[i] = (uint16_t)send_one(i, true);
		CHECK(members[endpoints[i] - 1].weight > 0);
	}
}

/* All send; returns how many have moved, also of those whose endpoint gets nothing new. */
static uint32_t send_all(uint32_t flows, uint32_t *out_orphans)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < flows; i++) {
		moved += send_one(i, false) != endpoints[i];
		*out_orphans += members[endpoints[i] - 1].weight == 0;
	}
	return moved;
}

TEST(no_connection_that_sends_now_and_then_is_moved_by_changes)
{
	uint32_t flows = number_from("SHUNT_CHURN_FLOWS", FLOWS), begun = flows / 2;
	uint32_t now_s = 1, moved = 0, orphans = 0, elsewhere = 0;

	CHECK(flows <= FLOWS_MAX);
	NEED_L4_MAPS;
	set_up();
	begin(0, begun);
	for (uint32_t i = 1; i <= CHANGES; i++) {
		uint32_t slots = 0, must = 0, more = flows / 2 + flows / 2 * i / CHANGES;

		change();
		make_ring(now_s += 2);
		count_slots(&slots, &must);
		CHECK(slots <= must + SLOTS / 100);
		elsewhere += slots;
		begin(begun, more);
		begun = more;
		moved += send_all(begun, &orphans);
		/* Time goes by; two passes, as what is forgotten loses its mark in the second. */
		maps_age(program_maps(), now_s += STEP_S);
		maps_age(program_maps(), now_s);
	}
	print_message("%u connections, %u changes of %u slots: %u moved, %u times one was of an "
		      "endpoint that had gone\n",
		      begun, CHANGES, elsewhere, moved, orphans);
	CHECK(orphans > 0 && elsewhere > 0);
	CHECK_INT(moved, 0);
}
