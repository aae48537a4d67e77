#include "userspace/dataplane/mapped.h"

#include <bpf/bpf.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bpf/abi/pins.h"

enum { SAME_SIZE = -1 }; /* in every installation */

static const struct {
	enum pinned_map map;
	const char *name;
	size_t offset; /* of the pointer in struct mapped */
	size_t each;
	int size; /* enum map_size, or SAME_SIZE */
} regions[] = {
	{ PINNED_ADDRS, PIN_ADDRS, offsetof(struct mapped, addrs), sizeof(struct addr_entry),
	  MAP_SIZE_ADDRS },
	{ PINNED_VIPS, PIN_VIPS, offsetof(struct mapped, vips), sizeof(struct vip_entry),
	  MAP_SIZE_VIPS },
	{ PINNED_RING_LINES, PIN_RING_LINES, offsetof(struct mapped, ring_lines),
	  sizeof(struct ring_line), MAP_SIZE_RING_LINES },
	{ PINNED_FLOWS, PIN_FLOWS, offsetof(struct mapped, flows), sizeof(struct flow_bucket),
	  MAP_SIZE_FLOWS },
	{ PINNED_SPLICES, PIN_SPLICES, offsetof(struct mapped, splices), sizeof(struct splice),
	  MAP_SIZE_SPLICES },
	{ PINNED_GUARDS, PIN_GUARDS, offsetof(struct mapped, guards), sizeof(struct guard_entry),
	  SAME_SIZE },
	{ PINNED_SETTINGS, PIN_SETTINGS, offsetof(struct mapped, settings), sizeof(struct settings),
	  SAME_SIZE },
};

enum { REGIONS = sizeof(regions) / sizeof(regions[0]) };

static void **pointer_of(struct mapped *mapped, size_t i)
{
	return (void **)((char *)mapped + regions[i].offset);
}

/* 0, and *err, where the kernel does not tell, or it is no map of ours. */
static uint32_t entries_of(int fd, size_t each, const char *name, struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		err_sys(err, "cannot ask for the size of %s", name);
	else if (info.value_size != each || !info.max_entries)
		err_set(err, "%s was made by another version of shunt", name);
	else
		return info.max_entries;
	return 0;
}

static bool map_one(struct mapped *mapped, size_t i, const struct pinned *pinned, struct err *err)
{
	int fd = pinned->fds[regions[i].map];
	uint32_t entries = entries_of(fd, regions[i].each, regions[i].name, err);
	void *at;

	if (!entries)
		return false;
	at = mmap(NULL, entries * regions[i].each, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(err, "cannot map %s into memory", regions[i].name);
	*pointer_of(mapped, i) = at;
	mapped->bytes[i] = entries * regions[i].each;
	if (regions[i].size != SAME_SIZE)
		mapped->sizes.of[regions[i].size] = entries;
	return true;
}

/* Those that we read and write element by element. */
static bool ask_rest(struct mapped *mapped, const struct pinned *pinned, struct err *err)
{
	__u32 *of = mapped->sizes.of;

	of[MAP_SIZE_ENDPOINTS] = entries_of(pinned->fds[PINNED_ENDPOINTS],
					    sizeof(struct endpoint_entry), PIN_ENDPOINTS, err);
	return of[MAP_SIZE_ENDPOINTS] != 0;
}

bool mapped_open(struct mapped *out_mapped, const struct pinned *pinned, struct err *err)
{
	struct mapped mapped = { 0 };
	bool done = ask_rest(&mapped, pinned, err);

	_Static_assert((int)REGIONS <= (int)MAPPED_MAX, "mapped.bytes has one of each");
	for (size_t i = 0; done && i < REGIONS; i++)
		done = map_one(&mapped, i, pinned, err);
	if (done)
		*out_mapped = mapped;
	else
		mapped_close(&mapped);
	return done;
}

void mapped_close(struct mapped *mapped)
{
	for (size_t i = 0; i < REGIONS; i++)
		if (*pointer_of(mapped, i))
			munmap(*pointer_of(mapped, i), mapped->bytes[i]);
	*mapped = (struct mapped){ 0 };
}

struct table_sizes mapped_tables(const struct mapped *mapped)
{
	return (struct table_sizes){ .addrs = mapped->sizes.of[MAP_SIZE_ADDRS] / 2,
				     .vips = mapped->sizes.of[MAP_SIZE_VIPS] / 2 };
}
