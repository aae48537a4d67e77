/*
 * packet_bench - nanoseconds a packet of each kind through the verified xdp_ingress.
 *
 * One BPF_PROG_TEST_RUN a case and round, of many repeats, through bench_driver, which undoes what
 * the last repeat did. In each round, next to each other: a bare program that returns XDP_TX, the
 * same behind the driver, and xdp_ingress behind the driver. What the driver itself costs is taken
 * off, so that a figure is what the program would take alone. Each run is checked: the counter of
 * the expected fate must have moved by exactly the repeats. The frame is always in the cache; a
 * NIC adds a cold line.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bpf/abi/bench.h" /* the skeleton below needs it */

#include "bench_driver.skel.h"
#include "bench_reference.skel.h"
#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/sizes.h"
#include "tools/bench/bench_frames.h"
#include "tools/bench/bench_maps.h"
#include "userspace/base/must.h"

enum { REPEATS = 200000, ROUNDS = 7, CPUS_MAX = 1024 };

/* One kind with its driver, and what its rounds gave; ns. */
struct bench {
	struct bench_kind kind;
	struct bench_driver *driver;
	double bare[ROUNDS], net[ROUNDS], ratio[ROUNDS]; /* to the lookup of the same round */
};

static struct {
	struct bench_reference *programs;
	struct bench hot, cold;
} reference;

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *fmt, ...)
{
	va_list args;

	fputs("packet_bench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t counted(const struct xdp_ingress *x, enum counter which)
{
	struct tally per_cpu[CPUS_MAX];
	uint64_t sum = 0;
	uint32_t key = which;
	int cpus = libbpf_num_possible_cpus();

	if (bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_counters), &key, per_cpu) < 0)
		fail("cannot read counters");
	for (int i = 0; i < cpus && i < CPUS_MAX; i++)
		sum += per_cpu[i].packets;
	return sum;
}

static struct bench_driver *driver_load(const struct bench_kind *kind)
{
	const struct bench_frame *frame = &kind->frame;
	struct bench_driver *d = bench_driver__open();
	struct bench_case c = { .frame_bytes = frame->len, .flow_mask = kind->flow_mask };

	if (!d)
		fail("cannot open the driver");
	c.words = frame->len / 8 < BENCH_WORDS ? frame->len / 8 : BENCH_WORDS;
	memcpy(c.head, frame->bytes, c.words * 8);
	memcpy((void *)&d->rodata->bench, &c, sizeof(c));
	if (bench_driver__load(d))
		fail("the kernel refuses the driver");
	return d;
}

struct run {
	double ns; /* a packet, as the kernel itself measured */
	uint32_t action;
	bool resized; /* the frame, each time */
};

static struct run run_once(const struct bench *b, int program, uint32_t repeats)
{
	const struct bench_frame *frame = &b->kind.frame;
	struct xdp_md in = { .data_end = frame->len, .ingress_ifindex = 1 };
	uint8_t out[BENCH_FRAME_MAX + 128];
	uint64_t undone = b->driver->bss->undone;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = (int)repeats);

	if (bpf_prog_test_run_opts(program, &opts) < 0)
		fail("cannot run: %s", strerror(errno));
	undone = b->driver->bss->undone - undone; /* the first repeat finds a new frame */
	if (undone != 0 && undone != repeats - 1)
		fail("%s: length changed %llu times in %u", b->kind.name,
		     (unsigned long long)undone, repeats);
	return (struct run){ opts.duration, opts.retval, undone != 0 };
}

static struct run run_driven(const struct bench *b, int program, uint32_t repeats)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(b->driver->maps.programs), &zero, &program, BPF_ANY))
		fail("cannot set the program under test");
	return run_once(b, bpf_program__fd(b->driver->progs.bench_driver), repeats);
}

static struct run run_tested(const struct bench *b, const struct xdp_ingress *x)
{
	uint64_t before = counted(x, b->kind.counted), moved;
	struct run run = run_driven(b, bpf_program__fd(x->progs.xdp_ingress), REPEATS);

	moved = counted(x, b->kind.counted) - before;
	if (moved != REPEATS)
		fail("%s: %llu of %d packets met the expected fate", b->kind.name,
		     (unsigned long long)moved, REPEATS);
	return run;
}

static struct run must_send_back(struct run run)
{
	if (run.action != XDP_TX)
		fail("the reference did not return XDP_TX, but %u", run.action);
	return run;
}

/* The kernel's own map, once it knows all keys. */
static void round_of_reference(struct bench *b, const struct bpf_program *program, int round)
{
	int tx = bpf_program__fd(b->driver->progs.bench_tx), fd = bpf_program__fd(program);
	double driven = must_send_back(run_driven(b, tx, REPEATS)).ns;
	uint64_t before;

	run_driven(b, fd, b->kind.flow_mask + 1);
	before = reference.programs->bss->entered;
	b->net[round] = must_send_back(run_driven(b, fd, REPEATS)).ns - driven;
	if (reference.programs->bss->entered != before)
		fail("the reference did not know all of its keys");
}

static void round_of(struct bench *b, const struct xdp_ingress *x, int round)
{
	int tx = bpf_program__fd(b->driver->progs.bench_tx);
	int grow = bpf_program__fd(b->driver->progs.bench_grow);
	uint32_t to_learn = b->kind.flow_mask + 1; /* 0 where all shall be new */
	double unit = b->kind.is_cold ? reference.cold.net[round] : reference.hot.net[round];
	double bare = must_send_back(run_once(b, tx, REPEATS)).ns;
	double driven = must_send_back(run_driven(b, tx, REPEATS)).ns;
	struct run tested;
	double net;

	/* The first packet of a flow enters it, the second confirms it; until then flows that are
	 * all new elsewhere may displace it. */
	for (int i = 0; to_learn && i < 8; i++)
		run_driven(b, bpf_program__fd(x->progs.xdp_ingress), to_learn);
	tested = run_tested(b, x);
	net = tested.ns - driven;
	if (tested.resized) /* half of what it costs to resize and to undo it */
		net -= (must_send_back(run_driven(b, grow, REPEATS)).ns - driven) / 2;
	b->bare[round] = bare;
	b->net[round] = net;
	b->ratio[round] = unit > 0 ? net / unit : 0;
}

/* New connections cost most where each of them has to evict another. */
static void fill_table(const struct bench *b, const struct xdp_ingress *x)
{
	run_driven(b, bpf_program__fd(x->progs.xdp_ingress), 2 * FLOW_WAYS * FLOW_BUCKETS);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Leaves them sorted. */
static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), by_value);
	return values[count / 2];
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void print_row(struct bench *b)
{
	char goal[32] = "";
	double net = median(b->net, ROUNDS); /* sorts them */

	if (b->kind.goal > 0)
		snprintf(goal, sizeof(goal), "%.2f", b->kind.goal);
	printf("  %-36s %7.0f %7.0f %7.0f %8.2f %-4s %5s\n", b->kind.name, net, b->net[0],
	       b->net[ROUNDS - 1], median(b->ratio, ROUNDS), b->kind.is_cold ? "cold" : "", goal);
}

static void print_all(struct bench *benches, uint32_t count)
{
	double bare[BENCH_KINDS_MAX * ROUNDS];
	struct utsname name;

	for (uint32_t i = 0; i < count; i++)
		memcpy(bare + (size_t)i * ROUNDS, benches[i].bare, sizeof(benches[i].bare));
	uname(&name);
	printf("packets: Linux %s, %ld CPUs, one used; BPF_PROG_TEST_RUN, %d repeats x %d rounds, "
	       "interleaved\n",
	       name.release, sysconf(_SC_NPROCESSORS_ONLN), REPEATS, ROUNDS);
	printf("ns a packet beyond a program that only returns XDP_TX (%.0f ns); lookups: in units "
	       "of a kernel map's\n",
	       median(bare, count * ROUNDS));
	printf("  hot: HASH, %.0f ns; cold: LRU_HASH of %d entries in scattered order, %.0f ns\n",
	       median(reference.hot.net, ROUNDS), (int)BENCH_COLD_ENTRIES,
	       median(reference.cold.net, ROUNDS));
	printf("  %-36s %7s %7s %7s %13s %5s\n", "", "median", "min", "max", "lookups", "goal");
	for (uint32_t i = 0; i < count; i++)
		print_row(&benches[i]);
}

static void load_reference(void)
{
	reference.hot.kind = bench_reference_kind(false);
	reference.cold.kind = bench_reference_kind(true);
	reference.hot.driver = driver_load(&reference.hot.kind);
	reference.cold.driver = driver_load(&reference.cold.kind);
	reference.programs = bench_reference__open_and_load();
	if (!reference.programs)
		fail("the kernel refuses the reference");
}

static void run_all(struct bench *benches, uint32_t count, const struct xdp_ingress *x)
{
	for (int round = 0; round < ROUNDS; round++) {
		round_of_reference(&reference.hot, reference.programs->progs.bench_hot, round);
		round_of_reference(&reference.cold, reference.programs->progs.bench_cold, round);
		for (uint32_t i = 0; i < count; i++)
			round_of(&benches[i], x, round);
	}
}

int main(void)
{
	static struct bench benches[BENCH_KINDS_MAX];
	struct bench_kind kinds[BENCH_KINDS_MAX];
	uint32_t count = bench_kinds(kinds);
	struct xdp_ingress *x;

	if (geteuid() != 0) {
		puts("packets: not measured, because loading BPF programs needs root");
		return 0; /* the other benches can still run */
	}
	stay_on_one_cpu();
	load_reference();
	x = bench_maps_load();
	if (!x)
		fail("the kernel refuses xdp_ingress; see shunt-loader check");
	for (uint32_t i = 0; i < count; i++) {
		benches[i].kind = kinds[i];
		benches[i].driver = driver_load(&kinds[i]);
		if (kinds[i].flow_mask == BENCH_ALL_NEW)
			fill_table(&benches[i], x);
	}
	run_all(benches, count, x);
	print_all(benches, count);
	for (uint32_t i = 0; i < count; i++)
		bench_driver__destroy(benches[i].driver);
	bench_reference__destroy(reference.programs);
	xdp_ingress__destroy(x);
	return 0;
}
