/* forward: dsr: the packet goes to the endpoint as it is, but for MACs and TTL. Byte for byte. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

BOTH_TWINS

enum { OTHER_DEVICE = 999 };

/* The endpoint's own hop, or one via a router. */
static void hop(const char *via, uint32_t ifindex, uint16_t vlan, uint16_t mtu)
{
	struct next_hop h = { .ifindex = ifindex,
			      .ready = 1,
			      .vlan = vlan,
			      .mtu = mtu,
			      .dst_mac = { 2, 0, 0, 0, 0, 9 },
			      .src_mac = { 2, 0, 0, 0, 0, 8 } };
	uint32_t index = L4_HOP_FIRST;

	l4_ip(h.via, via);
	program_set(program_load()->maps.shunt_next_hops, &index, &h);
}

/* What must come out: the same packet a hop further, between other MACs, with these tags. */
static size_t expected(const struct packet *in, uint16_t vlan, uint8_t *want)
{
	struct packet out = *in;
	size_t len;

	out.ttl = (uint8_t)((in->ttl ? in->ttl : 64) - 1);
	out.vlan_tags = vlan ? 1 : 0;
	len = packet_build(&out, want);
	memcpy(want, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 }, 12);
	if (vlan)
		memcpy(want + ETH_HLEN, &(uint16_t){ htons(vlan) }, sizeof(vlan));
	return len;
}

static void goes_direct(const char *name, const struct packet *in, uint32_t ifindex, uint16_t vlan)
{
	struct counters before = program_counters();
	uint8_t want[PACKET_BYTES_MAX];
	struct outcome got;
	size_t len;

	test_row(name);
	hop(L4_HOST, ifindex, vlan, 1500);
	got = program_run(in);
	CHECK_INT(got.fate, ifindex == RUN_IFINDEX ? XDP_TX : XDP_REDIRECT);
	check_only_counted(&before, COUNT_FORWARDED);
	len = expected(in, vlan, want);
	CHECK_BYTES(got.bytes, got.len, want, len);
}

TEST(a_packet_to_an_endpoint_on_our_link_changes_nothing_but_macs_and_ttl)
{
	static const uint8_t mss[] = { 2, 4, 0x05, 0xb4 };
	const struct packet rows[] = {
		L4_DATA(.sport = 4000, .payload = "hello"),
		L4_DATA(.sport = 4000, .flags = 2, .tcp_options = mss, .tcp_options_len = 4),
		L4_DATA(.sport = 4000, .ttl = 2, .ip_options = 8, .payload = "odd"),
		L4_DATA6(.sport = 4000, .payload = "hello"),
		L4_DATA6(.sport = 4000, .hop_headers = 2, .payload = "x"),
		UDP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 9, .dport = 53, .payload = "q"),
		UDP4(.src = L4_CLIENT6, .dst = L4_VIP6, .sport = 9, .dport = 53, .payload = "q"),
		L4_DATA(.sport = 4000, .vlan_tags = 1, .payload = "tag goes"),
		L4_DATA(.sport = 4000, .vlan_tags = 2, .payload = "both go"),
	};

	NEED_L4_MAPS;
	maps_flag(program_maps(), L4_RING, VIP_DSR);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		goes_direct("back", &rows[i], RUN_IFINDEX, 0);
		goes_direct("another device", &rows[i], OTHER_DEVICE, 0);
		goes_direct("a tag", &rows[i], RUN_IFINDEX, 77);
	}
}

TEST(what_cannot_reach_its_endpoint_directly_is_dropped_for_a_reason)
{
	struct packet data = L4_DATA(.sport = 4000, .payload = "hello");
	struct packet last = L4_DATA(.sport = 4000, .ttl = 1);
	struct counters before;

	NEED_L4_MAPS;
	maps_flag(program_maps(), L4_RING, VIP_DSR);
	hop("192.0.2.1", RUN_IFINDEX, 0, 1500); /* a router would bring it back */
	before = program_counters();
	CHECK_INT(program_run(&data).fate, XDP_DROP);
	check_only_counted(&before, COUNT_NOT_NEAR);
	hop(L4_HOST, RUN_IFINDEX, 0, 1500);
	before = program_counters();
	CHECK_INT(program_run(&last).fate, XDP_TX);
	check_only_counted(&before, COUNT_TTL_TOLD);
	hop(L4_HOST, RUN_IFINDEX, 0, 0);
	before = program_counters();
	CHECK_INT(program_run(&data).fate, XDP_DROP); /* there is no size to be told */
	check_only_counted(&before, COUNT_TOO_BIG);
}
