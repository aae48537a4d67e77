#include "userspace/control/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/sizes.h"
#include "userspace/base/addr.h"
#include "userspace/base/clock.h"
#include "userspace/control/flows_nat.h"

static const char *const state_names[] = {
	[SPLICE_FREE] = "free",     [SPLICE_HANDOVER] = "handover", [SPLICE_SPLICED] = "spliced",
	[SPLICE_CLOSED] = "closed", [SPLICE_LEG] = "leg",           [SPLICE_MOVED] = "moved",
};

const char *flows_state_name(uint32_t state)
{
	return state < sizeof(state_names) / sizeof(*state_names) ? state_names[state] : "unknown";
}

static json_t *address(const __be32 *ip, __be16 port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, sizeof(a.ip));
	return json_string(addr_print(&a).text);
}

static json_t *seconds_between(uint64_t from_ms, uint64_t to_ms)
{
	return json_integer(to_ms > from_ms ? (json_int_t)((to_ms - from_ms) / 1000) : 0);
}

struct json_t *flows_entry(const struct splice *splice, uint64_t now_ms)
{
	const struct flow_key *to_endpoint = &splice->dir[0].out, *to_client = &splice->dir[1].out;
	char name[sizeof(splice->name) + 1] = { 0 };
	json_t *flow = json_object(), *upstream;

	memcpy(name, splice->name, sizeof(splice->name));
	upstream = json_string(name); /* NULL where a foreign hand wrote what is no UTF-8 */
	json_object_set_new(flow, "client", address(to_client->dst, to_client->dport));
	json_object_set_new(flow, "vip", address(to_client->src, to_client->sport));
	json_object_set_new(flow, "source", address(to_endpoint->src, to_endpoint->sport));
	json_object_set_new(flow, "endpoint", address(to_endpoint->dst, to_endpoint->dport));
	json_object_set_new(flow, "upstream", upstream ? upstream : json_string("?"));
	json_object_set_new(flow, "state", json_string(flows_state_name(splice->state)));
	json_object_set_new(flow, "bytes_in", json_integer((json_int_t)splice->dir[0].bytes));
	json_object_set_new(flow, "bytes_out", json_integer((json_int_t)splice->dir[1].bytes));
	json_object_set_new(flow, "packets_in", json_integer((json_int_t)splice->dir[0].packets));
	json_object_set_new(flow, "packets_out", json_integer((json_int_t)splice->dir[1].packets));
	json_object_set_new(flow, "age_s", seconds_between(splice->started_ms, now_ms));
	json_object_set_new(flow, "port", json_integer(ntohs(to_endpoint->sport)));
	if (splice->drained_ms)
		json_object_set_new(flow, "draining_s",
				    seconds_between(splice->drained_ms, now_ms));
	if (splice->pays[0] || splice->pays[1]) {
		json_object_set_new(flow, "over_rate_in", json_integer(splice->over_rate[0]));
		json_object_set_new(flow, "over_rate_out", json_integer(splice->over_rate[1]));
	}
	return flow;
}

/* Bytes a second of the bucket in that element; 0: none. */
static uint64_t rate_at(int fd, uint32_t pays)
{
	uint32_t i = pays - 1;
	struct splice sp;

	if (!pays || bpf_map_lookup_elem(fd, &i, &sp) != 0 || sp.state != SPLICE_BUCKET ||
	    sp.bucket.kib_ns == 0)
		return 0;
	return 1024 * 1000000000ull / sp.bucket.kib_ns;
}

static void rates_add(int fd, const struct splice *splice, json_t *flow)
{
	static const char *const names[] = { "rate", "rate_per_source" };

	for (int k = 0; k < 2; k++) {
		uint64_t rate = rate_at(fd, splice->pays[k]);

		if (rate)
			json_object_set_new(flow, names[k], json_integer((json_int_t)rate));
	}
}

/* A table made by another version of shunt must not be read as ours. */
static bool table_is_ours(int fd, struct bpf_map_info *out_info)
{
	__u32 len = sizeof(*out_info);

	memset(out_info, 0, len);
	return bpf_obj_get_info_by_fd(fd, out_info, &len) == 0 &&
	       out_info->value_size == sizeof(struct splice);
}

/* A leg is a session's, and no spliced connection. */
static bool is_shown(const struct splice *splice)
{
	return splice->state != SPLICE_FREE && splice->state != SPLICE_LEG &&
	       splice->state != SPLICE_BUCKET;
}

static json_t *table_list(int fd, uint32_t count)
{
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	json_t *all = json_array();
	struct splice splice;

	for (uint32_t i = 0; i < count; i++) {
		json_t *flow;

		if (bpf_map_lookup_elem(fd, &i, &splice) != 0 || !is_shown(&splice))
			continue;
		flow = flows_entry(&splice, now_ms);
		rates_add(fd, &splice, flow);
		json_array_append_new(all, flow);
	}
	return all;
}

int flows_open(const char *pin_dir, uint32_t *out_count, struct err *err)
{
	struct bpf_map_info info;
	char path[4096];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", pin_dir, PIN_SPLICES) >= sizeof(path)) {
		err_set(err, "the path of --pin-dir is too long");
		return -1;
	}
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT)
		err_set(err,
			"nothing is pinned at %s: the fast path is not attached, or has another "
			"--pin-dir",
			path);
	else if (fd < 0)
		err_sys(err, "cannot open %s (it needs CAP_BPF, try as root)", path);
	if (fd < 0)
		return -1;
	if (table_is_ours(fd, &info)) {
		*out_count = info.max_entries;
		return fd;
	}
	err_set(err, "%s was made by another version of shunt", path);
	close(fd);
	return -1;
}

char *flows_print(const char *pin_dir, bool nat, struct err *err)
{
	uint32_t count;
	int fd = flows_open(pin_dir, &count, err);
	json_t *all;
	char *text;

	if (fd < 0)
		return err ? NULL : strdup("[]");
	all = table_list(fd, count);
	close(fd);
	if (nat)
		flows_nat_add(pin_dir, all, FLOWS_SHOWN_MAX);
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
}
