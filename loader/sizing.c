#include "loader/sizing.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/flow.h"
#include "bpf/abi/pins.h"
#include "loader/pinning.h"

/* Of two with the same size, the first one tells it. */
static const struct {
	const char *name;
	enum map_size size;
} sized[] = {
	{ PIN_FLOWS, MAP_SIZE_FLOWS },
	{ PIN_SPLICES, MAP_SIZE_SPLICES },
	{ PIN_EVENTS, MAP_SIZE_EVENTS },
	{ PIN_RING_LINES, MAP_SIZE_RING_LINES },
	{ PIN_ENDPOINTS, MAP_SIZE_ENDPOINTS },
	{ PIN_ENDPOINT_TALLIES, MAP_SIZE_ENDPOINTS },
	{ PIN_ADDRS, MAP_SIZE_ADDRS },
	{ PIN_VIPS, MAP_SIZE_VIPS },
	{ PIN_GUARD_SOURCES, MAP_SIZE_GUARD_LINES },
};

enum { SIZED = sizeof(sized) / sizeof(sized[0]) };

struct map_sizes sizing_usual(void)
{
	return (struct map_sizes){ {
		[MAP_SIZE_FLOWS] = FLOW_BUCKETS,
		[MAP_SIZE_SPLICES] = SPLICES_MAX,
		[MAP_SIZE_EVENTS] = EVENTS_BYTES,
		[MAP_SIZE_RING_LINES] = RING_LINES_MAX,
		[MAP_SIZE_ENDPOINTS] = ENDPOINTS_MAX,
		[MAP_SIZE_ADDRS] = 2 * ADDR_TABLE,
		[MAP_SIZE_VIPS] = 2 * VIP_TABLE,
		[MAP_SIZE_GUARD_LINES] = GUARD_LINES,
	} };
}

void sizing_choose(struct map_sizes *sizes, uint32_t flows, uint32_t splices)
{
	uint32_t *buckets = &sizes->of[MAP_SIZE_FLOWS], wanted;

	if (splices)
		sizes->of[MAP_SIZE_SPLICES] = splices;
	/* Each splice has two keys: the table is half full of them at most. */
	wanted = flows ? (flows - 1) / FLOW_WAYS + 1 : *buckets;
	if (wanted < sizes->of[MAP_SIZE_SPLICES])
		wanted = sizes->of[MAP_SIZE_SPLICES];
	if (!flows && !splices)
		return;
	for (*buckets = FLOW_BUCKETS_LEAST; *buckets < wanted;)
		*buckets *= 2;
}

/* 0: nothing is pinned. */
static __u32 pinned_entries(const char *pin_dir, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PIN_PATH_MAX];
	int fd = pinning_path(pin_dir, name, path) ? bpf_obj_get(path) : -1;

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		info.max_entries = 0;
	close(fd);
	return info.max_entries;
}

void sizing_keep_pinned(const char *pin_dir, struct map_sizes *sizes)
{
	for (int i = SIZED - 1; i >= 0; i--) {
		__u32 entries = pinned_entries(pin_dir, sized[i].name);

		if (entries)
			sizes->of[sized[i].size] = entries;
	}
}

bool sizing_set(struct bpf_object *object, const struct map_sizes *sizes, struct err *err)
{
	for (int i = 0; i < SIZED; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, sized[i].name);

		if (map && bpf_map__set_max_entries(map, sizes->of[sized[i].size]) < 0)
			return err_set(err, "cannot size the map %s", sized[i].name);
	}
	return true;
}

struct table_sizes sizing_tables(const struct map_sizes *sizes)
{
	return (struct table_sizes){ .addrs = sizes->of[MAP_SIZE_ADDRS] / 2,
				     .vips = sizes->of[MAP_SIZE_VIPS] / 2,
				     .guard_lines = sizes->of[MAP_SIZE_GUARD_LINES] };
}
