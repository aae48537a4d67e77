#include "userspace/dataplane/pinned.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/vip.h"

static const char *const names[PINNED_MAPS] = {
	[PINNED_VIPS] = PIN_VIPS,
	[PINNED_ADDRS] = PIN_ADDRS,
	[PINNED_ENDPOINTS] = PIN_ENDPOINTS,
	[PINNED_RING_LINES] = PIN_RING_LINES,
	[PINNED_NEXT_HOPS] = PIN_NEXT_HOPS,
	[PINNED_VTEPS] = PIN_VTEPS,
	[PINNED_SETTINGS] = PIN_SETTINGS,
	[PINNED_COUNTERS] = PIN_COUNTERS,
	[PINNED_FLOWS] = PIN_FLOWS,
	[PINNED_SPLICES] = PIN_SPLICES,
	[PINNED_LISTENERS] = PIN_LISTENERS,
	[PINNED_EVENTS] = PIN_EVENTS,
	[PINNED_QUIC] = PIN_QUIC,
	[PINNED_GUARDS] = PIN_GUARDS,
	[PINNED_GUARD_NETS] = PIN_GUARD_NETS,
	[PINNED_VIP_TALLIES] = PIN_VIP_TALLIES,
	[PINNED_ENDPOINT_TALLIES] = PIN_ENDPOINT_TALLIES,
};

void pinned_close(struct pinned *pinned)
{
	for (int i = 0; i < PINNED_MAPS; i++)
		if (pinned->fds[i] >= 0)
			close(pinned->fds[i]);
}

static bool is_of_our_abi(const struct pinned *pinned, const char *where, struct err *err)
{
	struct settings s = { 0 };
	__u32 zero = 0;

	if (bpf_map_lookup_elem(pinned->fds[PINNED_SETTINGS], &zero, &s) == 0 &&
	    s.abi_version == ABI_VERSION)
		return true;
	return err_set(err,
		       "the maps pinned at %s have ABI version %u, expected %u; use the programs "
		       "of that version, or `shunt-loader detach` it first",
		       where, s.abi_version, ABI_VERSION);
}

bool pinned_open(struct pinned *out_pinned, const char *pin_dir, struct err *err)
{
	struct pinned pinned;
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
	if (!is_of_our_abi(&pinned, pin_dir, err))
		goto close_maps;
	*out_pinned = pinned;
	return true;

close_maps:
	pinned_close(&pinned);
	return false;
}

/* Our index of a map by its name, which the kernel cuts; PINNED_MAPS: it is none of ours. */
static int map_of(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int i = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return PINNED_MAPS;
	while (i < PINNED_MAPS && strncmp(names[i], info.name, sizeof(info.name) - 1) != 0)
		i++;
	return i;
}

bool pinned_inherit(struct pinned *out_pinned, const int *fds, uint32_t count, struct err *err)
{
	struct pinned pinned;

	for (int i = 0; i < PINNED_MAPS; i++)
		pinned.fds[i] = -1;
	for (uint32_t k = 0; k < count; k++) {
		int which = map_of(fds[k]);

		if (which < PINNED_MAPS && pinned.fds[which] < 0)
			pinned.fds[which] = fds[k];
		else
			close(fds[k]); /* of a version that has more of them */
	}
	for (int i = 0; i < PINNED_MAPS; i++)
		if (pinned.fds[i] < 0) {
			err_set(err, "the old shuntd did not give the map %s", names[i]);
			goto close_maps;
		}
	if (!is_of_our_abi(&pinned, "the old shuntd", err))
		goto close_maps;
	*out_pinned = pinned;
	return true;

close_maps:
	pinned_close(&pinned);
	return false;
}
