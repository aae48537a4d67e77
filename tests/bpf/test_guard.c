/* Lists and rates of sources: what shuntd makes of a configuration, as xdp_ingress judges by it. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/abi/guard.h"
#include "bpf/abi/sizes.h"
#include "userspace/dataplane/guard_sync.h"

BOTH_TWINS

#define CONFIG(node, vip)                                                                          \
	"node: { tunnel_address: 192.0.2.10, guard: " node " }\n"                                  \
	"upstreams: { u: { endpoints: [ { address: \"192.0.3.21:8000\" } ] } }\n"                  \
	"vips: [ { name: v, addresses: [203.0.113.53, \"2001:db8:53::53\"], guard: " vip           \
	", listeners: [ { port: 8000, protocol: tcp, upstream: u, forward: vxlan } ] } ]\n"

static struct guard_entry *guards;
static struct xdp_ingress *owner; /* of them */

static struct guard_entry *guards_mapped(void)
{
	size_t bytes = 2 * GUARDS_MAX * sizeof(struct guard_entry);

	if (owner != program_load())
		guards = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(program_load()->maps.shunt_guards), 0);
	CHECK(guards != MAP_FAILED);
	owner = program_load();
	return guards;
}

static void forget_sources(void)
{
	static const struct guard_line none;

	for (uint32_t i = 0; i < GUARD_LINES; i++)
		program_set(program_load()->maps.shunt_guard_sources, &i, &none);
}

/* Both halves, since any change of a test's other tables may turn them. */
static void configure(const char *text)
{
	struct pinned maps = { 0 };
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", text, strlen(text), &findings);
	struct err err = { 0 };

	CHECK_STR(findings.list[0].text, "");
	CHECK(model != NULL);
	maps.fds[PINNED_GUARD_NETS] = bpf_map__fd(program_load()->maps.shunt_guard_nets);
	for (uint32_t half = 0; half < 2; half++)
		if (!guard_sync_stage(&maps, guards_mapped(), half, model, &err))
			test_fail(__FILE__, __LINE__, "%s", err.text);
	for (uint32_t i = 0; i < model->vips[0].address_count; i++)
		maps_guard(program_maps(), model->vips[0].addresses[i].ip,
			   guard_sync_of(model, 0, &model->vips[0]));
	model_destroy(model);
	forget_sources();
}

#define DENY_CLIENT "{ deny: [198.51.100.0/24, \"2001:db8:1::/48\"] }"

TEST(lists_decide_who_may_send)
{
	static const struct {
		const char *name, *config;
		struct packet packet;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "no guard", CONFIG("{}", "{}"), L4_DATA(), XDP_TX, COUNT_FORWARDED },
		{ "denied by the vip", CONFIG("{}", DENY_CLIENT), L4_DATA(), XDP_DROP,
		  COUNT_GUARD_DENIED },
		{ "denied by the vip, IPv6", CONFIG("{}", DENY_CLIENT), L4_DATA6(), XDP_DROP,
		  COUNT_GUARD_DENIED },
		{ "denied by the node", CONFIG(DENY_CLIENT, "{}"), L4_DATA(), XDP_DROP,
		  COUNT_GUARD_DENIED },
		{ "by the node, where the vip allows it",
		  CONFIG(DENY_CLIENT, "{ allow: [198.51.100.2] }"), L4_DATA(), XDP_DROP,
		  COUNT_GUARD_DENIED },
		{ "by the node, where the vip's is off", CONFIG(DENY_CLIENT, "{ mode: off }"),
		  L4_DATA(), XDP_DROP, COUNT_GUARD_DENIED },
		{ "off", CONFIG("{ mode: off, deny: [0.0.0.0/0] }", "{}"), L4_DATA(), XDP_TX,
		  COUNT_FORWARDED },
		{ "others are denied", CONFIG("{}", "{ deny: [198.51.101.0/24] }"), L4_DATA(),
		  XDP_TX, COUNT_FORWARDED },
		{ "allowed alone", CONFIG("{}", "{ allow: [198.51.100.2] }"), L4_DATA(), XDP_TX,
		  COUNT_FORWARDED },
		{ "others alone are allowed", CONFIG("{}", "{ allow: [198.51.100.3] }"), L4_DATA(),
		  XDP_DROP, COUNT_GUARD_DENIED },
		{ "all of IPv6 has no IPv4", CONFIG("{}", "{ allow: [\"::/0\"] }"), L4_DATA(),
		  XDP_DROP, COUNT_GUARD_DENIED },
		{ "all of IPv6", CONFIG("{}", "{ allow: [\"::/0\"] }"), L4_DATA6(), XDP_TX,
		  COUNT_FORWARDED },
		{ "all of IPv6 denied, not IPv4", CONFIG("{}", "{ deny: [\"::/0\"] }"), L4_DATA(),
		  XDP_TX, COUNT_FORWARDED },
		{ "the longer prefix allows",
		  CONFIG("{}", "{ deny: [198.51.0.0/16], allow: [198.51.100.0/24] }"), L4_DATA(),
		  XDP_TX, COUNT_FORWARDED },
		{ "the longer prefix denies",
		  CONFIG("{}", "{ allow: [198.51.0.0/16], deny: [198.51.100.2] }"), L4_DATA(),
		  XDP_DROP, COUNT_GUARD_DENIED },
		{ "a port without listener", CONFIG("{}", DENY_CLIENT),
		  TCP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = 9), XDP_DROP, COUNT_GUARD_DENIED },
		{ "a later fragment", CONFIG("{}", DENY_CLIENT), L4_DATA(.fragment = 100, .id = 77),
		  XDP_DROP, COUNT_GUARD_DENIED },
		{ "what is broken", CONFIG("{}", DENY_CLIENT), L4_DATA(.checksum_lie = 1), XDP_DROP,
		  COUNT_GUARD_DENIED },
		{ "another vip", CONFIG("{}", DENY_CLIENT),
		  TCP4(.src = L4_CLIENT, .dst = "192.0.2.99", .dport = 80), XDP_PASS,
		  COUNT_NOT_OURS },
	};

	NEED_L4_MAPS;
	FOR_ROWS (row, rows) {
		struct counters before;

		configure(row->config);
		before = program_counters();
		CHECK_INT(program_run(&row->packet).fate, row->fate);
		check_only_counted(&before, row->counted);
	}
	configure(CONFIG("{}", "{}"));
}

TEST(where_the_node_has_connections_of_its_own_only_listeners_are_guarded)
{
	NEED_L4_MAPS;
	configure(CONFIG("{}", DENY_CLIENT));
	l4_addr(L4_VIP, ADDR_ANSWER | ADDR_OWN);
	CHECK_INT(program_run(&L4_DATA()).fate, XDP_DROP);
	CHECK_INT(program_run(&TCP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = 30000)).fate,
		  XDP_PASS);
	l4_addr(L4_VIP, ADDR_ANSWER);
	configure(CONFIG("{}", "{}"));
}

TEST(what_is_only_observed_passes_and_is_counted_beside)
{
	struct counters before, now;

	NEED_L4_MAPS;
	configure(CONFIG("{}", "{ mode: observe, deny: [198.51.100.2] }"));
	before = program_counters();
	CHECK_INT(program_run(&L4_DATA()).fate, XDP_TX);
	now = program_counters();
	CHECK_INT(now.n[COUNT_GUARD_DENIED_SEEN] - before.n[COUNT_GUARD_DENIED_SEEN], 1);
	CHECK_INT(now.n[COUNT_FORWARDED] - before.n[COUNT_FORWARDED], 1);
	CHECK_INT(now.n[COUNT_GUARD_DENIED] - before.n[COUNT_GUARD_DENIED], 0);
	configure(CONFIG("{}", "{}"));
}

/* No time passes that counts: a packet is worth hours, five may come at once. */
static void slow_down(void)
{
	for (uint32_t i = 0; i < 2 * GUARDS_MAX; i++) {
		const struct guard_rate slow = { 1ull << 48, 5ull << 48 };

		guards_mapped()[i].packets = guards_mapped()[i].flows = slow;
	}
}

/* So many of a packet pass; then one does not. */
static void passes(const struct packet *packet, int fate, uint32_t times, enum counter counted)
{
	struct counters before;

	for (uint32_t i = 0; i < times; i++)
		CHECK_INT(program_run(packet).fate, fate);
	before = program_counters();
	CHECK_INT(program_run(packet).fate, XDP_DROP);
	check_only_counted(&before, counted);
}

TEST(a_source_gets_its_burst_and_others_theirs)
{
	const struct packet data = L4_DATA(),
			    other = TCP4(.src = "198.51.100.3", .dst = L4_VIP, .dport = L4_PORT),
			    data6 = L4_DATA6(),
			    same_net =
				    TCP4(.src = "2001:db8:1::99", .dst = L4_VIP6, .dport = L4_PORT),
			    other_net = TCP4(.src = "2001:db8:1:1::2", .dst = L4_VIP6,
					     .dport = L4_PORT);

	NEED_L4_MAPS;
	configure(CONFIG("{}", "{ packets_per_source: 1 }"));
	slow_down();
	passes(&data, XDP_TX, 5, COUNT_GUARD_PACKETS);
	passes(&data, XDP_TX, 0, COUNT_GUARD_PACKETS);
	passes(&other, XDP_TX, 5, COUNT_GUARD_PACKETS);
	passes(&data6, XDP_TX, 5, COUNT_GUARD_PACKETS);
	passes(&same_net, XDP_TX, 0, COUNT_GUARD_PACKETS);
	passes(&other_net, XDP_TX, 5, COUNT_GUARD_PACKETS);
	configure(CONFIG("{}", "{}"));
}

TEST(connections_have_a_rate_of_their_own)
{
	const struct packet syn = L4_DATA(.flags = 2), data = L4_DATA(),
			    answer = L4_DATA(.flags = 18);

	NEED_L4_MAPS;
	configure(CONFIG("{ flows_per_source: 1 }", "{}"));
	slow_down();
	passes(&syn, XDP_TX, 5, COUNT_GUARD_FLOWS);
	CHECK_INT(program_run(&data).fate, XDP_TX);
	CHECK_INT(program_run(&answer).fate, XDP_TX);
	configure(CONFIG("{ flows_per_source: 1 }", "{ flows_per_source: 1 }"));
	slow_down();
	passes(&syn, XDP_TX, 5, COUNT_GUARD_FLOWS); /* each its own account */
	configure(CONFIG("{}", "{}"));
}

/* As if so much time had gone by for all. */
static void let_earn(uint64_t parts)
{
	struct bpf_map *map = program_load()->maps.shunt_guard_sources;

	for (uint32_t i = 0; i < GUARD_LINES; i++) {
		struct guard_line line;

		CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(map), &i, &line), 0);
		for (int k = 0; k < GUARD_WAYS; k++)
			line.ways[k].earned -=
				parts < line.ways[k].earned ? parts : line.ways[k].earned;
		program_set(map, &i, &line);
	}
}

TEST(what_was_earned_may_be_sent)
{
	const struct packet data = L4_DATA();

	NEED_L4_MAPS;
	configure(CONFIG("{}", "{ packets_per_source: 1 }"));
	slow_down();
	passes(&data, XDP_TX, 5, COUNT_GUARD_PACKETS);
	let_earn(2ull << 48);
	passes(&data, XDP_TX, 2, COUNT_GUARD_PACKETS);
	let_earn(100ull << 48); /* no more than a burst, however long it rests */
	passes(&data, XDP_TX, 5, COUNT_GUARD_PACKETS);
	configure(CONFIG("{}", "{}"));
}

TEST(a_flood_of_sources_forgives_nobody_who_is_in_debt)
{
	const struct packet data = L4_DATA();
	char from[32];

	NEED_L4_MAPS;
	configure(CONFIG("{}", "{ packets_per_source: 1 }"));
	slow_down();
	passes(&data, XDP_TX, 5, COUNT_GUARD_PACKETS);
	for (int i = 0; i < 200000; i++) {
		snprintf(from, sizeof(from), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		CHECK_INT(program_run(&TCP4(.src = from, .dst = L4_VIP, .dport = L4_PORT)).fate,
			  XDP_TX);
	}
	passes(&data, XDP_TX, 0, COUNT_GUARD_PACKETS);
	configure(CONFIG("{}", "{}"));
}

TEST(a_rate_is_exact_in_parts_of_a_jiffy)
{
	static const struct {
		const char *name;
		uint32_t per_second, burst, hz;
		uint64_t interval, ahead;
	} rows[] = {
		{ "one a second", 1, 1, 250, 250ull << 20, 251ull << 20 },
		{ "as many as jiffies", 250, 500, 250, 1ull << 20, 500ull << 20 },
		{ "fast", 10000000, 10000000, 1000, 105, 1050000000 },
		{ "a burst that is too small", 10000000, 1, 1000, 105, 105 + (1 << 20) },
	};

	FOR_ROWS (row, rows) {
		struct guard_rate rate = guard_rate_of(row->per_second, row->burst, row->hz);

		CHECK_INT(rate.interval, row->interval);
		CHECK_INT(rate.ahead, row->ahead);
	}
}
