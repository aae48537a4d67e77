/* Maps by configuration: small where nothing is needed, with room where rows may come. */
#include "bpf/abi/flow.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/map_plan.h"

#define NODE "node: { devices: [eth0], tunnel_address: 192.0.2.1, source_addresses: [192.0.2.1]"
#define UPSTREAM                                                                                   \
	"upstreams: { u: { endpoints: [ { address: \"10.0.0.1:80\" }, { address: \"10.0.0.2:80\" " \
	"} ] } }\n"
#define VIP(listener)                                                                              \
	"vips: [ { name: v, addresses: [203.0.113.1], listeners: [ { port: 80, " listener          \
	" } ] } ]\n" UPSTREAM

static const struct {
	const char *name, *text;
	uint32_t flows, splices, ring_lines, guard_lines;
} rows[] = {
	{ "nothing", NODE " }\n", FLOW_BUCKETS_LEAST, SPLICES_LEAST, RING_LINES_LEAST,
	  GUARD_LINES_LEAST },
	{ "a listener of packets", NODE " }\n" VIP("protocol: udp, upstream: u, forward: vxlan"),
	  FLOW_BUCKETS, SPLICES_LEAST, RING_LINES_LEAST, GUARD_LINES_LEAST },
	{ "one that splices", NODE " }\n" VIP("protocol: tcp-proxy, upstream: u"), SPLICES_MAX,
	  SPLICES_MAX, RING_LINES_LEAST, GUARD_LINES_LEAST },
	{ "one that never does", NODE " }\n" VIP("protocol: tcp-proxy, upstream: u, splice: off"),
	  FLOW_BUCKETS_LEAST, SPLICES_LEAST, RING_LINES_LEAST, GUARD_LINES_LEAST },
	{ "a million flows", NODE ", flows: 1000000 }\n", 1 << 18, SPLICES_LEAST, RING_LINES_LEAST,
	  GUARD_LINES_LEAST },
	{ "as many splices as given", NODE ", splices: 5000 }\n", 8192, 5000, RING_LINES_LEAST,
	  GUARD_LINES_LEAST },
	{ "a large ring",
	  NODE " }\n" VIP("protocol: udp, upstream: u, forward: vxlan, ring: 65537"), FLOW_BUCKETS,
	  SPLICES_LEAST, 4 * 2 * 2049, GUARD_LINES_LEAST },
	{ "a guard", NODE ", guard: { packets_per_source: 5 } }\n", FLOW_BUCKETS_LEAST,
	  SPLICES_LEAST, RING_LINES_LEAST, GUARD_LINES },
};

static struct model *load(const char *text)
{
	struct findings findings = { 0 };
	struct model *model = model_load_text("shunt.yaml", text, strlen(text), &findings);

	if (!model)
		fprintf(stderr, "%s\n", findings.count ? findings.list[0].text : "no finding");
	CHECK(model);
	return model;
}

TEST(maps_are_as_large_as_the_configuration_needs)
{
	FOR_ROWS (row, rows) {
		struct model *model = load(row->text);
		struct map_sizes sizes = map_plan(model, true);
		struct err err;

		CHECK_INT(sizes.of[MAP_SIZE_FLOWS], row->flows);
		CHECK_INT(sizes.of[MAP_SIZE_SPLICES], row->splices);
		CHECK_INT(sizes.of[MAP_SIZE_RING_LINES], row->ring_lines);
		CHECK_INT(sizes.of[MAP_SIZE_GUARD_LINES], row->guard_lines);
		CHECK(map_plan_is_met(model, &sizes, &err));
		CHECK(!map_plan_lacks(model, true, &sizes, &err));
		model_destroy(model);
	}
}

TEST(who_cannot_splice_gets_no_room_for_it)
{
	struct model *model = load(rows[2].text);

	CHECK_INT(map_plan(model, false).of[MAP_SIZE_SPLICES], SPLICES_LEAST);
	model_destroy(model);
}

TEST(what_is_asked_for_and_is_not_there_is_refused)
{
	struct model *small = load(rows[0].text), *large = load(rows[4].text);
	struct map_sizes there = map_plan(small, true);
	struct err err;

	CHECK(!map_plan_is_met(large, &there, &err));
	CHECK(strstr(err.text, "node.flows is 1000000, but there is room for 4096; "));
	there.of[MAP_SIZE_FLOWS] = 1000000 / FLOW_WAYS;
	CHECK(map_plan_is_met(large, &there, &err));
	there.of[MAP_SIZE_FLOWS]--;
	CHECK(!map_plan_is_met(large, &there, &err));
	model_destroy(small);
	model_destroy(large);
}
