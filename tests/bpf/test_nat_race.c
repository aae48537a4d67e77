/*
 * forward: nat on all processors at once: all begin the same connection at the same time.
 * A port of ours has one connection, whoever entered it. Where two enter the same connection at
 * once, either may give up (its SYN is sent again) or take the other's place: never do both have
 * it.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

enum {
	DRIVERS = 4,
	FLOWS = 400,
	FIRST = 20000,
	PORTS = 8000,
	FIRST_CLIENT = 1024,
	FAR_PORT = 8080
};

#define SOURCE   "192.0.2.10"
#define ENDPOINT "10.0.1.2"

struct frame {
	uint8_t bytes[PACKET_BYTES_MAX];
	size_t len;
};

struct driver {
	pthread_t thread;
	uint16_t ports[FLOWS]; /* that each connection was given; 0: none */
};

static struct frame frames[FLOWS];
static struct driver drivers[DRIVERS];
static pthread_barrier_t together;
static int program;

static bool setup(void)
{
	struct settings s = { .hash_seed = 7,
			      .abi_version = ABI_VERSION,
			      .workers = 1,
			      .nat_first = FIRST,
			      .nat_last = FIRST + PORTS - 1,
			      .nat_v4 = 1,
			      .nat_all = 1 };
	struct endpoint_entry e = { .generation = 1,
				    .next_hop = L4_HOP_FIRST,
				    .flags = ENDPOINT_USED,
				    .port = htons(FAR_PORT) };
	uint32_t id = L4_FIRST;

	if (!l4_maps())
		return false;
	l4_ip(s.nat_sources[0], SOURCE);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.nat_sources[0], ADDR_SPLICES);
	l4_ip(e.vtep, ENDPOINT);
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	l4_hop(L4_HOP_FIRST, RUN_IFINDEX, 1500);
	maps_flag(program_maps(), L4_RING, VIP_NAT);
	program = bpf_program__fd(program_load()->progs.xdp_ingress);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct packet syn = L4_DATA(.sport = (uint16_t)(FIRST_CLIENT + i), .flags = 2);

		frames[i].len = packet_build(&syn, frames[i].bytes);
	}
	return true;
}

static uint16_t port_of(const uint8_t *frame, size_t at)
{
	return (uint16_t)(frame[at] << 8 | frame[at + 1]);
}

static uint32_t run(const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes,
		    .data_size_in = (uint32_t)in->len, .data_out = out->bytes,
		    .data_size_out = sizeof(out->bytes), .repeat = 1);

	if (bpf_prog_test_run_opts(program, &opts) != 0)
		return UINT32_MAX;
	out->len = opts.data_size_out;
	return opts.retval;
}

static void *drive(void *context)
{
	struct driver *d = context;
	struct frame out;

	for (uint32_t i = 0; i < FLOWS; i++) {
		pthread_barrier_wait(&together);
		if (run(&frames[i], &out) == XDP_TX)
			d->ports[i] = port_of(out.bytes, ETH_HLEN + 20);
	}
	return NULL;
}

/* When nobody else is at it. */
static uint16_t settled_port(uint32_t flow)
{
	struct frame out;

	return run(&frames[flow], &out) == XDP_TX ? port_of(out.bytes, ETH_HLEN + 20) : 0;
}

/* What the endpoint says to the port comes to that connection's client. */
static void check_answer(uint32_t flow, uint16_t port)
{
	struct packet answer =
		TCP4(.src = ENDPOINT, .dst = SOURCE, .sport = FAR_PORT, .dport = port, .flags = 18);
	struct outcome got = program_run(&answer);

	CHECK_INT(got.fate, XDP_TX);
	CHECK_INT(port_of(got.bytes, ETH_HLEN + 22), FIRST_CLIENT + flow);
}

TEST(a_port_has_one_connection_whoever_begins_it_where)
{
	static uint32_t owners[65536];

	if (!setup())
		TEST_SKIP("loading BPF programs needs root");
	pthread_barrier_init(&together, NULL, DRIVERS);
	for (uint32_t i = 0; i < DRIVERS; i++) {
		pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]);
	}
	for (uint32_t i = 0; i < DRIVERS; i++)
		pthread_join(drivers[i].thread, NULL);
	pthread_barrier_destroy(&together);
	maps_live_settings(program_maps())->epoch++; /* SYNs are sent again a second later */
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		uint16_t port = settled_port(flow);

		CHECK(port >= FIRST && port < FIRST + PORTS);
		CHECK_INT(owners[port], 0);
		owners[port] = flow + 1;
		check_answer(flow, port);
	}
	for (uint32_t i = 0; i < DRIVERS; i++)
		for (uint32_t flow = 0; flow < FLOWS; flow++)
			CHECK(!drivers[i].ports[flow] || (drivers[i].ports[flow] >= FIRST &&
							  drivers[i].ports[flow] < FIRST + PORTS));
}
