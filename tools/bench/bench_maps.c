#include "tools/bench/bench_maps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/sizes.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "tests/harness/maps.h"
#include "tools/bench/bench_frames.h"
#include "userspace/base/must.h"

enum {
	RING = 1,
	RING_CHANGING = 2,
	HOP = 1,
	ENDPOINT = 1,
	OTHER_ENDPOINT = 2,
	SLOT = 3,
	SLOT6 = 4,
	IFINDEX = 1,
	GENERATION = 1
};

static struct maps *maps;

static void set(struct bpf_map *map, const void *key, const void *value)
{
	MUST(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) == 0);
}

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
		return;
	}
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static void add_vip(const char *ip, uint16_t port, uint32_t kind, uint32_t ring)
{
	struct vip_key key = { .port = htons(port), .proto = IPPROTO_TCP };

	ip_into(key.addr, ip);
	maps_vip(maps, &key, kind, ring);
}

/* Of one endpoint. changes: every slot had another one before, as after a change of everything. */
static void add_ring(uint32_t index, bool changes)
{
	uint32_t *ids = must_alloc(RING_SLOTS_DEFAULT * sizeof(*ids));

	for (uint32_t i = 0; i < RING_SLOTS_DEFAULT; i++)
		ids[i] = changes ? OTHER_ENDPOINT : ENDPOINT;
	maps_ring(maps, index, ids, RING_SLOTS_DEFAULT, true);
	for (uint32_t i = 0; i < RING_SLOTS_DEFAULT; i++)
		ids[i] = ENDPOINT;
	maps_ring(maps, index, ids, RING_SLOTS_DEFAULT, false);
	free(ids);
}

static void add_tunnel(struct xdp_ingress *x)
{
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };
	struct next_hop hop = { .ifindex = IFINDEX, .ready = 1, .mtu = 1500 };
	struct endpoint_entry e = {
		.generation = GENERATION, .next_hop = HOP, .vni = BENCH_VNI, .flags = ENDPOINT_USED
	};
	struct vtep_key vtep = { .vni = BENCH_VNI };
	uint32_t index = HOP, id = ENDPOINT, other = OTHER_ENDPOINT;
	uint8_t one = 1;

	ip_into(s.tunnel, BENCH_TUNNEL);
	ip_into(e.vtep, BENCH_HOST);
	ip_into(vtep.addr, BENCH_HOST);
	maps_settings(maps, &s);
	maps_addr(maps, s.tunnel, ADDR_TUNNEL);
	set(x->maps.shunt_next_hops, &index, &hop);
	set(x->maps.shunt_endpoints, &id, &e);
	set(x->maps.shunt_endpoints, &other, &e);
	set(x->maps.shunt_vteps, &vtep, &one);
}

static void add_splice(struct xdp_ingress *x, uint32_t slot, const char *client, const char *vip,
		       const char *self, const char *endpoint)
{
	struct splice sp = { .state = SPLICE_SPLICED,
			     .generation = GENERATION,
			     .flags = SPLICE_TIMESTAMPS };
	struct flow_key key = { .sport = htons(4000),
				.dport = htons(BENCH_SPLICE_PORT),
				.proto = IPPROTO_TCP };
	struct splice_dir *to = &sp.dir[0];

	ip_into(key.src, client);
	ip_into(key.dst, vip);
	to->out = (struct flow_key){ .sport = htons(20000),
				     .dport = htons(80),
				     .proto = IPPROTO_TCP };
	ip_into(to->out.src, self);
	ip_into(to->out.dst, endpoint);
	to->next_hop = sp.dir[1].next_hop = HOP;
	to->seq_delta = 0x1000;
	to->ack_delta = 0x7000;
	to->floor = to->krcv = to->max_seq = 1000;
	to->drain = to->max_ack = 2000;
	sp.dir[1].floor = sp.dir[1].krcv = sp.dir[1].max_seq = 2000 + 0x7000;
	sp.dir[1].drain = sp.dir[1].max_ack = 1000 + 0x1000;
	to->window = sp.dir[1].window = 0xffff;
	set(x->maps.shunt_splices, &slot, &sp);
	maps_splice(maps, &key, 0, slot, GENERATION);
}

struct xdp_ingress *bench_maps_load(void)
{
	struct xdp_ingress *x = xdp_ingress__open();
	struct bpf_map *map;

	bpf_object__for_each_map(map, x->obj)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	if (xdp_ingress__load(x)) {
		xdp_ingress__destroy(x);
		return NULL;
	}
	maps = maps_open(x->maps.shunt_settings, x->maps.shunt_addrs, x->maps.shunt_vips,
			 x->maps.shunt_ring_lines, x->maps.shunt_flows);
	add_tunnel(x);
	add_ring(RING, false);
	add_ring(RING_CHANGING, true);
	add_vip(BENCH_VIP, BENCH_L4_PORT, VIP_L4, RING);
	add_vip(BENCH_VIP6, BENCH_L4_PORT, VIP_L4, RING);
	add_vip(BENCH_VIP, BENCH_CHANGING_PORT, VIP_L4, RING_CHANGING);
	add_vip(BENCH_VIP, BENCH_L7_PORT, VIP_L7, RING);
	add_vip(BENCH_VIP, BENCH_SPLICE_PORT, VIP_L7, RING);
	add_vip(BENCH_VIP6, BENCH_SPLICE_PORT, VIP_L7, RING);
	maps_commit(maps);
	add_splice(x, SLOT, BENCH_CLIENT, BENCH_VIP, BENCH_TUNNEL, BENCH_ENDPOINT);
	add_splice(x, SLOT6, BENCH_CLIENT6, BENCH_VIP6, "2001:db8:2::10", "2001:db8:a::2");
	return x;
}
