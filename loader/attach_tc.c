#include "loader/attach_tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "loader/pinning.h"

/* Ours among filters of others: "shun" in letters, and a priority behind the usual ones. */
enum { TC_HANDLE = 0x7368, TC_PRIORITY = 0x7368 };

static bool attach(const char *device, enum bpf_tc_attach_point point, int program, struct err *err)
{
	uint32_t ifindex = if_nametoindex(device);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .prog_fd = program, .flags = BPF_TC_F_REPLACE);
	int rc = bpf_tc_hook_create(&hook);

	if (rc && rc != -EEXIST) {
		errno = -rc;
		return err_sys(err, "cannot make the clsact qdisc on device %s", device);
	}
	rc = bpf_tc_attach(&hook, &opts);
	if (rc) {
		errno = -rc;
		return err_sys(err, "cannot attach the %s program to device %s",
			       point == BPF_TC_EGRESS ? "egress" : "ingress", device);
	}
	return true;
}

/* The clsact stays: others may use it. */
static void detach(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	bpf_tc_detach(&hook, &opts);
}

bool attach_tc(const char *device, int program, struct err *err)
{
	return attach(device, BPF_TC_EGRESS, program, err);
}

void detach_tc(uint32_t ifindex)
{
	detach(ifindex, BPF_TC_EGRESS);
}

static void pin_name(uint32_t ifindex, char out[32])
{
	snprintf(out, 32, PIN_PROG_TC "%u", ifindex);
}

/* In the place of what is pinned there, which stays where this fails. */
static bool pin_over(const char *pin_dir, const char *name, int program)
{
	char path[PIN_PATH_MAX], new_name[40], new_path[PIN_PATH_MAX];

	snprintf(new_name, sizeof(new_name), "new_%s", name);
	if (!pinning_path(pin_dir, name, path) || !pinning_path(pin_dir, new_name, new_path))
		return false;
	unlink(new_path); /* of a loader that was killed */
	return bpf_obj_pin(program, new_path) == 0 && rename(new_path, path) == 0;
}

bool attach_tc_ingress(const char *pin_dir, const char *device, int program, struct err *err)
{
	uint32_t ifindex = if_nametoindex(device);
	char name[32];

	if (!ifindex)
		return err_set(err,
			       "there is no device \"%s\"; `ip link` lists those of this network "
			       "namespace",
			       device);
	if (!attach(device, BPF_TC_INGRESS, program, err))
		return false;
	pin_name(ifindex, name);
	if (pin_over(pin_dir, name, program))
		return true;
	err_sys(err, "cannot pin the program of device %s as %s", device, name);
	if (!pinning_has(pin_dir, name)) /* else this one has taken the place of another */
		detach(ifindex, BPF_TC_INGRESS);
	return false;
}

void detach_tc_ingress(const char *pin_dir, uint32_t ifindex)
{
	char name[32];

	pin_name(ifindex, name);
	if (!pinning_has(pin_dir, name))
		return;
	detach(ifindex, BPF_TC_INGRESS);
	pinning_remove(pin_dir, name);
}

bool attach_tc_ingress_is(const char *pin_dir, uint32_t ifindex)
{
	char name[32];

	pin_name(ifindex, name);
	return pinning_has(pin_dir, name);
}
