#include "tests/harness/program_run.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "tests/harness/tc_run.h"
#include "tests/harness/test.h"

static struct xdp_ingress *program;
static struct maps *maps;
static bool is_tc; /* the twin that is loaded; program then has only the maps */

static struct xdp_ingress *load(void)
{
	struct bpf_map *map;
	int err;

	program = xdp_ingress__open();
	bpf_object__for_each_map(map, program->obj)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	bpf_program__set_autoload(program->progs.xdp_ingress, !is_tc);
	err = xdp_ingress__load(program);
	if (err || (is_tc && !tc_load(program))) {
		xdp_ingress__destroy(program);
		program = NULL;
		CHECK(!err || err == -EPERM); /* else it is the program's fault, and no skip */
		return NULL;
	}
	maps = maps_open(program->maps.shunt_settings, program->maps.shunt_addrs,
			 program->maps.shunt_vips, program->maps.shunt_ring_lines,
			 program->maps.shunt_flows);
	return program;
}

struct xdp_ingress *program_load(void)
{
	if (geteuid() != 0)
		return NULL;
	if (program && is_tc == test_is_again())
		return program;
	/* The other twin's maps stay until the process ends, so that nothing has their addresses.
	 */
	is_tc = test_is_again();
	return load();
}

static struct outcome xdp_run(const uint8_t *frame, size_t len, const struct explain_mark *mark)
{
	uint8_t marked[sizeof(*mark) + PACKET_BYTES_MAX];
	size_t front = mark ? sizeof(*mark) : 0;
	struct xdp_md in = { .data = (uint32_t)front,
			     .data_end = (uint32_t)(front + len),
			     .ingress_ifindex = RUN_IFINDEX };
	struct outcome out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = marked, .data_size_in = in.data_end,
		    .data_out = out.bytes, .data_size_out = sizeof(out.bytes), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);

	if (mark)
		memcpy(marked, mark, sizeof(*mark));
	memcpy(marked + front, frame, len);
	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(program->progs.xdp_ingress), &opts), 0);
	out.fate = (int)opts.retval;
	out.len = opts.data_size_out;
	return out;
}

struct outcome program_run_marked(const uint8_t *frame, size_t len, const struct explain_mark *mark)
{
	maps_commit(maps);
	return is_tc ? tc_run(frame, len, mark) : xdp_run(frame, len, mark);
}

struct outcome program_run_bytes(const uint8_t *frame, size_t len)
{
	return program_run_marked(frame, len, NULL);
}

struct outcome program_run(const struct packet *packet)
{
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len = packet_build(packet, frame);

	return program_run_bytes(frame, len);
}

void program_set(struct bpf_map *map, const void *key, const void *value)
{
	CHECK_INT(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void program_del(struct bpf_map *map, const void *key)
{
	CHECK_INT(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

struct maps *program_maps(void)
{
	return maps;
}

struct counters program_counters(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct tally per_cpu[1024];
	struct counters c = { 0 };

	for (uint32_t which = 0; which < COUNTERS; which++) {
		bpf_map_lookup_elem(bpf_map__fd(program->maps.shunt_counters), &which, per_cpu);
		for (int i = 0; i < cpus; i++)
			c.n[which] += per_cpu[i].packets;
	}
	return c;
}

static const char *const counter_names[COUNTERS] = {
#define X(name, text) #name,
	COUNTER_LIST(X)
#undef X
};

const char *program_counter_name(enum counter which)
{
	return counter_names[which];
}

void check_only_counted(const struct counters *before, enum counter which)
{
	struct counters now = program_counters();

	for (uint32_t i = 0; i < COUNTERS; i++)
		if (now.n[i] - before->n[i] != (i == (uint32_t)which))
			test_fail(__FILE__, __LINE__, "%s moved by %llu, wanted only %s by 1",
				  counter_names[i], (unsigned long long)(now.n[i] - before->n[i]),
				  counter_names[which]);
}
