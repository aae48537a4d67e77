/*
 * A million flows of four listeners, whose endpoints are taken out, added, drained and weighted
 * anew: by this node none moves; by one that knows nothing but the rings of today at most 1 % more
 * than each change must move; by one whose table is full only those that began behind a change. By
 * the loaded program.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "bpf/abi/hash.h"
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/snapshot/compile_rings.h"

enum {
	VIPS = 4,
	FLOWS = 250000, /* of each */
	LATER = 25000,  /* of them begin behind the first changes */
	SPORTS = 50000,
	SOURCES = FLOWS / SPORTS,
	FIRST_SPORT = 1024,
	FIRST_RING = 20,
	PORT = 4400,
	MEMBERS = 24,
	SPARE = 2,     /* of them without weight at first */
	HASH_SEED = 7, /* of l4_maps */
	VNI_AT = 14 + 20 + 8 + 4,
};

/* What becomes of one endpoint of each listener, change by change. */
enum change { REMOVE, ADD, DRAIN, REWEIGHT, CHANGES };

struct frame {
	uint8_t bytes[PACKET_BYTES_MAX];
	size_t len;
};

static struct vip {
	bool v6;
	uint8_t proto;
	uint32_t slots;
	struct frame frames[SOURCES][2]; /* data, SYN */
	struct ring_member members[MEMBERS];
	uint32_t ring[RING_SLOTS_MAX], ring_before[RING_SLOTS_MAX];
	uint16_t drained; /* id */
	uint16_t at[FLOWS];
	uint32_t slot[FLOWS]; /* in which the flow is */
} vips[VIPS] = {
	{ .proto = IPPROTO_TCP, .slots = RING_SLOTS_DEFAULT },
	{ .proto = IPPROTO_TCP, .slots = RING_SLOTS_MAX },
	{ .proto = IPPROTO_TCP, .slots = RING_SLOTS_DEFAULT, .v6 = true },
	{ .proto = IPPROTO_UDP, .slots = RING_SLOTS_DEFAULT },
};

static uint32_t id_of(uint32_t vip, uint32_t member)
{
	return 1 + vip * MEMBERS + member;
}

/* The endpoint to which a packet of the flow goes. */
static uint32_t send_one(struct vip *v, uint32_t flow, bool first)
{
	struct frame *f = &v->frames[flow / SPORTS][first && v->proto == IPPROTO_TCP];
	uint16_t sport = htons((uint16_t)(FIRST_SPORT + flow % SPORTS));
	struct xdp_md in = { .data_end = (uint32_t)f->len, .ingress_ifindex = RUN_IFINDEX };
	uint8_t out[PACKET_BYTES_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = in.data_end,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);
	uint32_t vni;

	memcpy(f->bytes + 14 + (v->v6 ? 40 : 20), &sport, sizeof(sport));
	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(program_load()->progs.xdp_ingress), &opts),
		  0);
	CHECK_INT(opts.retval, XDP_TX);
	memcpy(&vni, out + VNI_AT, sizeof(vni));
	return ntohl(vni) >> 8;
}

static void set_endpoint(uint32_t id, uint32_t flags)
{
	struct endpoint_entry e = {
		.generation = 1, .next_hop = L4_HOP_FIRST, .vni = id, .flags = ENDPOINT_USED | flags
	};

	l4_ip(e.vtep, L4_HOST);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
}

static void make_rings(bool fresh)
{
	for (uint32_t k = 0; k < VIPS; k++) {
		memcpy(vips[k].ring_before, vips[k].ring, sizeof(vips[k].ring));
		CHECK(compile_ring(vips[k].members, MEMBERS, 7, vips[k].ring, vips[k].slots));
		maps_ring(program_maps(), FIRST_RING + k, vips[k].ring, vips[k].slots, fresh);
	}
	maps_commit(program_maps());
}

static void find_slots(struct vip *v, const struct packet *p, uint32_t source)
{
	struct flow_key key = { .dport = htons(p->dport), .proto = p->proto };

	l4_ip(key.src, p->src);
	l4_ip(key.dst, p->dst);
	for (uint32_t i = 0; i < SPORTS; i++) {
		key.sport = htons((uint16_t)(FIRST_SPORT + i));
		v->slot[source * SPORTS + i] =
			(uint32_t)(((hash_flow(&key, HASH_SEED) >> 32) * v->slots) >> 32);
	}
}

static void build_frames(struct vip *v, uint16_t port)
{
	struct packet p = { .dst = v->v6 ? L4_VIP6 : L4_VIP, .proto = v->proto, .dport = port };
	char src[40];

	p.src = src;
	for (uint32_t i = 0; i < SOURCES; i++) {
		snprintf(src, sizeof(src), v->v6 ? "2001:db8:1::%u" : "198.51.100.%u", 1 + i);
		find_slots(v, &p, i);
		for (uint32_t first = 0; first < 2; first++) {
			p.flags = first ? 2 : 16;
			v->frames[i][first].len = packet_build(&p, v->frames[i][first].bytes);
		}
	}
}

static void set_up(void)
{
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
	maps_live_settings(program_maps())->epoch = 1;
	for (uint32_t k = 0; k < VIPS; k++) {
		struct vip *v = &vips[k];
		struct vip_key key = { .port = htons((uint16_t)(PORT + k)), .proto = v->proto };

		v->drained = 0;
		for (uint32_t i = 0; i < MEMBERS; i++) {
			set_endpoint(id_of(k, i), 0);
			v->members[i] = (struct ring_member){ hash_word(i, k), id_of(k, i),
							      i < SPARE ? 0 : 1 + i % 3 };
		}
		l4_ip(key.addr, v->v6 ? L4_VIP6 : L4_VIP);
		build_frames(v, (uint16_t)(PORT + k));
		maps_vip(program_maps(), &key, VIP_L4, FIRST_RING + k);
	}
	make_rings(true);
}

/* Of the listener whose turn it is another than of the next one. */
static void change(uint32_t turn)
{
	for (uint32_t k = 0; k < VIPS; k++) {
		struct vip *v = &vips[k];
		uint32_t i = SPARE + 5 * turn + k;

		switch ((turn + k) % CHANGES) {
		case REMOVE:
			v->members[i].weight = 0;
			break;
		case ADD:
			v->members[turn % SPARE].weight = 2;
			break;
		case DRAIN:
			v->drained = (uint16_t)id_of(k, i);
			ring_store_recheck(maps_rings(program_maps()), v->drained,
					   maps_live_settings(program_maps())->epoch);
			set_endpoint(v->drained, ENDPOINT_DRAINING);
			break;
		default:
			v->members[i].weight += 2;
		}
	}
	make_rings(false);
}

static void begin(uint32_t from, uint32_t to)
{
	for (uint32_t k = 0; k < VIPS; k++)
		for (uint32_t i = from; i < to; i++)
			vips[k].at[i] = (uint16_t)send_one(&vips[k], i, true);
}

/* All of one listener send; those that are at the drained endpoint need not stay without a stream.
 */
static uint32_t moved(struct vip *v, uint32_t count)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t now = send_one(v, i, false);

		if (now == v->at[i])
			continue;
		if (v->proto == IPPROTO_UDP && v->at[i] == v->drained)
			v->at[i] = (uint16_t)now;
		else
			moved++;
	}
	return moved;
}

/* Slots that have another endpoint than before the change, and that must. */
static void count_slots(const struct vip *v, uint32_t *out_moved, uint32_t *out_must)
{
	int32_t gain[1 + VIPS * MEMBERS] = { 0 };

	*out_moved = *out_must = 0;
	for (uint32_t i = 0; i < v->slots; i++) {
		*out_moved += v->ring[i] != v->ring_before[i];
		gain[v->ring[i]]++;
		gain[v->ring_before[i]]--;
	}
	for (uint32_t id = 0; id <= VIPS * MEMBERS; id++)
		*out_must += gain[id] > 0 ? (uint32_t)gain[id] : 0;
}

/* By the rings alone, as another node has them. Drained ones are in them as before. */
static void check_rings(uint32_t turn)
{
	for (uint32_t k = 0; k < VIPS; k++) {
		const struct vip *v = &vips[k];
		uint32_t flows = 0, slots, must;

		count_slots(v, &slots, &must);
		for (uint32_t i = 0; i < FLOWS; i++)
			flows += v->ring[v->slot[i]] != v->ring_before[v->slot[i]];
		if (slots)
			print_message(
				"change %u of listener %u: must move %.2f %%, moves %.2f %% of "
				"its slots, %.2f %% of its flows without the table\n",
				turn, k, 100.0 * must / v->slots, 100.0 * slots / v->slots,
				100.0 * flows / FLOWS);
		CHECK(slots <= must + v->slots / 100);
		CHECK((turn + k) % CHANGES == DRAIN ? slots == 0 : must > 0);
	}
}

TEST(a_million_flows_stay_where_they_are_while_endpoints_change)
{
	NEED_L4_MAPS;
	set_up();
	begin(0, FLOWS - LATER);
	for (uint32_t turn = 0; turn < CHANGES; turn++) {
		change(turn);
		check_rings(turn);
		if (turn == 1) /* the table alone knows them, where their slots have changed */
			begin(FLOWS - LATER, FLOWS);
		for (uint32_t k = 0; turn % 2 && k < VIPS; k++)
			CHECK_INT(moved(&vips[k], FLOWS), 0);
	}
	/* Another node with the same configuration, which has never seen any of them. */
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
	make_rings(true);
	for (uint32_t k = 0; k < VIPS; k++) {
		for (uint32_t i = 0; i < FLOWS; i++)
			vips[k].at[i] = (uint16_t)vips[k].ring[vips[k].slot[i]];
		CHECK_INT(moved(&vips[k], SPORTS), 0); /* some: each is as the other */
	}
}

static uint32_t entries(uint32_t count)
{
	struct flow_table flows = maps_flows(program_maps());
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			found += FLOW_KIND(flows.buckets[i].ways[way].word) == FLOW_L4;
	return found;
}

/* With the first bucket that has room, instead of the emptier one, ten of these are displaced. */
TEST(in_a_table_that_is_two_fifths_full_no_connection_displaces_another)
{
	enum { FEW = FLOW_BUCKETS / 16, AT_ONCE = 1000, WANTED = FEW * FLOW_WAYS * 2 / 5 };
	struct vip *v = &vips[0];
	uint32_t count = 0;

	NEED_L4_MAPS;
	set_up();
	maps_live_settings(program_maps())->buckets = FEW;
	change(0);
	change(1);
	for (; count < FLOWS && entries(FEW) < WANTED; count += AT_ONCE)
		for (uint32_t i = count; i < count + AT_ONCE; i++)
			v->at[i] = (uint16_t)send_one(v, i, true);
	print_message("%u entries in %u places\n", entries(FEW), FEW * FLOW_WAYS);
	CHECK(entries(FEW) >= WANTED);
	CHECK_INT(moved(v, count), 0);
	maps_live_settings(program_maps())->buckets = FLOW_BUCKETS;
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
}

/* Splices take no other's place, and lose theirs to nobody. */
static void fill_table(void)
{
	struct flow_table flows = maps_flows(program_maps());

	for (uint32_t i = 0; i < flows.count; i++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			flows.buckets[i].ways[way].word = FLOW_WORD(FLOW_SPLICE, 0, 1, 1, 1);
}

TEST(with_a_full_table_only_those_move_that_began_behind_a_change_in_slots_of_it)
{
	enum { OLD = 40000, ALL = 80000 };
	struct vip *v = &vips[0];
	uint32_t changed = 0, wandered = 0;

	NEED_L4_MAPS;
	set_up();
	fill_table();
	for (uint32_t i = 0; i < OLD; i++)
		v->at[i] = (uint16_t)send_one(v, i, true);
	change(0);
	for (uint32_t i = OLD; i < ALL; i++) {
		v->at[i] = (uint16_t)send_one(v, i, true);
		changed += v->ring[v->slot[i]] != v->ring_before[v->slot[i]];
		wandered += send_one(v, i, false) != v->at[i];
	}
	CHECK_INT(wandered, changed);
	CHECK(wandered > 0);
	for (uint32_t turn = 1; turn < CHANGES; turn++) {
		change(turn);
		CHECK_INT(moved(v, OLD), 0);
	}
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
}
