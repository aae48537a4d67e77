#include "userspace/control/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"

enum { SESSIONS_LEAST = 16, SESSIONS_MOST = 1 << 20, FILES_MOST = 1 << 21 };

/*
 * NET_ADMIN: routes, TCP_REPAIR; BPF: map updates where unprivileged bpf(2) is off; NET_RAW:
 * segments that end a splice; NET_BIND_SERVICE: listeners that a reload adds.
 */
static const cap_value_t kept_fast[] = { CAP_NET_ADMIN, CAP_BPF, CAP_NET_RAW,
					 CAP_NET_BIND_SERVICE };
static const cap_value_t kept_plain[] = { CAP_NET_BIND_SERVICE };

static bool may(cap_value_t what)
{
	cap_t now = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;

	if (now && cap_get_flag(now, what, CAP_EFFECTIVE, &has) < 0)
		has = CAP_CLEAR;
	cap_free(now);
	return has == CAP_SET;
}

bool privileges_have_fast_path(void)
{
	return may(CAP_NET_ADMIN) && (may(CAP_BPF) || may(CAP_SYS_ADMIN));
}

uint64_t privileges_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1024;
	if (files.rlim_cur < files.rlim_max) {
		rlim_t before = files.rlim_cur;

		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			files.rlim_cur = before;
	}
	return files.rlim_cur < FILES_MOST ? files.rlim_cur : FILES_MOST;
}

uint32_t privileges_sessions_max(uint64_t files, uint64_t others)
{
	uint64_t sessions = files > others ? (files - others) / 2 : 0;

	if (sessions < SESSIONS_LEAST)
		return SESSIONS_LEAST;
	return sessions < SESSIONS_MOST ? (uint32_t)sessions : SESSIONS_MOST;
}

bool privileges_join_cgroup(const char *dir, struct err *err)
{
	char path[4096], pid[32];
	int fd, len = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	bool ok;

	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= sizeof(path))
		return err_set(err, "the path of --cgroup is too long");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err,
			       "--cgroup %s is no cgroup v2 directory; make one with mkdir below "
			       "/sys/fs/cgroup",
			       dir);
	if (fd < 0)
		return err_sys(err, "cannot join the cgroup %s", dir);
	ok = write(fd, pid, (size_t)len) == len || err_sys(err, "cannot join the cgroup %s", dir);
	close(fd);
	return ok;
}

static bool become(const char *name, struct err *err)
{
	struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user)
		return err_set(err,
			       "there is no user \"%s\"; make one with useradd --system, or give "
			       "another --user",
			       name);
	if (user->pw_uid == getuid())
		return true;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || initgroups(name, user->pw_gid) < 0 ||
	    setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		return err_sys(err, "cannot become user \"%s\" (only root can)", name);
	return true;
}

/* Those of the list that we have; a user on a laptop has none and that is fine. */
static bool keep_only(const cap_value_t *list, size_t count, struct err *err)
{
	cap_t now = cap_get_proc(), next = cap_init();
	bool ok = now && next;

	for (size_t i = 0; ok && i < count; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (cap_get_flag(now, list[i], CAP_PERMITTED, &has) < 0 || has == CAP_CLEAR)
			continue;
		ok = cap_set_flag(next, CAP_PERMITTED, 1, &list[i], CAP_SET) == 0 &&
		     cap_set_flag(next, CAP_EFFECTIVE, 1, &list[i], CAP_SET) == 0;
	}
	ok = ok && cap_set_proc(next) == 0;
	if (!ok)
		err_sys(err, "cannot give up capabilities");
	cap_free(next);
	cap_free(now);
	return ok;
}

bool privileges_drop(const char *user, bool fast_path, struct err *err)
{
	if (user && !become(user, err))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "cannot forbid new privileges");
	return fast_path ? keep_only(kept_fast, ARRAY_LEN(kept_fast), err)
			 : keep_only(kept_plain, ARRAY_LEN(kept_plain), err);
}

/* Ambient capabilities are what survives exec for an ordinary user (capabilities(7)). */
void privileges_pass_on(bool on)
{
	cap_t now = cap_get_proc();

	if (!on)
		cap_reset_ambient();
	for (cap_value_t what = 0; now && what <= CAP_LAST_CAP; what++) {
		cap_flag_value_t has = CAP_CLEAR;

		cap_get_flag(now, what, CAP_PERMITTED, &has);
		cap_set_flag(now, CAP_INHERITABLE, 1, &what, on ? has : CAP_CLEAR);
	}
	if (!now || cap_set_proc(now) < 0)
		log_line(LOG_DEBUG, "cannot pass capabilities on");
	for (cap_value_t what = 0; on && what <= CAP_LAST_CAP; what++)
		if (may(what))
			cap_set_ambient(what, CAP_SET);
	cap_free(now);
}
