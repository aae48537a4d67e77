/*
 * reload.h - from the configuration file to a numbered snapshot, with its findings in the log.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"
#include "userspace/snapshot/snapshot.h"

struct reload_way {
	const char *state;                   /* a folder for what is to outlive us, or NULL */
	const struct resolution *resolution; /* NULL: names stand for nothing */
	uint64_t number;
	bool strict; /* also where a certificate is not valid now, which a daemon that has to serve
		      * only warns of */
};

/* NULL where anything is wrong: each finding is one line of the log. */
struct snapshot *reload_read(const char *file, const struct reload_way *way);
/* What that one was built from, once more, whatever is in the file meanwhile. */
struct snapshot *reload_again(const struct snapshot *before, const struct reload_way *way);
/* Takes up the keys of tickets and, once a snapshot, of cookies. False and findings where any
 * cannot be used. state: as in reload_way. */
bool reload_keys(struct snapshot *snapshot, const char *state, struct findings *findings);
/* Warns of what a running daemon does not follow until it is started again. */
void reload_warn_fixed(const struct node *before, const struct node *after);
/* Of listeners that need the fast path, which there is not. */
void reload_warn_unserved(const struct model *model);
