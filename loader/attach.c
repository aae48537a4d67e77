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
#include "loader/attach_pick.h"
#include "loader/attach_sk.h"
#include "loader/attach_tc.h"
#include "loader/attach_xdp.h"
#include "loader/objects.h"
#include "loader/pinning.h"
#include "loader/sizing.h"
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

/* The other hook is left only when this one works: no packet is without a program. */
static bool attach_device(const struct attach_options *o, const char *device, enum attach_mode mode,
			  const struct objects *objects, struct notices *notices, struct err *err)
{
	if (!attach_tc(device, objects_program(objects, OBJECT_TC), err))
		return false;
	if (mode == ATTACH_TC) {
		if (!attach_tc_ingress(o->pin_dir, device,
				       objects_program(objects, OBJECT_TC_INGRESS), err))
			return false;
		detach_xdp(o->pin_dir, if_nametoindex(device));
		return true;
	}
	/* A device cannot have both: tc serves in between, and is left where the other is refused.
	 */
	if (attach_xdp_changes_mode(o->pin_dir, if_nametoindex(device), mode)) {
		if (!attach_tc_ingress(o->pin_dir, device,
				       objects_program(objects, OBJECT_TC_INGRESS), err))
			return false;
		detach_xdp(o->pin_dir, if_nametoindex(device));
	}
	if (!attach_xdp(o->pin_dir, device, objects_program(objects, OBJECT_XDP), mode, notices,
			err))
		return false;
	detach_tc_ingress(o->pin_dir, if_nametoindex(device));
	return true;
}

static bool attach_hooks(const struct attach_options *o, const enum attach_mode *modes,
			 const struct objects *objects, struct notices *notices, struct err *err)
{
	if (!attach_sk_lookup(o->pin_dir, objects_program(objects, OBJECT_STEER), err))
		return false;
	if (o->cgroup &&
	    !attach_sk_query(o->pin_dir, objects_program(objects, OBJECT_QUERY), o->cgroup, err))
		return false;
	for (uint32_t i = 0; i < o->device_count; i++)
		if (!attach_device(o, o->devices[i], modes[i], objects, notices, err))
			return false;
	return true;
}

bool attach_all(const struct attach_options *o, struct notices *out_notices, struct err *err)
{
	bool fresh = !attach_is(o->pin_dir), tc = false, done;
	enum attach_mode modes[ATTACH_DEVICES_MAX];
	struct map_sizes usual = sizing_usual();
	struct objects *objects;

	out_notices->count = 0;
	for (uint32_t i = 0; i < o->device_count; i++) {
		modes[i] = attach_pick(o->pin_dir, o->devices[i], o->mode, out_notices);
		tc = tc || modes[i] == ATTACH_TC ||
		     attach_xdp_changes_mode(o->pin_dir, if_nametoindex(o->devices[i]), modes[i]);
	}
	if (!pinning_prepare(o->pin_dir, err))
		return false;
	objects = objects_load(o->pin_dir, tc, o->sizes ? o->sizes : &usual, err);
	done = objects && attach_hooks(o, modes, objects, out_notices, err);
	objects_close(objects);
	attach_xdp_forget_gone(o->pin_dir);
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

/* Behind either prefix; the names have no other digits. */
static uint32_t index_of(const char *name)
{
	return (uint32_t)strtoul(name + strcspn(name, "0123456789"), NULL, 10);
}

static void undo_device(void *context, const char *name)
{
	struct undo *undo = context;
	uint32_t ifindex = index_of(name);

	if (undo->only && undo->only != ifindex)
		return;
	detach_tc(ifindex);
	detach_tc_ingress(undo->pin_dir, ifindex);
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
	pinning_each(pin_dir, PIN_PROG_TC, undo_device, &undo);
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

static struct attached *list_next(struct listing *listing, const char *name)
{
	struct attached *a = &listing->devices[listing->count];

	if (listing->count == ATTACH_DEVICES_MAX)
		return NULL;
	*a = (struct attached){ .ifindex = index_of(name) };
	if (!if_indextoname(a->ifindex, a->device))
		return NULL; /* it has gone, or is of another namespace */
	listing->count++;
	return a;
}

static void list_xdp(void *context, const char *name)
{
	struct listing *listing = context;
	struct attached *a;
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	/* Its number may be another device's now. */
	a = attach_xdp_is(listing->pin_dir, index_of(name)) ? list_next(listing, name) : NULL;
	if (!a)
		return;
	a->mode = ATTACH_GENERIC;
	if (bpf_xdp_query((int)a->ifindex, 0, &query) == 0) {
		a->program_id = query.prog_id;
		a->mode = query.attach_mode == XDP_ATTACHED_DRV ? ATTACH_NATIVE : ATTACH_GENERIC;
	}
}

static void list_tc(void *context, const char *name)
{
	struct listing *listing = context;
	struct attached *a = list_next(context, name);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PIN_PATH_MAX];
	int fd;

	if (!a)
		return;
	a->mode = ATTACH_TC;
	fd = pinning_path(listing->pin_dir, name, path) ? bpf_obj_get(path) : -1;
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		a->program_id = info.id;
	close(fd);
}

uint32_t attach_status(const char *pin_dir, struct attached out_devices[ATTACH_DEVICES_MAX])
{
	struct listing listing = { .pin_dir = pin_dir, .devices = out_devices };

	pinning_each(pin_dir, PIN_LINK_XDP, list_xdp, &listing);
	pinning_each(pin_dir, PIN_PROG_TC, list_tc, &listing);
	return listing.count;
}
