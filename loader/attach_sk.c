#include "loader/attach_sk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "loader/pinning.h"

/* Updates the pinned link, or makes and pins one on target. */
static bool link_pinned(const char *pin_dir, const char *name, int program, int target,
			enum bpf_attach_type type)
{
	char path[PIN_PATH_MAX];
	int link, saved;

	if (!pinning_path(pin_dir, name, path))
		return false;
	link = bpf_obj_get(path);
	if (link >= 0) {
		int rc = bpf_link_update(link, program, NULL);

		saved = errno;
		close(link);
		errno = saved;
		if (rc == 0 || saved != ENOLINK)
			return rc == 0;
		unlink(path); /* its namespace or cgroup has gone */
	}
	link = bpf_link_create(program, target, type, NULL);
	if (link < 0)
		return false;
	if (bpf_obj_pin(link, path) == 0) {
		close(link);
		return true;
	}
	saved = errno;
	close(link);
	errno = saved;
	return false;
}

bool attach_sk_lookup(const char *pin_dir, int program, struct err *err)
{
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool done;

	if (ns < 0)
		return err_sys(err, "cannot open /proc/self/ns/net");
	done = link_pinned(pin_dir, PIN_LINK_SK_LOOKUP, program, ns, BPF_SK_LOOKUP);
	if (!done)
		err_sys(err, "cannot attach sk_lookup to this network namespace");
	close(ns);
	return done;
}

bool attach_sk_query(const char *pin_dir, int program, const char *cgroup, struct err *err)
{
	int dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done;

	if (dir < 0)
		return err_sys(err, "cannot open the cgroup %s", cgroup);
	done = link_pinned(pin_dir, PIN_LINK_SK_QUERY, program, dir, BPF_CGROUP_GETSOCKOPT);
	if (!done)
		err_sys(err, "cannot attach to the cgroup %s (it must be of cgroup v2)", cgroup);
	close(dir);
	return done;
}
