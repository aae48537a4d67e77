#include "tests/harness/ingress_lab.h"

#include <arpa/inet.h>

#include "tests/harness/test.h"

struct xdp_ingress *x;

void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
		return;
	}
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

void add_vip(const char *ip, uint16_t port, uint8_t proto, uint32_t kind)
{
	struct vip_key key = { .port = htons(port), .proto = proto };

	ip_into(key.addr, ip);
	maps_vip(program_maps(), &key, kind, RING);
	maps_addr(program_maps(), key.addr, kind == VIP_L4 ? ADDR_ANSWER : ADDR_STACK);
}

void add_endpoint(uint32_t id, uint32_t hop, uint32_t generation, uint32_t flags)
{
	struct endpoint_entry e = { .generation = generation,
				    .next_hop = hop,
				    .vni = VNI,
				    .inner_dst = { 2, 0, 0, 0, 0, 4 },
				    .inner_src = { 2, 0x73, 0x68, 0x75, 0x6e, 0 },
				    .flags = flags };

	ip_into(e.vtep, HOST);
	program_set(x->maps.shunt_endpoints, &id, &e);
}

void add_hop(uint32_t index, uint32_t ifindex, bool ready, uint16_t mtu)
{
	struct next_hop hop = { .ifindex = ifindex,
				.ready = ready,
				.mtu = mtu,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };

	program_set(x->maps.shunt_next_hops, &index, &hop);
}

static void ring_is(uint32_t endpoint, bool fresh)
{
	uint32_t slots[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		slots[i] = endpoint;
	maps_ring(program_maps(), RING, slots, SLOTS, fresh);
}

void ring_of(uint32_t endpoint)
{
	ring_is(endpoint, true);
}

void ring_changes_to(uint32_t endpoint)
{
	ring_is(endpoint, false);
}

bool ingress_lab(void)
{
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };
	struct vtep_key vtep = { .vni = VNI };
	uint8_t one = 1;

	x = program_load();
	if (!x)
		return false;
	ip_into(s.tunnel, TUNNEL);
	ip_into(vtep.addr, HOST);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.tunnel, ADDR_TUNNEL);
	program_set(x->maps.shunt_vteps, &vtep, &one);
	add_vip(VIP, L4_PORT, IPPROTO_TCP, VIP_L4);
	add_vip(VIP, 53, IPPROTO_UDP, VIP_L4);
	add_vip(VIP6, L4_PORT, IPPROTO_TCP, VIP_L4);
	add_vip(WEB, WEB_PORT, IPPROTO_TCP, VIP_L7);
	add_hop(HOP_BACK, RUN_IFINDEX, true, 1500);
	add_hop(HOP_OTHER, 999, true, 1500);
	add_hop(HOP_UNREADY, RUN_IFINDEX, false, 1500);
	add_hop(HOP_SMALL, RUN_IFINDEX, true, 80);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED);
	add_endpoint(2, HOP_OTHER, 1, ENDPOINT_USED);
	ring_of(1);
	return true;
}
