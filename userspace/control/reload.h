/*
 * reload.h - from the configuration file to a numbered snapshot, with its findings in the log.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"
#include "userspace/snapshot/snapshot.h"

/* NULL where anything is wrong: each finding is one line of the log. state: a folder for what is to
 * outlive us, or NULL. strict: also where a certificate is not valid now, which a daemon that has
 * to serve only warns of. */
struct snapshot *reload_read(const char *file, const char *state, uint64_t number, bool strict);
/* Warns of what a running daemon does not follow until it is started again. */
void reload_warn_fixed(const struct node *before, const struct node *after);
/* Of listeners that need the fast path, which there is not. */
void reload_warn_unserved(const struct model *model);
