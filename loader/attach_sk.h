/*
 * attach_sk.h - programs that are not on a device: sk_lookup of this network namespace, getsockopt
 * of the daemon's cgroup. Both by pinned links.
 */
#pragma once
#include "loader/attach.h"

bool attach_sk_lookup(const char *pin_dir, int program, struct err *err);
bool attach_sk_query(const char *pin_dir, int program, const char *cgroup, struct err *err);
