/*
 * An endpoint goes and comes back, as health checks say: who is at another one notices nothing, and
 * who began meanwhile stays where it began. By the loaded program, the daemon's own marks and
 * sweep.
 */
#include <arpa/inet.h>
#include <string.h>

#include "bpf/abi/hash.h"
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/endpoint_ids.h"
#include "userspace/flow/flow_sweep.h"
#include "userspace/snapshot/compile_rings.h"

BOTH_TWINS

enum {
	RING_TCP = 7,
	RING_UDP = 8,
	PORT = 4300,
	SLOTS = 251,
	MEMBERS = 4,
	AWAY = 2, /* who goes and comes back */
	FLOWS = 300,
	VNI_AT = 14 + 20 + 8 + 4,
};

struct flows {
	uint8_t proto;
	uint16_t first;
	uint8_t at[FLOWS];
};

static struct endpoint_ids *ids;

/* The endpoint to which a packet of the connection goes. */
static uint32_t send_one(const struct flows *f, uint32_t i, bool syn)
{
	struct packet p = { .src = L4_CLIENT,
			    .dst = L4_VIP,
			    .proto = f->proto,
			    .sport = (uint16_t)(f->first + i),
			    .dport = PORT,
			    .flags = syn ? 2 : 16,
			    .payload = syn ? NULL : "x" };
	struct outcome got = program_run(&p);
	uint32_t vni;

	CHECK_INT(got.fate, XDP_TX);
	memcpy(&vni, got.bytes + VNI_AT, sizeof(vni));
	return ntohl(vni) >> 8;
}

/* All begin; of UDP there is no difference. */
static void begin(struct flows *f)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		f->at[i] = (uint8_t)send_one(f, i, f->proto == IPPROTO_TCP);
}

/* All send; returns how many of those that were at `of` (0: at any) go elsewhere now. */
static uint32_t moved(const struct flows *f, uint32_t of)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FLOWS; i++)
		if (!of || f->at[i] == of)
			count += send_one(f, i, false) != f->at[i];
	return count;
}

static uint32_t count_at(const struct flows *f, uint32_t id)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FLOWS; i++)
		count += f->at[i] == id;
	return count;
}

static void add_member(uint32_t id)
{
	struct endpoint_entry e = {
		.generation = 1, .next_hop = L4_HOP_FIRST, .vni = id, .flags = ENDPOINT_USED
	};

	l4_ip(e.vtep, L4_HOST);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
}

static void add_ring(uint32_t index, uint8_t proto)
{
	struct vip_key key = { .port = htons(PORT), .proto = proto };
	struct ring_member members[MEMBERS];
	uint32_t ring[SLOTS];

	l4_ip(key.addr, L4_VIP);
	for (uint32_t i = 0; i < MEMBERS; i++)
		members[i] = (struct ring_member){ hash_word(i, 5), 1 + i, 1 };
	CHECK(compile_ring(members, MEMBERS, 7, ring, SLOTS));
	maps_ring(program_maps(), index, ring, SLOTS, true);
	maps_vip(program_maps(), &key, VIP_L4, index);
}

static bool set_up(void)
{
	struct pinned pinned = { 0 };

	if (!l4_maps())
		return false;
	memset(maps_flows(program_maps()).buckets, 0, FLOW_BUCKETS * sizeof(struct flow_bucket));
	maps_live_settings(program_maps())->epoch = 1;
	for (uint32_t id = 1; id <= MEMBERS; id++)
		add_member(id);
	add_ring(RING_TCP, IPPROTO_TCP);
	add_ring(RING_UDP, IPPROTO_UDP);
	maps_commit(program_maps());
	maps_flag(program_maps(), RING_UDP, VIP_SETTLED);
	endpoint_ids_destroy(ids);
	pinned.fds[PINNED_ENDPOINTS] = bpf_map__fd(program_load()->maps.shunt_endpoints);
	ids = endpoint_ids_create(&pinned, NULL, maps_rings(program_maps()),
				  bpf_map__max_entries(program_load()->maps.shunt_endpoints));
	return true;
}

#define NEED_RINGS                                                                                 \
	do {                                                                                       \
		if (!set_up())                                                                     \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static void away(bool is, uint32_t now_s)
{
	endpoint_ids_drain(ids, AWAY, is, now_s);
}

TEST(who_is_at_another_endpoint_notices_nothing)
{
	struct flows rows[] = { { IPPROTO_TCP, 1000, { 0 } }, { IPPROTO_UDP, 1000, { 0 } } };

	NEED_RINGS;
	for (uint32_t k = 0; k < 2; k++) {
		begin(&rows[k]);
		CHECK(count_at(&rows[k], AWAY) > FLOWS / 8);
	}
	for (uint32_t turn = 0; turn < 3; turn++)
		for (uint32_t is = 0; is < 2; is++) {
			away(!is, 10 * turn + is);
			for (uint32_t id = 1; id <= MEMBERS; id++)
				CHECK_INT(moved(&rows[0], id), 0);
			for (uint32_t id = 1; id <= MEMBERS; id++)
				if (id != AWAY)
					CHECK_INT(moved(&rows[1], id), 0);
		}
}

TEST(who_began_while_it_was_away_stays_when_it_is_back)
{
	struct flows rows[] = { { IPPROTO_TCP, 2000, { 0 } }, { IPPROTO_UDP, 2000, { 0 } } };

	NEED_RINGS;
	for (struct flows *f = rows; f < rows + 2; f++) {
		away(true, 5);
		begin(f);
		CHECK_INT(count_at(f, AWAY), 0);
		CHECK_INT(moved(f, 0), 0);
		away(false, 9);
		CHECK_INT(moved(f, 0), 0);
		away(true, 12);
		away(false, 13);
		CHECK_INT(moved(f, 0), 0);
	}
}

static bool keep_flow(void *context, const struct flow_entry *e)
{
	return ring_store_keeps(context, e->key.proto == IPPROTO_TCP ? RING_TCP : RING_UDP,
				hash_flow(&e->key, maps_live_settings(program_maps())->hash_seed),
				FLOW_INDEX(e->word));
}

/* The daemon's seconds from one to the other; what it does when a pass of its sweep has ended. */
static void seconds(struct flow_sweep *sweep, uint32_t from, uint32_t to)
{
	for (uint32_t now = from; now < to; now++) {
		maps_live_settings(program_maps())->epoch = now;
		if (flow_sweep_tick(sweep, now))
			ring_store_settle(maps_rings(program_maps()), now);
	}
}

static uint32_t marked(void)
{
	struct ring_store *rings = maps_rings(program_maps());

	return ring_store_unsettled(rings, RING_TCP) + ring_store_unsettled(rings, RING_UDP);
}

/* Away for so long that marks may go; back at any second of a pass over the table of flows. */
TEST(who_began_while_it_was_away_stays_whenever_marks_are_taken_off)
{
	enum { SOON = 10 + RING_SETTLE_S - FLOW_PASS_S };

	NEED_RINGS;
	for (uint32_t second = 1; second < 3 * FLOW_PASS_S; second += 3) {
		struct flows rows[] = { { IPPROTO_TCP, 3000, { 0 } },
					{ IPPROTO_UDP, 3000, { 0 } } };
		struct flow_table table = maps_flows(program_maps());
		struct flow_sweep *sweep;

		set_up();
		sweep = flow_sweep_create(&table, keep_flow, maps_rings(program_maps()));
		away(true, 10);
		seconds(sweep, SOON, SOON + second);
		for (uint32_t k = 0; k < 2; k++) {
			begin(&rows[k]);
			CHECK_INT(moved(&rows[k], 0), 0);
		}
		away(false, SOON + second);
		for (uint32_t now = SOON + second; now < SOON + second + 3 * FLOW_PASS_S;
		     now += 4) {
			seconds(sweep, now, now + 4);
			CHECK_INT(moved(&rows[0], 0), 0);
			CHECK_INT(moved(&rows[1], 0), 0);
		}
		flow_sweep_destroy(sweep);
	}
}

TEST(marks_go_when_nobody_is_left_who_began_meanwhile)
{
	struct flows f = { IPPROTO_TCP, 4000, { 0 } };
	struct flow_table table;
	struct flow_sweep *sweep;
	uint32_t back = 20;

	NEED_RINGS;
	table = maps_flows(program_maps());
	sweep = flow_sweep_create(&table, keep_flow, maps_rings(program_maps()));
	away(true, 10);
	begin(&f);
	CHECK_INT(moved(&f, 0), 0);
	seconds(sweep, 10, back);
	away(false, back);
	CHECK(marked() > 0);
	seconds(sweep, back + RING_SETTLE_S, back + RING_SETTLE_S + 4 * FLOW_PASS_S);
	CHECK_INT(marked(), 0);
	flow_sweep_destroy(sweep);
}
