/*
 * The table of flows while everybody writes it at once: the loaded program on several processors,
 * splices that come and go, and whoever frees entries, all in a handful of buckets.
 *
 * Of every word it is known with which keys it may stand: a vip has endpoints of its own, a client
 * an address that its port decides, a splice a key that its number decides.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/abi/sizes.h"
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

enum {
	BUCKETS = 2,
	VIPS = 16,
	FLOWS = 512, /* the flow decides its vip */
	SLOTS = 7,
	PORT = 1000,
	FIRST_PORT = 10000,
	DRIVERS = 3,
	SPLICES = 2,   /* of each splicer at a time */
	ROUNDS = 1000, /* of each driver */
	STIRS = 256,   /* how often an unforwarded packet is repeated */
	GENERATION = 5,
	SPLICE_NUMBERS = 30000,
	BURST = 100, /* of changes of splices */
	PER_VIP = 3,
	HOP_NONE = 7,
	VNI_AT = 14 + 20 + 8 + 4,
};

struct frame {
	uint8_t bytes[PACKET_BYTES_MAX];
	size_t len;
};

static struct frame frames[FLOWS][2]; /* of which the second is a SYN */
static struct flow_key clients[FLOWS];
static struct flow_table table;
static volatile bool over;
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;
static char failure[200];
static unsigned long driven, sent, entered, freed, read_ok;

__attribute__((format(printf, 1, 2))) static void fail_once(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	pthread_mutex_lock(&failure_lock);
	if (!failure[0])
		vsnprintf(failure, sizeof(failure), fmt, args);
	over = true;
	pthread_mutex_unlock(&failure_lock);
	va_end(args);
}

static uint32_t random_of(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static uint32_t endpoint_of(uint32_t vip, uint32_t which)
{
	return 1 + vip * PER_VIP + which;
}

static bool is_of_vip(uint32_t endpoint, uint32_t vip)
{
	return endpoint >= endpoint_of(vip, 0) && endpoint < endpoint_of(vip, PER_VIP);
}

static __be32 word_of(uint32_t n, uint32_t i)
{
	return (__be32)((n + 1) * 2654435761u + i * 0x9e3779b9u);
}

/* --- setting up ------------------------------------------------------------------------------ */

static void add_endpoints(uint32_t vip)
{
	for (uint32_t i = 0; i < PER_VIP; i++) {
		uint32_t id = endpoint_of(vip, i);
		struct endpoint_entry e = { .generation = GENERATION,
					    .next_hop = vip % 2 ? HOP_NONE : L4_HOP_FIRST,
					    .vni = id,
					    .flags = ENDPOINT_USED };

		l4_ip(e.vtep, L4_HOST);
		program_set(program_load()->maps.shunt_endpoints, &id, &e);
	}
}

static void set_ring(uint32_t vip, uint32_t which, bool is_fresh)
{
	uint32_t ids[SLOTS];

	for (uint32_t i = 0; i < SLOTS; i++)
		ids[i] = endpoint_of(vip, which);
	maps_ring(program_maps(), 2 + vip, ids, SLOTS, is_fresh);
}

static void add_vip(uint32_t vip)
{
	struct vip_key key = { .port = htons((uint16_t)(PORT + vip)), .proto = IPPROTO_TCP };

	l4_ip(key.addr, L4_VIP6);
	add_endpoints(vip);
	set_ring(vip, 0, true);
	maps_vip(program_maps(), &key, VIP_L4, 2 + vip);
	set_ring(vip, 1, false); /* marked: from here on every connection is entered */
}

static void build_frames(uint32_t flow)
{
	struct packet p = TCP4(.dst = L4_VIP6, .sport = (uint16_t)(FIRST_PORT + flow),
			       .dport = (uint16_t)(PORT + flow % VIPS));
	struct flow_key *key = &clients[flow];
	char src[64];

	snprintf(src, sizeof(src), "2001:db8:%x:%x:%x:%x:%x:%x", flow, flow + 1, flow * 7, flow * 3,
		 flow + 5, flow);
	p.src = src;
	for (uint32_t syn = 0; syn < 2; syn++) {
		p.flags = syn ? 2 : 16;
		frames[flow][syn].len = packet_build(&p, frames[flow][syn].bytes);
	}
	*key = (struct flow_key){ .sport = htons(p.sport),
				  .dport = htons(p.dport),
				  .proto = IPPROTO_TCP };
	l4_ip(key->src, src);
	l4_ip(key->dst, L4_VIP6);
}

static void set_up(void)
{
	for (uint32_t vip = 0; vip < VIPS; vip++)
		add_vip(vip);
	maps_commit(program_maps());
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		build_frames(flow);
	table = maps_flows(program_maps());
	table.count = BUCKETS;
	memset(table.buckets, 0, BUCKETS * sizeof(*table.buckets));
	maps_live_settings(program_maps())->buckets = BUCKETS;
	over = false;
	failure[0] = 0;
	driven = sent = entered = freed = read_ok = 0;
}

/* --- what must hold of every entry ------------------------------------------------------------ */

static struct flow_key splice_key(uint32_t splice)
{
	struct flow_key key = { .sport = htons((uint16_t)splice),
				.dport = htons(443),
				.proto = IPPROTO_TCP };

	for (uint32_t i = 0; i < 4; i++) {
		key.src[i] = word_of(splice, i);
		key.dst[i] = word_of(splice, i + 4);
	}
	return key;
}

static void check_entry(const struct flow_entry *e)
{
	uint32_t index = FLOW_INDEX(e->word), flow = (uint32_t)ntohs(e->key.sport) - FIRST_PORT;
	struct flow_key want;

	if (FLOW_KIND(e->word) == FLOW_L4) {
		if (flow >= FLOWS || memcmp(&clients[flow], &e->key, sizeof(e->key)) != 0 ||
		    !is_of_vip(index, flow % VIPS) || FLOW_GENERATION(e->word) != GENERATION)
			fail_once("an L4 entry of port %u names endpoint %u of generation %u",
				  ntohs(e->key.sport), index, FLOW_GENERATION(e->word));
		return;
	}
	want = splice_key(index);
	if (memcmp(&want, &e->key, sizeof(want)) != 0 || FLOW_DIR(e->word) != (index & 1) ||
	    FLOW_GENERATION(e->word) != (index & 0xffff))
		fail_once("an entry of splice %u has the key of port %u", index,
			  ntohs(e->key.sport));
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Runs a frame of a flow on this processor; the frame that leaves, or none where it stays. */
static uint32_t run(uint32_t flow, uint32_t syn, uint32_t repeat, uint8_t out[PACKET_BYTES_MAX])
{
	struct frame *f = &frames[flow][syn];
	struct xdp_md in = { .data_end = (uint32_t)f->len, .ingress_ifindex = RUN_IFINDEX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (uint32_t)f->len,
		    .data_out = out, .data_size_out = PACKET_BYTES_MAX, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(bpf_program__fd(program_load()->progs.xdp_ingress), &opts) < 0)
		fail_once("the program cannot be run");
	return opts.retval;
}

static void drive_one(uint32_t flow, uint32_t syn)
{
	uint8_t out[PACKET_BYTES_MAX];
	uint32_t vni;

	if (flow % VIPS % 2) { /* its endpoints have no next hop, so the frame stays as it is */
		if (run(flow, syn, STIRS, out) != XDP_DROP)
			fail_once("a packet without next hop was not dropped");
		return;
	}
	if (run(flow, syn, 1, out) != XDP_TX) {
		fail_once("a packet of port %u was not sent", FIRST_PORT + flow);
		return;
	}
	memcpy(&vni, out + VNI_AT, sizeof(vni));
	if (!is_of_vip(ntohl(vni) >> 8, flow % VIPS))
		fail_once("a packet of vip %u was sent to endpoint %u", flow % VIPS,
			  ntohl(vni) >> 8);
	__atomic_fetch_add(&sent, 1, __ATOMIC_RELAXED);
}

static void *drive(void *argument)
{
	uint32_t cpu = (uint32_t)(uintptr_t)argument, state = cpu + 1;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set); /* elsewhere it is as good, only less of a race */
	for (uint32_t i = 0; i < ROUNDS && !over; i++) {
		uint32_t flow = random_of(&state) % FLOWS;

		drive_one(flow, random_of(&state) & 1);
		__atomic_fetch_add(&driven, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void check_own(const uint32_t *splices)
{
	for (uint32_t i = 0; i < SPLICES; i++) {
		struct flow_key key = splice_key(splices[i]);
		uint64_t word = splices[i] ? flow_table_find(&table, &key) : 0;

		if (splices[i] &&
		    (FLOW_KIND(word) != FLOW_SPLICE || FLOW_INDEX(word) != splices[i]))
			fail_once("splice %u is not there: its word is %llx", splices[i],
				  (unsigned long long)word);
	}
}

/* Removes the splice, or enters another in its place, under a number that only this thread has. */
static void change_splice(uint32_t *mine, uint32_t *next, uint32_t me)
{
	struct flow_key key = splice_key(*mine);

	if (*mine) {
		flow_table_remove_splice(&table, &key, *mine, *mine);
		if (flow_table_find(&table, &key))
			fail_once("splice %u is still there", *mine);
		*mine = 0;
		return;
	}
	*next = *next % SPLICE_NUMBERS == SPLICE_NUMBERS - 1 ? 1 + me * SPLICE_NUMBERS : *next + 1;
	key = splice_key(*next);
	if (!flow_table_enter_splice(&table, &key, *next & 1, *next, *next))
		return;
	*mine = *next;
	__atomic_fetch_add(&entered, 1, __ATOMIC_RELAXED);
}

static void *splice(void *argument)
{
	uint32_t me = (uint32_t)(uintptr_t)argument, state = 77 + me;
	uint32_t splices[SPLICES] = { 0 }, next = 1 + me * SPLICE_NUMBERS;
	unsigned long seen = 0;

	while (!over) {
		unsigned long now = __atomic_load_n(&driven, __ATOMIC_RELAXED);

		check_own(splices);
		if (now == seen) { /* else there would be nothing but splices in the table */
			sched_yield();
			continue;
		}
		seen = now;
		for (uint32_t i = 0; i < BURST; i++) {
			change_splice(&splices[random_of(&state) % SPLICES], &next, me);
			check_own(splices);
		}
	}
	return NULL;
}

static void *check(__attribute__((unused)) void *argument)
{
	unsigned long count = 0;

	while (!over)
		for (uint32_t at = 0; at < BUCKETS * FLOW_WAYS; at++) {
			struct flow_entry e;

			if (!flow_table_read(&table, at / FLOW_WAYS, at % FLOW_WAYS, &e))
				continue;
			check_entry(&e);
			count++;
		}
	read_ok = count;
	return NULL;
}

/* Frees L4 connections as soon as they are there, so that they are entered again and again. */
static void *release(__attribute__((unused)) void *argument)
{
	unsigned long count = 0;

	while (!over)
		for (uint32_t at = 0; at < BUCKETS * FLOW_WAYS; at++) {
			uint32_t bucket = at / FLOW_WAYS, way = at % FLOW_WAYS;
			uint64_t word = flow_table_word(&table, bucket, way);

			if (FLOW_KIND(word) == FLOW_L4)
				count += flow_table_free(&table, bucket, way, word);
		}
	freed = count;
	return NULL;
}

/* Rings change all the time; what was before stays. */
static void *turn(__attribute__((unused)) void *argument)
{
	uint32_t state = 9;

	while (!over) {
		set_ring(random_of(&state) % VIPS, 1 + (random_of(&state) & 1), false);
		maps_commit(program_maps());
	}
	return NULL;
}

static void run_all(void)
{
	static void *(*const others[])(void *) = { splice, splice, check, check, release, turn };
	enum { OTHERS = sizeof(others) / sizeof(others[0]) };
	pthread_t threads[DRIVERS + OTHERS];

	for (uintptr_t i = 0; i < OTHERS; i++)
		CHECK_INT(pthread_create(&threads[DRIVERS + i], NULL, others[i], (void *)i), 0);
	for (uintptr_t i = 0; i < DRIVERS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, drive, (void *)i), 0);
	for (uint32_t i = 0; i < DRIVERS; i++)
		pthread_join(threads[i], NULL);
	over = true;
	for (uint32_t i = 0; i < OTHERS; i++)
		pthread_join(threads[DRIVERS + i], NULL);
}

TEST(however_many_write_at_once_no_entry_is_torn_and_no_packet_goes_to_a_stranger)
{
	NEED_L4_MAPS;
	set_up();
	run_all();
	maps_live_settings(program_maps())->buckets = FLOW_BUCKETS;
	if (failure[0])
		test_fail(__FILE__, __LINE__, "%s", failure);
	for (uint32_t at = 0; at < BUCKETS * FLOW_WAYS; at++)
		CHECK(FLOW_KIND(flow_table_word(&table, at / FLOW_WAYS, at % FLOW_WAYS)) !=
		      FLOW_BUSY);
	print_message("%lu sent, %lu splices entered, %lu entries read, %lu freed\n", sent, entered,
		      read_ok, freed);
	CHECK(sent > 0 && entered > 0 && freed > 0 && read_ok > 0);
}
