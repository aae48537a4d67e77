/* Tags and other devices: what comes by one way and leaves by another. */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

#define CLIENT "198.51.100.2"
#define VIP    "203.0.113.53"

enum {
	SYN = 2,
	PORT = 8000,
	RING = 5,
	ENDPOINT = 90,
	HOP = 7,
	SLOTS = 3,
	OTHER_DEVICE = 999,
	VNI = 5
};

static struct xdp_ingress *x;

static void v4_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

/* One vip, one endpoint, behind this hop. */
static bool setup(uint32_t ifindex, uint16_t vlan)
{
	struct endpoint_entry e = {
		.generation = 1, .next_hop = HOP, .vni = VNI, .flags = ENDPOINT_USED
	};
	struct next_hop hop = { .ifindex = ifindex,
				.ready = 1,
				.mtu = 1500,
				.vlan = vlan,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };
	struct vip_key key = { .port = htons(PORT), .proto = IPPROTO_TCP };
	uint32_t id = ENDPOINT, index = HOP, slots[SLOTS] = { id, id, id };

	x = program_load();
	if (!x)
		return false;
	v4_into(s.tunnel, "192.0.2.10");
	v4_into(e.vtep, "192.0.3.21");
	v4_into(key.addr, VIP);
	maps_settings(program_maps(), &s);
	program_set(x->maps.shunt_next_hops, &index, &hop);
	program_set(x->maps.shunt_endpoints, &id, &e);
	maps_ring(program_maps(), RING, slots, SLOTS, true);
	maps_vip(program_maps(), &key, VIP_L4, RING);
	return true;
}

TEST(a_packet_leaves_by_the_device_and_with_the_tag_of_its_next_hop)
{
	static const struct {
		const char *name;
		uint8_t tags_in;
		uint32_t ifindex;
		uint16_t vlan;
		int fate;
	} rows[] = {
		{ "untagged, back", 0, RUN_IFINDEX, 0, XDP_TX },
		{ "untagged, to another device", 0, OTHER_DEVICE, 0, XDP_REDIRECT },
		{ "from the trunk to the trunk, another tag", 1, RUN_IFINDEX, 12, XDP_TX },
		{ "from the trunk to another device, no tag", 1, OTHER_DEVICE, 0, XDP_REDIRECT },
		{ "from two tags to one", 2, RUN_IFINDEX, 12, XDP_TX },
		{ "untagged, to another trunk", 0, OTHER_DEVICE, 4094, XDP_REDIRECT },
	};

	FOR_ROWS (row, rows) {
		struct packet syn = TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = PORT,
					 .flags = SYN, .vlan_tags = row->tags_in);
		size_t head = ETH_HLEN + (row->vlan ? 4 : 0);
		uint8_t first[14 + 4] = { 2,
					  0,
					  0,
					  0,
					  0,
					  9,
					  2,
					  0,
					  0,
					  0,
					  0,
					  8,
					  0x81,
					  0,
					  (uint8_t)(row->vlan >> 8),
					  (uint8_t)row->vlan,
					  8,
					  0 };
		struct outcome got;

		if (!setup(row->ifindex, row->vlan))
			TEST_SKIP("loading BPF programs needs root");
		if (!row->vlan)
			memcpy(first + 12, first + 16, 2);
		got = program_run(&syn);
		CHECK_INT(got.fate, row->fate);
		CHECK_BYTES(got.bytes, head, first, head);
		CHECK_INT(got.len, head + 20 + 8 + 8 + ETH_HLEN + 40);
	}
}
