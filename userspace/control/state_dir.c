#include "userspace/control/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/must.h"

static const char *const files[] = { "persistence.key", "overrides.json" };

bool state_dir_open(const char *path, struct err *err)
{
	struct stat there;

	if (!path)
		return true;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the state directory %s", path);
	if (stat(path, &there) < 0 || !S_ISDIR(there.st_mode))
		return err_set(err, "the state directory %s is no directory", path);
	return true;
}

bool state_dir_hand_over(const char *path, const char *user, struct err *err)
{
	struct passwd *to = path && user ? getpwnam(user) : NULL;
	bool ok;
	int dir;

	if (!to || to->pw_uid == getuid())
		return true;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = dir >= 0 && fchown(dir, to->pw_uid, to->pw_gid) == 0;
	for (size_t i = 0; ok && i < ARRAY_LEN(files); i++)
		ok = fchownat(dir, files[i], to->pw_uid, to->pw_gid, AT_SYMLINK_NOFOLLOW) == 0 ||
		     errno == ENOENT;
	if (!ok)
		err_sys(err, "cannot give the state directory %s to user \"%s\"", path, user);
	if (dir >= 0)
		close(dir);
	return ok;
}
