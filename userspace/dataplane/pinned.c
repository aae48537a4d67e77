#include "userspace/dataplane/pinned.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/vip.h"

static const char *const names[PINNED_MAPS] = {
	[PINNED_VIPS] = PIN_VIPS,           [PINNED_VIP_ADDRS] = PIN_VIP_ADDRS,
	[PINNED_ENDPOINTS] = PIN_ENDPOINTS, [PINNED_RINGS] = PIN_RINGS,
	[PINNED_STICKY] = PIN_STICKY,       [PINNED_NEXT_HOPS] = PIN_NEXT_HOPS,
	[PINNED_VTEPS] = PIN_VTEPS,         [PINNED_SETTINGS] = PIN_SETTINGS,
	[PINNED_COUNTERS] = PIN_COUNTERS,   [PINNED_FLOWS] = PIN_FLOWS,
	[PINNED_SPLICES] = PIN_SPLICES,     [PINNED_LISTENERS] = PIN_LISTENERS,
	[PINNED_EVENTS] = PIN_EVENTS,
};

void pinned_close(struct pinned *pinned)
{
	for (int i = 0; i < PINNED_MAPS; i++)
		if (pinned->fds[i] >= 0)
			close(pinned->fds[i]);
}

bool pinned_open(struct pinned *out_pinned, const char *pin_dir, struct err *err)
{
	struct pinned pinned;
	struct settings s = { 0 };
	__u32 zero = 0;
	char path[512];

	for (int i = 0; i < PINNED_MAPS; i++)
		pinned.fds[i] = -1;
	for (int i = 0; i < PINNED_MAPS; i++) {
		snprintf(path, sizeof(path), "%s/%s", pin_dir, names[i]);
		pinned.fds[i] = bpf_obj_get(path);
		if (pinned.fds[i] < 0) {
			err_sys(err, "cannot open the pinned map %s", path);
			goto close_maps;
		}
	}
	if (bpf_map_lookup_elem(pinned.fds[PINNED_SETTINGS], &zero, &s) < 0 ||
	    s.abi_version != ABI_VERSION) {
		err_set(err,
			"the maps pinned at %s have ABI version %u, expected %u; use the programs "
			"of that version, or `shunt-loader detach` it first",
			pin_dir, s.abi_version, ABI_VERSION);
		goto close_maps;
	}
	*out_pinned = pinned;
	return true;

close_maps:
	pinned_close(&pinned);
	return false;
}
