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

struct json_t *flows_entry(const struct splice *splice, uint64_t now_ms)
{
	const struct flow_key *to_endpoint = &splice->dir[0].out, *to_client = &splice->dir[1].out;
	uint64_t age = now_ms > splice->started_ms ? now_ms - splice->started_ms : 0;
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
	json_object_set_new(flow, "age_s", json_integer((json_int_t)(age / 1000)));
	json_object_set_new(flow, "port", json_integer(ntohs(to_endpoint->sport)));
	return flow;
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

static char *table_print(int fd, uint32_t count)
{
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	json_t *all = json_array();
	struct splice splice;
	char *text;

	for (uint32_t i = 0; i < count; i++)
		if (bpf_map_lookup_elem(fd, &i, &splice) == 0 && is_shown(&splice))
			json_array_append_new(all, flows_entry(&splice, now_ms));
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
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

char *flows_print(const char *pin_dir, struct err *err)
{
	uint32_t count;
	int fd = flows_open(pin_dir, &count, err);
	char *text;

	if (fd < 0)
		return err ? NULL : strdup("[]");
	text = table_print(fd, count);
	close(fd);
	return text;
}
