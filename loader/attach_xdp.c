#include "loader/attach_xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "bpf/abi/pins.h"
#include "loader/pinning.h"

static void link_name(uint32_t ifindex, char out[32])
{
	snprintf(out, 32, PIN_LINK_XDP "%u", ifindex);
}

/* Who is on the device already, for the sentence. */
static void describe_other(uint32_t ifindex, char *out, size_t len)
{
	struct xdp_multiprog *there = xdp_multiprog__get_from_ifindex((int)ifindex);
	const struct xdp_program *main_program;

	snprintf(out, len, "another program");
	if (libxdp_get_error(there))
		return;
	main_program = xdp_multiprog__is_legacy(there) ? xdp_multiprog__main_prog(there) : NULL;
	if (main_program)
		snprintf(out, len, "program \"%s\"",
			 xdp_program__name((struct xdp_program *)main_program));
	else
		snprintf(out, len, "libxdp's dispatcher with %d programs",
			 xdp_multiprog__program_count(there));
	xdp_multiprog__close(there);
}

static int create_link(int program, uint32_t ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
}

/* The same link gets the new program: no packet sees the device without one. ENOLINK: the link is
 * of a device that has gone. */
static int replace(const char *pin_dir, const char *name, int program)
{
	char path[PIN_PATH_MAX];
	int link, rc, saved;

	if (!pinning_path(pin_dir, name, path))
		return -1;
	link = bpf_obj_get(path);
	if (link < 0)
		return -1;
	rc = bpf_link_update(link, program, NULL);
	saved = errno;
	close(link);
	errno = saved;
	return rc;
}

static int link_with_fallback(const char *device, uint32_t ifindex, int program,
			      enum attach_mode mode, struct notices *notices)
{
	int link;

	if (mode == ATTACH_GENERIC)
		return create_link(program, ifindex, XDP_FLAGS_SKB_MODE);
	link = create_link(program, ifindex, XDP_FLAGS_DRV_MODE);
	if (link >= 0 || mode == ATTACH_NATIVE || errno == EBUSY || errno == EEXIST ||
	    errno == EPERM)
		return link;
	notice(notices,
	       "device %s has no native XDP (%s): attached in generic mode, which works "
	       "but is much slower",
	       device, strerror(errno));
	return create_link(program, ifindex, XDP_FLAGS_SKB_MODE);
}

bool attach_xdp(const char *pin_dir, const char *device, int program, enum attach_mode mode,
		struct notices *notices, struct err *err)
{
	uint32_t ifindex = if_nametoindex(device);
	char name[32], path[PIN_PATH_MAX], other[128];
	int link;

	if (!ifindex)
		return err_set(err,
			       "there is no device \"%s\"; `ip link` lists those of this network "
			       "namespace",
			       device);
	link_name(ifindex, name);
	if (pinning_has(pin_dir, name)) {
		if (replace(pin_dir, name, program) == 0)
			return true;
		if (errno != ENOLINK)
			return err_sys(err,
				       "cannot replace the XDP program of device %s, which keeps "
				       "the one that it has",
				       device);
		pinning_remove(pin_dir, name); /* of a device that has gone */
	}
	link = link_with_fallback(device, ifindex, program, mode, notices);
	if (link < 0 && (errno == EBUSY || errno == EEXIST)) {
		describe_other(ifindex, other, sizeof(other));
		return err_set(err,
			       "device %s has %s on XDP already; detach that first (`ip link set "
			       "dev %s xdp off`)",
			       device, other, device);
	}
	if (link < 0)
		return err_sys(err, "cannot attach XDP to device %s in %s mode", device,
			       mode == ATTACH_GENERIC ? "generic" : "native");
	if (!pinning_path(pin_dir, name, path) || bpf_obj_pin(link, path) < 0) {
		err_sys(err, "cannot pin the link of device %s at %s", device, path);
		close(link);
		return false;
	}
	close(link);
	return true;
}

void detach_xdp(const char *pin_dir, uint32_t ifindex)
{
	char name[32], path[PIN_PATH_MAX];
	int link;

	link_name(ifindex, name);
	link = pinning_path(pin_dir, name, path) ? bpf_obj_get(path) : -1;
	if (link >= 0) {
		/* The last reference would do it too, but some time later. */
		bpf_link_detach(link);
		close(link);
	}
	pinning_remove(pin_dir, name);
}

/* Of its device; 0: that has gone. */
static uint32_t link_ifindex(const char *pin_dir, const char *name)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PIN_PATH_MAX];
	int link = pinning_path(pin_dir, name, path) ? bpf_obj_get(path) : -1;
	bool known;

	if (link < 0)
		return 0;
	known = bpf_obj_get_info_by_fd(link, &info, &len) == 0;
	close(link);
	return known ? info.xdp.ifindex : 0;
}

bool attach_xdp_is(const char *pin_dir, uint32_t ifindex)
{
	char name[32];

	link_name(ifindex, name);
	return link_ifindex(pin_dir, name) == ifindex;
}

static void forget_gone(void *context, const char *name)
{
	if (!link_ifindex(context, name))
		pinning_remove(context, name);
}

void attach_xdp_forget_gone(const char *pin_dir)
{
	pinning_each(pin_dir, PIN_LINK_XDP, forget_gone, (void *)pin_dir);
}

bool attach_xdp_changes_mode(const char *pin_dir, uint32_t ifindex, enum attach_mode wanted)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if ((wanted != ATTACH_NATIVE && wanted != ATTACH_GENERIC) ||
	    !attach_xdp_is(pin_dir, ifindex) || bpf_xdp_query((int)ifindex, 0, &query) < 0)
		return false;
	return query.attach_mode == (wanted == ATTACH_NATIVE ? XDP_ATTACHED_SKB : XDP_ATTACHED_DRV);
}
