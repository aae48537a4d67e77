/*
 * packet_bench - nanoseconds a packet of each kind through the verified xdp_ingress.
 *
 * One BPF_PROG_TEST_RUN a case and round, of many repeats, through bench_driver, which undoes what
 * the last repeat did; the same with a program that only returns XDP_TX is the reference. Rounds
 * are interleaved. Each run is checked: the counter of the expected fate must have moved by exactly
 * the repeats. Caches are warm and the frame is in them; a NIC adds a cold line.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bpf/abi/bench.h" /* the skeleton below needs it */

#include "bench_driver.skel.h"
#include "bpf/abi/counter.h"
#include "tools/bench/bench_frames.h"
#include "tools/bench/bench_maps.h"
#include "userspace/base/must.h"

enum { REPEATS = 500000, NEW_FLOWS = 100000, ROUNDS = 7, CPUS_MAX = 1024 };

struct result {
	double packet[ROUNDS], reference[ROUNDS]; /* ns */
};

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
	uint64_t per_cpu[CPUS_MAX], sum = 0;
	uint32_t key = which;
	int cpus = libbpf_num_possible_cpus();

	if (bpf_map_lookup_elem(bpf_map__fd(x->maps.shunt_counters), &key, per_cpu) < 0)
		fail("cannot read counters");
	for (int i = 0; i < cpus && i < CPUS_MAX; i++)
		sum += per_cpu[i];
	return sum;
}

static struct bench_driver *driver_load(const struct bench_frame *frame, bool next_flow)
{
	struct bench_driver *d = bench_driver__open();
	struct bench_case c = { .frame_bytes = frame->len, .next_flow = next_flow };

	if (!d)
		fail("cannot open the driver");
	c.words = frame->len / 8 < BENCH_WORDS ? frame->len / 8 : BENCH_WORDS;
	memcpy(c.head, frame->bytes, c.words * 8);
	memcpy((void *)&d->rodata->bench, &c, sizeof(c));
	if (bench_driver__load(d))
		fail("the kernel refuses the driver");
	return d;
}

/* ns a packet, as the kernel itself measured. */
static double run(struct bench_driver *d, int program, const struct bench_frame *frame,
		  uint32_t repeats)
{
	struct xdp_md in = { .data_end = frame->len, .ingress_ifindex = 1 };
	uint8_t out[BENCH_FRAME_MAX + 128];
	uint32_t zero = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = (int)repeats);

	if (bpf_map_update_elem(bpf_map__fd(d->maps.programs), &zero, &program, BPF_ANY) < 0)
		fail("cannot set the program under test");
	if (bpf_prog_test_run_opts(bpf_program__fd(d->progs.bench_driver), &opts) < 0)
		fail("cannot run: %s", strerror(errno));
	return opts.duration;
}

static void round_of(struct xdp_ingress *x, const struct bench_kind *kind, struct result *out,
		     int round)
{
	uint32_t repeats = kind->next_flow ? NEW_FLOWS : REPEATS;
	struct bench_driver *d = driver_load(&kind->frame, kind->next_flow);
	uint64_t before;

	out->reference[round] = run(d, bpf_program__fd(d->progs.bench_tx), &kind->frame, repeats);
	if (kind->next_flow) /* none of the last round is known any more: other ports */
		d->bss->turn = (uint32_t)round * NEW_FLOWS;
	else /* the first packet of a flow is of another kind */
		run(d, bpf_program__fd(x->progs.xdp_ingress), &kind->frame, 1);
	before = counted(x, kind->counted);
	out->packet[round] = run(d, bpf_program__fd(x->progs.xdp_ingress), &kind->frame, repeats);
	if (counted(x, kind->counted) - before != repeats)
		fail("%s: %llu of %u packets met the expected fate", kind->name,
		     (unsigned long long)(counted(x, kind->counted) - before), repeats);
	bench_driver__destroy(d);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), by_value);
	return values[ROUNDS / 2];
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void print_head(void)
{
	struct utsname name;

	uname(&name);
	printf("packets: %s, %ld CPUs, BPF_PROG_TEST_RUN, %d repeats x %d rounds, medians in ns\n",
	       name.release, sysconf(_SC_NPROCESSORS_ONLN), REPEATS, ROUNDS);
	printf("(the driver restores the frame in both columns; undoing a change of length is some "
	       "12 ns of the first)\n");
	printf("%-44s %8s %8s %8s %7s\n", "", "packet", "XDP_TX", "net", "ratio");
}

int main(void)
{
	struct bench_kind kinds[BENCH_KINDS_MAX];
	struct result results[BENCH_KINDS_MAX];
	struct xdp_ingress *x;
	uint32_t count;

	if (geteuid() != 0)
		fail("loading BPF programs needs root");
	stay_on_one_cpu();
	x = bench_maps_load();
	if (!x)
		fail("the kernel refuses xdp_ingress; see shunt-loader check");
	count = bench_kinds(kinds);
	for (int round = 0; round < ROUNDS; round++)
		for (uint32_t i = 0; i < count; i++)
			round_of(x, &kinds[i], &results[i], round);
	print_head();
	for (uint32_t i = 0; i < count; i++) {
		double packet = median(results[i].packet), tx = median(results[i].reference);

		printf("%-44s %8.0f %8.0f %8.0f %7.1f\n", kinds[i].name, packet, tx, packet - tx,
		       tx > 0 ? packet / tx : 0);
	}
	xdp_ingress__destroy(x);
	return 0;
}
