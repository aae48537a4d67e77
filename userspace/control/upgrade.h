/*
 * upgrade.h - the old process's part of an upgrade: starts the new one, gives it our sockets and
 * maps, and waits until it has opened everything.
 *
 * Until it is ready nothing changes here: a new process that fails, ends or is silent costs
 * nothing. Knows the protocol and the child; what follows from its being ready, hooks decide.
 * Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/err.h"
#include "userspace/control/listen_table.h"
#include "userspace/net/loop.h"

enum { UPGRADE_PATIENCE_MS = 120000 };

struct upgrade;

struct upgrade_options {
	struct loop *loop;
	char *const *argv; /* as we were started */
	uint32_t patience_ms;
	/* taken[i]: it serves the i-th place of the table. Followed by upgrade_yours. */
	void (*on_ready)(void *context, const bool *taken);
	/* It was ready and has ended before us. */
	void (*on_lost)(void *context, const char *why);
	/* It has ended, by itself or by us; why is what became of it. */
	void (*on_failed)(void *context, const char *why);
	void *context;
};

/* What is given; stays ours too, and must not change before one of the hooks is called. */
struct upgrade_goods {
	const struct listen_table *table;
	int admin; /* -1: none */
	const int *maps;
	uint32_t map_count; /* 0: no fast path */
};

/* Early: remembers which file we were started from, as a later one may have its name. */
struct upgrade *upgrade_create(const struct upgrade_options *options);
const char *upgrade_program(const struct upgrade *upgrade);
/* False where one is under way, or the program cannot be started. */
bool upgrade_begin(struct upgrade *upgrade, const struct upgrade_goods *goods, struct err *err);
bool upgrade_is_under_way(const struct upgrade *upgrade); /* neither ready nor failed yet */
pid_t upgrade_pid(const struct upgrade *upgrade);
void upgrade_signal(const struct upgrade *upgrade, int signal); /* where it is ready, and runs */
/* The new process may accept. It learns of our end when we have ended. */
void upgrade_yours(struct upgrade *upgrade);
/* Ends a new process that is not ready yet, without on_failed; accepts NULL. */
void upgrade_destroy(struct upgrade *upgrade);
