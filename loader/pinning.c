#include "loader/pinning.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS_DEFAULT "/sys/fs/bpf"

bool pinning_path(const char *dir, const char *name, char out[PIN_PATH_MAX])
{
	int n = snprintf(out, PIN_PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PIN_PATH_MAX;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned)fs.f_type == BPF_FS_MAGIC;
}

bool pinning_prepare(const char *dir, struct err *err)
{
	char parent[PIN_PATH_MAX];
	char *slash;

	if (!pinning_path(dir, "", parent) || dir[0] != '/')
		return err_set(err,
			       "pin directory \"%s\": expected an absolute path of at most %d "
			       "bytes",
			       dir, PIN_PATH_MAX - 64);
	parent[strlen(dir)] = 0;
	slash = strrchr(parent, '/');
	*(slash == parent ? slash + 1 : slash) = 0;
	if (!is_bpffs(parent) && strcmp(parent, BPFFS_DEFAULT) == 0 &&
	    mount("bpf", BPFFS_DEFAULT, "bpf", 0, "mode=0700") < 0)
		return err_sys(err, "cannot mount a bpffs at %s for pinned maps", BPFFS_DEFAULT);
	if (!is_bpffs(parent))
		return err_set(err,
			       "%s is no bpffs, so nothing can be pinned there; run `mount -t "
			       "bpf bpf %s` or name another --pin-dir",
			       parent, parent);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the pin directory %s", dir);
	return true;
}

bool pinning_has(const char *dir, const char *name)
{
	char path[PIN_PATH_MAX];

	return pinning_path(dir, name, path) && access(path, F_OK) == 0;
}

void pinning_remove(const char *dir, const char *name)
{
	char path[PIN_PATH_MAX];

	if (pinning_path(dir, name, path))
		unlink(path);
}

void pinning_remove_dir(const char *dir)
{
	rmdir(dir);
}

void pinning_each(const char *dir, const char *prefix,
		  void (*each)(void *context, const char *name), void *context)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			each(context, entry->d_name);
	closedir(d);
}
