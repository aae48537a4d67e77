#include "tests/harness/l4_maps.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { SLOTS = 7, VNI = 5001 };

void l4_ip(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
		return;
	}
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

void l4_addr(const char *ip, uint32_t flags)
{
	__be32 addr[4];

	l4_ip(addr, ip);
	maps_addr(program_maps(), addr, flags);
}

static void add_vip(const char *ip, uint16_t port, uint8_t proto)
{
	struct vip_key key = { .port = htons(port), .proto = proto };

	l4_ip(key.addr, ip);
	maps_vip(program_maps(), &key, VIP_L4, L4_RING);
	l4_addr(ip, ADDR_ANSWER);
}

void l4_hop(uint32_t index, uint32_t ifindex, uint16_t mtu)
{
	struct next_hop hop = { .ifindex = ifindex,
				.ready = 1,
				.mtu = mtu,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };

	program_set(program_load()->maps.shunt_next_hops, &index, &hop);
}

static void add_endpoint(uint32_t id, uint32_t hop)
{
	struct endpoint_entry e = { .generation = 1,
				    .next_hop = hop,
				    .vni = VNI,
				    .inner_dst = { 2, 0, 0, 0, 0, 4 },
				    .inner_src = { 2, 0x73, 0x68, 0x75, 0x6e, 0 },
				    .flags = ENDPOINT_USED };

	l4_ip(e.vtep, L4_HOST);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
}

static void ring_of(uint32_t endpoint, bool fresh)
{
	uint32_t slots[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		slots[i] = endpoint;
	maps_ring(program_maps(), L4_RING, slots, SLOTS, fresh);
}

void l4_ring(uint32_t endpoint)
{
	ring_of(endpoint, false);
}

void l4_tell_again(void)
{
	uint64_t none[1024] = { 0 }; /* of each CPU */
	uint32_t zero = 0;

	program_set(program_load()->maps.shunt_told, &zero, none);
}

bool l4_maps(void)
{
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };

	if (!program_load())
		return false;
	l4_tell_again();
	l4_ip(s.tunnel, L4_TUNNEL);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.tunnel, ADDR_TUNNEL);
	add_vip(L4_VIP, L4_PORT, IPPROTO_TCP);
	add_vip(L4_VIP, 53, IPPROTO_UDP);
	add_vip(L4_VIP6, L4_PORT, IPPROTO_TCP);
	add_vip(L4_VIP6, 53, IPPROTO_UDP);
	l4_hop(L4_HOP_FIRST, RUN_IFINDEX, 1500);
	l4_hop(L4_HOP_OTHER, 999, 1500);
	add_endpoint(L4_FIRST, L4_HOP_FIRST);
	add_endpoint(L4_OTHER, L4_HOP_OTHER);
	ring_of(L4_FIRST, true);
	return true;
}
