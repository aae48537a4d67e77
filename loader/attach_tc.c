#include "loader/attach_tc.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>

/* Ours among filters of others: "shun" in letters, and a priority behind the usual ones. */
enum { TC_HANDLE = 0x7368, TC_PRIORITY = 0x7368 };

bool attach_tc(const char *device, int program, struct err *err)
{
	uint32_t ifindex = if_nametoindex(device);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
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
		return err_sys(err, "cannot attach the egress program to device %s", device);
	}
	return true;
}

void detach_tc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	bpf_tc_detach(&hook, &opts); /* the clsact stays: others may use it */
}
