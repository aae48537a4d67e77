#include "loader/probe.h"

#include <bpf/libbpf.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_xdp(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) == 1;
}

static bool has_tc(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
}

static bool has_sk_lookup(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_LOOKUP, NULL) == 1;
}

static bool has_getsockopt(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCKOPT, NULL) == 1;
}

static bool has_ring_buffer(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 1;
}

static bool has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

static bool has_repair(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool ok = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static const struct {
	const char *name;
	bool (*has)(void);
	bool needed;
	const char *lost;
} features[] = {
	{ "xdp", has_xdp, true, "there is no fast path; shuntd runs as a plain proxy" },
	{ "ring buffer", has_ring_buffer, true, "the programs do not load (Linux 5.8)" },
	{ "sk_lookup", has_sk_lookup, true, "connections do not reach the proxy (Linux 5.9)" },
	{ "btf", has_btf, true, "the socket query does not load (CONFIG_DEBUG_INFO_BTF)" },
	{ "tc", has_tc, true, "handovers of busy connections may stall" },
	{ "cgroup getsockopt", has_getsockopt, false, "nothing is spliced, everything relayed" },
	{ "tcp repair", has_repair, false, "nothing is spliced, everything relayed" },
};

bool probe_print(bool json)
{
	json_t *all = json_object();
	bool ok = true;

	libbpf_set_print(NULL);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		bool has = features[i].has();

		ok = ok && (has || !features[i].needed);
		json_object_set_new(all, features[i].name, json_boolean(has));
		if (!json)
			printf("%-18s %s%s\n", features[i].name,
			       has ? "yes" : "no: ", has ? "" : features[i].lost);
	}
	if (json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		puts("");
	}
	json_decref(all);
	return ok;
}
