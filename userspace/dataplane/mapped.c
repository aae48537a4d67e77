#include "userspace/dataplane/mapped.h"

#include <stddef.h>
#include <sys/mman.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/sizes.h"

static const struct {
	enum pinned_map map;
	const char *name;
	size_t offset; /* of the pointer in struct mapped */
	size_t bytes;
} regions[] = {
	{ PINNED_ADDRS, PIN_ADDRS, offsetof(struct mapped, addrs),
	  2 * ADDR_TABLE * sizeof(struct addr_entry) },
	{ PINNED_VIPS, PIN_VIPS, offsetof(struct mapped, vips),
	  2 * VIP_TABLE * sizeof(struct vip_entry) },
	{ PINNED_RING_LINES, PIN_RING_LINES, offsetof(struct mapped, ring_lines),
	  RING_LINES_MAX * sizeof(struct ring_line) },
	{ PINNED_FLOWS, PIN_FLOWS, offsetof(struct mapped, flows),
	  FLOW_BUCKETS * sizeof(struct flow_bucket) },
	{ PINNED_SPLICES, PIN_SPLICES, offsetof(struct mapped, splices),
	  SPLICES_MAX * sizeof(struct splice) },
	{ PINNED_GUARDS, PIN_GUARDS, offsetof(struct mapped, guards),
	  2 * GUARDS_MAX * sizeof(struct guard_entry) },
	{ PINNED_SETTINGS, PIN_SETTINGS, offsetof(struct mapped, settings),
	  sizeof(struct settings) },
};

enum { REGIONS = sizeof(regions) / sizeof(regions[0]) };

static void **pointer_of(struct mapped *mapped, size_t i)
{
	return (void **)((char *)mapped + regions[i].offset);
}

bool mapped_open(struct mapped *out_mapped, const struct pinned *pinned, struct err *err)
{
	struct mapped mapped = { 0 };

	for (size_t i = 0; i < REGIONS; i++) {
		void *at = mmap(NULL, regions[i].bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				pinned->fds[regions[i].map], 0);

		if (at == MAP_FAILED) {
			err_sys(err, "cannot map %s into memory", regions[i].name);
			mapped_close(&mapped);
			return false;
		}
		*pointer_of(&mapped, i) = at;
	}
	*out_mapped = mapped;
	return true;
}

void mapped_close(struct mapped *mapped)
{
	for (size_t i = 0; i < REGIONS; i++)
		if (*pointer_of(mapped, i))
			munmap(*pointer_of(mapped, i), regions[i].bytes);
	*mapped = (struct mapped){ 0 };
}
