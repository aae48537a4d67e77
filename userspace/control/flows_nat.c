#include "userspace/control/flows_nat.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "userspace/base/addr.h"
#include "userspace/base/must.h"

enum { BATCH = 1024 /* buckets, of a call: 256 KiB */ };

static json_t *address(const __be32 *ip, __be16 port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, sizeof(a.ip));
	return json_string(addr_print(&a).text);
}

/* What has begun and was not answered gives way to others; what is over rests for a minute. */
static const char *state_of(uint32_t nat)
{
	if (NAT_IS_OVER(nat & NAT_FLAGS))
		return "nat over";
	return nat & NAT_KEPT ? "nat" : "nat new";
}

json_t *flows_nat_entry(const struct flow_entry *front, const struct flow_entry *back)
{
	const struct flow_key *in = &front->key, *answer = &back->key;
	json_t *flow = json_object();

	json_object_set_new(flow, "client", address(in->src, in->sport));
	json_object_set_new(flow, "vip", address(in->dst, in->dport));
	json_object_set_new(flow, "source", address(answer->dst, answer->dport));
	json_object_set_new(flow, "endpoint", address(answer->src, answer->sport));
	json_object_set_new(flow, "protocol",
			    json_string(in->proto == IPPROTO_UDP ? "udp" : "tcp"));
	json_object_set_new(flow, "state", json_string(state_of(front->nat)));
	json_object_set_new(flow, "port", json_integer(ntohs(answer->dport)));
	return flow;
}

/* The other half, which knows this one's place; what is being changed just now is left out. */
static void add_front(int fd, const struct flow_entry *front, uint32_t place, json_t *all)
{
	uint32_t other = NAT_MORE(front->nat), bucket = other / FLOW_WAYS;
	struct flow_bucket there;
	const struct flow_entry *back = &there.ways[other % FLOW_WAYS];

	if (bpf_map_lookup_elem(fd, &bucket, &there) == 0 && FLOW_KIND(back->word) == FLOW_NAT &&
	    FLOW_DIR(back->word) == 1 && FLOW_INDEX(back->word) == place &&
	    FLOW_GENERATION(back->word) == FLOW_TURN(front->word))
		json_array_append_new(all, flows_nat_entry(front, back));
}

static void add_buckets(int fd, const struct flow_bucket *buckets, const uint32_t *keys,
			uint32_t count, json_t *all, uint32_t most)
{
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t way = 0; way < FLOW_WAYS && json_array_size(all) < most; way++) {
			const struct flow_entry *e = &buckets[i].ways[way];

			if (FLOW_KIND(e->word) == FLOW_NAT && FLOW_DIR(e->word) == 0)
				add_front(fd, e, FLOW_PLACE(keys[i], way), all);
		}
}

static void add_all(int fd, json_t *all, uint32_t most)
{
	struct flow_bucket *buckets = must_alloc(BATCH * sizeof(*buckets));
	uint32_t keys[BATCH], at = 0, *from = NULL;
	bool last = false;

	while (!last && json_array_size(all) < most) {
		uint32_t count = BATCH, next = 0;

		last = bpf_map_lookup_batch(fd, from, &next, keys, buckets, &count, NULL) != 0;
		add_buckets(fd, buckets, keys, count, all, most);
		at = next;
		from = &at;
	}
	free(buckets);
}

void flows_nat_add(const char *pin_dir, json_t *all, uint32_t most)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[4096];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", pin_dir, PIN_FLOWS) >= sizeof(path))
		return;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	    info.value_size == sizeof(struct flow_bucket))
		add_all(fd, all, most);
	close(fd);
}
