/* What is counted beside the reason, what is sampled, and what an explained packet leaves behind.
 */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <time.h>

BOTH_TWINS

#define CLIENT "198.51.100.2"
#define VIP    "203.0.113.53"
#define WEB    "203.0.113.10"

enum {
	SYN = 2,
	L4_PORT = 8000,
	WEB_PORT = 80,
	RING = 2,
	ROW = 3,
	ENDPOINT = 70,
	HOP = 1,
	SLOTS = 7
};

static struct xdp_ingress *x, *owner; /* of the ring buffer */
static struct ring_buffer *ring;
static struct sample last;
static int samples;

static void v4_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static void add_vip(const char *ip, uint16_t port, uint32_t kind, uint32_t index)
{
	struct vip_key key = { .port = htons(port), .proto = IPPROTO_TCP };

	v4_into(key.addr, ip);
	maps_vip(program_maps(), &key, kind, index);
}

static int on_record(void *context, void *record, size_t len)
{
	(void)context;
	CHECK_INT(len, sizeof(last));
	memcpy(&last, record, len);
	samples++;
	return 0;
}

static bool setup(void)
{
	struct endpoint_entry e = {
		.generation = 1, .next_hop = HOP, .vni = 1, .flags = ENDPOINT_USED
	};
	struct next_hop hop = { .ifindex = RUN_IFINDEX, .ready = 1, .mtu = 1500 };
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };
	uint32_t id = ENDPOINT, index = HOP, slots[SLOTS];

	x = program_load();
	if (!x)
		return false;
	v4_into(s.tunnel, "192.0.2.10");
	v4_into(e.vtep, "192.0.3.21");
	maps_settings(program_maps(), &s);
	program_set(x->maps.shunt_next_hops, &index, &hop);
	program_set(x->maps.shunt_endpoints, &id, &e);
	for (int i = 0; i < SLOTS; i++)
		slots[i] = ENDPOINT;
	maps_ring(program_maps(), RING, slots, SLOTS, true);
	add_vip(VIP, L4_PORT, VIP_L4, RING);
	add_vip(WEB, WEB_PORT, VIP_L7, ROW);
	if (owner != x) {
		ring_buffer__free(ring);
		ring = ring_buffer__new(bpf_map__fd(x->maps.shunt_samples), on_record, NULL, NULL);
		owner = x;
	}
	CHECK(ring != NULL);
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define TO_VIP(...) TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = L4_PORT, __VA_ARGS__)
#define TO_WEB(...) TCP4(.src = CLIENT, .dst = WEB, .sport = 4000, .dport = WEB_PORT, __VA_ARGS__)
#define TO_ELSE     TCP4(.src = CLIENT, .dst = "192.0.2.99", .sport = 4000, .dport = 80)

static void sum(struct bpf_map *map, uint32_t key, uint64_t *out, int words)
{
	uint64_t per_cpu[1024 * 4];

	memset(out, 0, (size_t)words * sizeof(*out));
	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(map), &key, per_cpu), 0);
	for (int i = 0; i < libbpf_num_possible_cpus() * words; i++)
		out[i % words] += per_cpu[i];
}

static struct vip_tally vip_tally(uint32_t which)
{
	struct vip_tally t;

	sum(x->maps.shunt_vip_tallies, which, (uint64_t *)&t, 4);
	return t;
}

static struct tally endpoint_tally(void)
{
	struct tally t;

	sum(x->maps.shunt_endpoint_tallies, ENDPOINT, (uint64_t *)&t, 2);
	return t;
}

TEST(packets_and_bytes_are_counted_for_listener_and_endpoint_as_they_arrived)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t tally;
		int kept, dropped, sent;
	} rows[] = {
		{ "forwarded", TO_VIP(.flags = SYN), VIP_TALLY_L4(RING), 1, 0, 1 },
		{ "forwarded, with padding", TO_VIP(.flags = SYN, .pad = 6), VIP_TALLY_L4(RING), 1,
		  0, 1 },
		{ "dropped", TO_VIP(.flags = SYN, .ttl = 1), VIP_TALLY_L4(RING), 0, 1, 0 },
		{ "odd", TO_VIP(.flags = SYN | 1), VIP_TALLY_L4(RING), 0, 1, 0 },
		{ "to the stack", TO_WEB(.flags = SYN), VIP_TALLY_L7(ROW), 1, 0, 0 },
		{ "to nobody", TO_ELSE, VIP_TALLY_L4(RING), 0, 0, 0 },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct vip_tally before = vip_tally(row->tally), after;
		struct tally e = endpoint_tally();
		uint8_t frame[PACKET_BYTES_MAX];
		uint64_t len = packet_build(&row->packet, frame);

		program_run_bytes(frame, len);
		after = vip_tally(row->tally);
		CHECK_INT(after.kept.packets - before.kept.packets, row->kept);
		CHECK_INT(after.kept.bytes - before.kept.bytes, row->kept * len);
		CHECK_INT(after.dropped.packets - before.dropped.packets, row->dropped);
		CHECK_INT(after.dropped.bytes - before.dropped.bytes, row->dropped * len);
		CHECK_INT(endpoint_tally().packets - e.packets, row->sent);
		CHECK_INT(endpoint_tally().bytes - e.bytes, row->sent * len);
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct watch_order order_read(void)
{
	struct watch_order o;
	uint32_t zero = 0;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_watch), &zero, &o), 0);
	return o;
}

static int samples_of(const struct packet *packet, const struct watch_order *o)
{
	uint32_t zero = 0;

	program_set(x->maps.shunt_watch, &zero, o);
	samples = 0;
	program_run(packet);
	ring_buffer__consume(ring);
	return samples;
}

#define BIT(n) [(n) / 64] = 1ull << (n) % 64

TEST(a_packet_is_sampled_where_the_order_fits)
{
	const struct {
		const char *name;
		struct packet packet;
		struct watch_order order;
		int samples;
	} rows[] = {
		{ "all", TO_ELSE, { .flags = 0 }, 1 },
		{ "its reason",
		  TO_VIP(.ttl = 1),
		  { .flags = WATCH_REASONS, .reasons = { BIT(COUNT_TTL_TOLD) } },
		  1 },
		{ "another reason",
		  TO_VIP(),
		  { .flags = WATCH_REASONS, .reasons = { BIT(COUNT_TTL_TOLD) } },
		  0 },
		{ "its vip",
		  TO_VIP(),
		  { .flags = WATCH_VIPS, .vips = { BIT(VIP_TALLY_L4(RING)) } },
		  1 },
		{ "its vip, L7",
		  TO_WEB(),
		  { .flags = WATCH_VIPS, .vips = { BIT(VIP_TALLY_L7(ROW)) } },
		  1 },
		{ "another vip",
		  TO_WEB(),
		  { .flags = WATCH_VIPS, .vips = { BIT(VIP_TALLY_L4(RING)) } },
		  0 },
		{ "to no vip",
		  TO_ELSE,
		  { .flags = WATCH_VIPS, .vips = { BIT(VIP_TALLY_L4(0)) } },
		  0 },
		{ "its endpoint",
		  TO_VIP(),
		  { .flags = WATCH_ENDPOINTS, .endpoints = { BIT(ENDPOINT) } },
		  1 },
		{ "another endpoint",
		  TO_VIP(),
		  { .flags = WATCH_ENDPOINTS, .endpoints = { BIT(ENDPOINT + 1) } },
		  0 },
		{ "no endpoint",
		  TO_WEB(),
		  { .flags = WATCH_ENDPOINTS, .endpoints = { BIT(ENDPOINT) } },
		  0 },
		{ "two conditions, one fails",
		  TO_VIP(),
		  { .flags = WATCH_ENDPOINTS | WATCH_REASONS, .endpoints = { BIT(ENDPOINT) } },
		  0 },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct watch_order o = row->order;

		o.until_ns = now_ns() + 60000000000u;
		o.epoch = 9;
		o.chance = UINT32_MAX;
		CHECK_INT(samples_of(&row->packet, &o), row->samples);
		CHECK_INT(order_read().matched, row->samples);
		if (row->samples)
			CHECK_INT(last.epoch, 9);
	}
}

TEST(a_sample_says_what_came_and_what_became_of_it)
{
	struct watch_order o = { .until_ns = now_ns() + 60000000000u, .chance = UINT32_MAX };
	struct packet packet = TO_VIP(.flags = SYN, .vlan_tags = 1);

	NEED_PROGRAM;
	CHECK_INT(samples_of(&packet, &o), 1);
	CHECK_INT(last.action, XDP_TX);
	CHECK_INT(last.why, COUNT_FORWARDED);
	CHECK_INT(last.ifindex, RUN_IFINDEX);
	CHECK_INT(last.out_ifindex, RUN_IFINDEX);
	CHECK_INT(last.vip, VIP_TALLY_L4(RING));
	CHECK_INT(last.endpoint, ENDPOINT);
	CHECK_INT(last.next_hop, HOP);
	CHECK_INT(last.bytes, 14 + 4 + 40);
	CHECK_INT(last.l3_bytes, 40);
	CHECK_INT(last.vlan_tags, 1);
	CHECK_INT(last.tcp_flags, SYN);
	CHECK_INT(ntohs(last.flow.sport), 4000);
	CHECK_INT(ntohs(last.flow.dport), L4_PORT);
	CHECK(last.time_ns <= now_ns());
}

TEST(an_order_that_nobody_renews_ends_by_itself)
{
	struct watch_order o = { .until_ns = now_ns() - 1, .chance = UINT32_MAX };
	struct packet packet = TO_VIP();

	NEED_PROGRAM;
	CHECK_INT(samples_of(&packet, &o), 0);
	CHECK_INT(order_read().until_ns, 0);
}

TEST(what_the_ring_buffer_has_no_room_for_is_lost_and_counted)
{
	struct watch_order o = { .until_ns = now_ns() + 60000000000u, .chance = UINT32_MAX };
	const uint32_t many = SAMPLES_BYTES / sizeof(struct sample) + 10;
	struct packet packet = TO_VIP();
	uint32_t zero = 0;

	NEED_PROGRAM;
	program_set(x->maps.shunt_watch, &zero, &o);
	for (uint32_t i = 0; i < many; i++)
		CHECK_INT(program_run(&packet).fate, XDP_TX);
	samples = 0;
	ring_buffer__consume(ring);
	CHECK(samples > 0 && samples < (int)many);
	CHECK_INT(order_read().lost, many - (uint32_t)samples);
	CHECK_INT(order_read().matched, many);
}

/* The mark in front of it, as `shuntctl explain` puts it there. */
static int explain(const struct packet *packet, uint64_t magic, struct sample *out)
{
	struct explain_mark mark = { .magic = magic, .cookie = 77 };
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len = packet_build(packet, frame);
	struct sample none = { 0 };
	struct outcome got;
	uint32_t zero = 0;

	program_set(x->maps.shunt_explained, &zero, &none);
	got = program_run_marked(frame, len, &mark);
	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_explained), &zero, out), 0);
	return got.fate;
}

TEST(an_explained_packet_takes_the_same_way_and_leaves_nothing_behind)
{
	static const struct {
		const char *name;
		struct packet packet;
		int fate;
		enum counter why;
	} rows[] = {
		{ "forwarded", TO_VIP(.flags = SYN, .sport = 4900), XDP_TX, COUNT_FORWARDED },
		/* Were the SYN remembered, this would be counted as known. */
		{ "after it", TO_VIP(.sport = 4900), XDP_TX, COUNT_FORWARDED },
		{ "to the stack", TO_WEB(.flags = SYN), XDP_PASS, COUNT_TO_STACK },
		{ "dropped", TO_VIP(.flags = SYN | 1), XDP_DROP, COUNT_BAD_FLAGS },
	};
	struct watch_order o = { .until_ns = now_ns() + 60000000000u, .chance = UINT32_MAX };

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct counters before = program_counters(), after;
		struct tally e = endpoint_tally();
		uint32_t zero = 0;
		struct sample got;

		program_set(x->maps.shunt_watch, &zero, &o);
		samples = 0;
		CHECK_INT(explain(&row->packet, EXPLAIN_MAGIC, &got), row->fate);
		ring_buffer__consume(ring);
		after = program_counters();
		CHECK_INT(memcmp(&before, &after, sizeof(after)), 0);
		CHECK_INT(endpoint_tally().packets, e.packets);
		CHECK_INT(samples, 0);
		CHECK_INT(got.epoch, 77);
		CHECK_INT(got.why, row->why);
		CHECK_INT(got.action, row->fate);
	}
}

TEST(metadata_of_somebody_else_does_not_hide_a_packet)
{
	struct packet packet = TO_WEB(.flags = SYN);
	struct counters before;
	struct sample got;

	NEED_PROGRAM;
	before = program_counters();
	CHECK_INT(explain(&packet, EXPLAIN_MAGIC + 1, &got), XDP_PASS);
	check_only_counted(&before, COUNT_TO_STACK);
	CHECK_INT(got.epoch, 0);
}

TEST(an_explained_packet_of_a_splice_only_names_it)
{
	struct packet rst = TO_WEB(.flags = 4, .sport = 4950);
	struct splice sp = { .state = SPLICE_SPLICED, .generation = 3 }, after;
	struct flow_key key = { .sport = htons(4950),
				.dport = htons(WEB_PORT),
				.proto = IPPROTO_TCP };
	uint32_t index = 12;
	struct sample got;

	NEED_PROGRAM;
	v4_into(key.src, CLIENT);
	v4_into(key.dst, WEB);
	program_set(x->maps.shunt_splices, &index, &sp);
	maps_splice(program_maps(), &key, 0, 12, 3);
	explain(&rst, EXPLAIN_MAGIC, &got);
	CHECK_INT(got.splice, 12);
	CHECK_INT(got.why, COUNT_SPLICED);
	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_splices), &index, &after), 0);
	CHECK_INT(memcmp(&sp, &after, sizeof(sp)), 0);
	maps_splice_remove(program_maps(), &key, 12, 3);
}
