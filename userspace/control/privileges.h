/*
 * privileges.h - what the process may do, what it may open, and how it gives that up.
 *
 * Capabilities and identity are of threads: drop before any thread is started.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"

/* May it load programs and change maps and devices? */
bool privileges_have_fast_path(void);

/* Raises RLIMIT_NOFILE to its hard limit; returns what may be open now. */
uint64_t privileges_raise_files(void);

/* Sessions that fit: two descriptors each, beside what else is open. At least 16. */
uint32_t privileges_sessions_max(uint64_t files, uint64_t others);

/* Moves the process into a cgroup v2 directory; sockets belong to where they were made. */
bool privileges_join_cgroup(const char *dir, struct err *err);

/* user NULL: stay who we are. Only what serving needs is kept; without any, nothing changes. */
bool privileges_drop(const char *user, bool fast_path, struct err *err);

/* Whether a program that this thread starts has our capabilities too, whoever we are. Best effort.
 */
void privileges_pass_on(bool on);
