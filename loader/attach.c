#include "loader/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/sizes.h"
#include "loader/attach_sk.h"
#include "loader/attach_tc.h"
#include "loader/attach_xdp.h"
#include "loader/objects.h"
#include "loader/pinning.h"
#include "userspace/base/must.h"
#include "userspace/net/netlink.h"

void notice(struct notices *notices, const char *fmt, ...)
{
	va_list args;

	if (notices->count == NOTICES_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(notices->list[notices->count++].text, ERR_TEXT_MAX, fmt, args);
	va_end(args);
}

static bool attach_devices(const struct attach_options *o, const struct objects *objects,
			   struct notices *notices, struct err *err)
{
	for (uint32_t i = 0; i < o->device_count; i++)
		if (!attach_xdp(o->pin_dir, o->devices[i], objects_program(objects, OBJECT_XDP),
				o->mode, notices, err) ||
		    !attach_tc(o->devices[i], objects_program(objects, OBJECT_TC), err))
			return false;
	return true;
}

bool attach_all(const struct attach_options *o, struct notices *out_notices, struct err *err)
{
	struct objects *objects;
	bool fresh = !attach_is(o->pin_dir), done;

	out_notices->count = 0;
	if (!pinning_prepare(o->pin_dir, err))
		return false;
	objects = objects_load(o->pin_dir, err);
	done = objects &&
	       attach_sk_lookup(o->pin_dir, objects_program(objects, OBJECT_STEER), err) &&
	       (!o->cgroup || attach_sk_query(o->pin_dir, objects_program(objects, OBJECT_QUERY),
					      o->cgroup, err)) &&
	       attach_devices(o, objects, out_notices, err);
	objects_close(objects);
	/* Nothing half-attached is left; what was there before is left alone. */
	if (!done && fresh)
		attach_undo(o->pin_dir, NULL, NULL);
	return done;
}

struct undo {
	const char *pin_dir;
	uint32_t only; /* ifindex, 0: all */
	uint32_t done;
};

static void undo_device(void *context, const char *name)
{
	struct undo *undo = context;
	uint32_t ifindex = (uint32_t)strtoul(name + strlen(PIN_LINK_XDP), NULL, 10);

	if (undo->only && undo->only != ifindex)
		return;
	detach_tc(ifindex);
	detach_xdp(undo->pin_dir, ifindex);
	undo->done++;
}

/* Of vips: without programs the stack would answer for them. Best effort, nothing depends on it. */
static void remove_local_routes(void)
{
	struct netlink *nl = netlink_open(NULL);
	struct addr *ours = nl ? must_alloc(VIPS_MAX * sizeof(*ours)) : NULL;
	uint32_t count = nl ? netlink_local_routes(nl, ours, VIPS_MAX) : 0;

	for (uint32_t i = 0; i < count; i++)
		netlink_local_route(nl, &ours[i], false, NULL);
	free(ours);
	netlink_close(nl);
}

bool attach_undo(const char *pin_dir, const char *device, struct err *err)
{
	struct undo undo = { .pin_dir = pin_dir };

	if (device) {
		undo.only = if_nametoindex(device);
		if (!undo.only)
			return err_set(err, "there is no device \"%s\"", device);
	}
	pinning_each(pin_dir, PIN_LINK_XDP, undo_device, &undo);
	if (device)
		return undo.done > 0 ||
		       err_set(err, "device %s has nothing of ours attached", device);
	pinning_remove(pin_dir, PIN_LINK_SK_LOOKUP);
	pinning_remove(pin_dir, PIN_LINK_SK_QUERY);
	objects_unpin_maps(pin_dir);
	remove_local_routes();
	pinning_remove_dir(pin_dir);
	return true;
}

bool attach_is(const char *pin_dir)
{
	return pinning_has(pin_dir, PIN_SETTINGS);
}

struct listing {
	const char *pin_dir;
	struct attached *devices;
	uint32_t count;
};

static void list_device(void *context, const char *name)
{
	struct listing *listing = context;
	struct attached *a = &listing->devices[listing->count];
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (listing->count == ATTACH_DEVICES_MAX)
		return;
	*a = (struct attached){ .ifindex =
					(uint32_t)strtoul(name + strlen(PIN_LINK_XDP), NULL, 10) };
	if (!if_indextoname(a->ifindex, a->device))
		return; /* it has gone, or is of another namespace */
	if (bpf_xdp_query((int)a->ifindex, 0, &query) == 0) {
		a->program_id = query.prog_id;
		a->native = query.attach_mode == XDP_ATTACHED_DRV;
	}
	listing->count++;
}

uint32_t attach_status(const char *pin_dir, struct attached out_devices[ATTACH_DEVICES_MAX])
{
	struct listing listing = { .pin_dir = pin_dir, .devices = out_devices };

	pinning_each(pin_dir, PIN_LINK_XDP, list_device, &listing);
	return listing.count;
}
