/*
 * figures - what rings and maps cost: milliseconds to build a ring, how evenly it deals, and the
 * kernel's memory by its own account for a few configurations.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/flow.h"
#include "loader/sizing.h"
#include "sk_steer.skel.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/map_plan.h"
#include "userspace/snapshot/compile_rings.h"
#include "xdp_ingress.skel.h"

enum { ROUNDS = 7, MEMBERS_MAX = 1000, HEAVIEST = 4 };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* --- rings */

static uint64_t mixed(uint64_t n)
{
	n = (n + 1) * 0x9e3779b97f4a7c15ull;
	n = (n ^ n >> 31) * 0xbf58476d1ce4e5b9ull;
	return n ^ n >> 29;
}

struct spread {
	double above, below; /* of the member that is furthest from its share, in percent of it */
};

static struct spread spread_of(const struct ring_member *members, uint32_t count,
			       const uint32_t *slots)
{
	uint32_t has[MEMBERS_MAX] = { 0 }, weights = 0;
	struct spread spread = { 0 };

	for (uint32_t i = 0; i < RING_MAX; i++)
		has[slots[i]]++;
	for (uint32_t i = 0; i < count; i++)
		weights += members[i].weight;
	for (uint32_t i = 0; i < count; i++) {
		double share = (double)RING_MAX * members[i].weight / weights;
		double off = 100 * (has[i] / share - 1);

		spread.above = off > spread.above ? off : spread.above;
		spread.below = off < spread.below ? off : spread.below;
	}
	return spread;
}

static void print_ring(uint32_t count, uint32_t heaviest)
{
	static struct ring_member members[MEMBERS_MAX];
	static uint32_t slots[RING_MAX];
	double ms[ROUNDS];
	struct spread spread;

	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct ring_member){ mixed(i), i, 1 + i % heaviest };
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t began = clock_ns(CLOCK_MONOTONIC);

		MUST(compile_ring(members, count, 7, slots, RING_MAX));
		ms[round] = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	}
	spread = spread_of(members, count, slots);
	qsort(ms, ROUNDS, sizeof(ms[0]), by_value);
	printf("  %5u endpoints, weights 1 to %u  %8.2f %8.2f %8.2f   %+6.2f %% %+6.2f %%\n", count,
	       heaviest, ms[ROUNDS / 2], ms[0], ms[ROUNDS - 1], spread.above, spread.below);
}

static void print_rings(void)
{
	printf("rings of %d slots: ms to build one (%d rounds), and who is furthest from its "
	       "share\n",
	       (int)RING_MAX, ROUNDS);
	printf("  %-32s %8s %8s %8s %10s %8s\n", "", "median", "min", "max", "above", "below");
	print_ring(10, 1);
	print_ring(100, 1);
	print_ring(100, HEAVIEST);
	print_ring(MEMBERS_MAX, 1);
}

/* --- maps */

/* What the kernel charges for it; 0 where it does not tell. */
static uint64_t charged(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[256];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (info)
		fclose(info);
	return bytes;
}

/* Makes all, and adds up those that `also` does not have; 0: the kernel refuses them. */
static uint64_t make_maps(struct bpf_object *object, const struct bpf_object *also,
			  const struct map_sizes *sizes)
{
	struct bpf_program *program;
	struct bpf_map *map;
	uint64_t sum = 0;
	struct err err;

	bpf_object__for_each_map(map, object)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_autoload(program, false);
	}
	MUST(sizing_set(object, sizes, &err));
	if (bpf_object__load(object))
		return 0;
	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__fd(map) < 0)
			return 0;
		if (!also || !bpf_object__find_map_by_name(also, bpf_map__name(map)))
			sum += charged(bpf_map__fd(map));
	}
	return sum;
}

/* Some of it is there once for each CPU. */
static void print_maps(const char *what, const char *text)
{
	struct findings findings = { 0 };
	struct model *model = model_load_text("shunt.yaml", text, strlen(text), &findings);
	struct map_sizes sizes;
	struct xdp_ingress *xdp = xdp_ingress__open();
	struct sk_steer *steer = sk_steer__open();
	uint64_t first, rest;

	MUST(model && xdp && steer);
	sizes = map_plan(model, true);
	first = make_maps(xdp->obj, NULL, &sizes);
	rest = make_maps(steer->obj, xdp->obj, &sizes);
	if (first && rest)
		printf("  %-40s %8.1f MB, of which flows %.1f, splices %.1f\n", what,
		       (double)(first + rest) / 1e6,
		       (double)charged(bpf_map__fd(xdp->maps.shunt_flows)) / 1e6,
		       (double)charged(bpf_map__fd(xdp->maps.shunt_splices)) / 1e6);
	else
		printf("  %-40s the kernel refuses them\n", what);
	sk_steer__destroy(steer);
	xdp_ingress__destroy(xdp);
	model_destroy(model);
}

#define NODE "node: { devices: [eth0], source_addresses: [192.0.2.1], tunnel_address: 192.0.2.1"
#define LISTENER(words)                                                                            \
	"vips: [ { name: v, addresses: [203.0.113.1], listeners: [ { port: 80, " words             \
	" } ] } ]\nupstreams: { u: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"

int main(void)
{
	print_rings();
	if (geteuid() != 0) {
		puts("maps: not measured, because making them needs root");
		return 0;
	}
	printf("\nmaps: memory of the kernel by its own account, %ld CPUs; a flow takes %zu "
	       "bytes\n",
	       sysconf(_SC_NPROCESSORS_CONF), sizeof(struct flow_entry));
	print_maps("an empty configuration", NODE " }\n");
	print_maps("a million flows (node.flows: 1000000)", NODE ", flows: 1000000 }\n");
	print_maps("a listener of packets",
		   NODE " }\n" LISTENER("protocol: udp, upstream: u, forward: vxlan"));
	print_maps("a listener that splices",
		   NODE " }\n" LISTENER("protocol: tcp-proxy, upstream: u"));
	return 0;
}
