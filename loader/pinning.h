/*
 * pinning.h - the directory of a bpffs under which everything of one node is pinned.
 *
 * Knows paths and file systems. Knows nothing of what the pins are for.
 */
#pragma once
#include <stdbool.h>

#include "userspace/base/err.h"

enum { PIN_PATH_MAX = 512 };

/* Makes the directory; mounts a bpffs where the path is below /sys/fs/bpf and none is there. */
bool pinning_prepare(const char *dir, struct err *err);
/* dir/name into out; false where it is too long. */
bool pinning_path(const char *dir, const char *name, char out[PIN_PATH_MAX]);
bool pinning_has(const char *dir, const char *name);
void pinning_remove(const char *dir, const char *name); /* no error where it is not there */
/* The directory itself, when it is empty. */
void pinning_remove_dir(const char *dir);
/* Calls with each name that begins so. */
void pinning_each(const char *dir, const char *prefix,
		  void (*each)(void *context, const char *name), void *context);
