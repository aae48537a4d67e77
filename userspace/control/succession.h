/*
 * succession.h - one shuntd takes another's place: what each does, in which order.
 *
 * Either side of it: the new process receives, opens the rest and says that it is ready; the old
 * one then stops accepting and splicing, hands the splices over, and ends when its sessions have
 * ended. Up to "ready" the old one serves as if nothing happened. Control thread only.
 */
#pragma once
#include <stdbool.h>

#include "userspace/base/err.h"
#include "userspace/control/admin.h"
#include "userspace/control/fast_path.h"
#include "userspace/control/inherited.h"
#include "userspace/control/serving.h"
#include "userspace/net/loop.h"

struct succession;

/* What changes hands. fast_path and admin may be NULL. */
struct succession_parts {
	struct serving *serving;
	struct fast_path *fast_path;
	struct admin *admin;
};

struct succession_hooks {
	void (*on_turn)(void *context);  /* we serve from now on; at once where nobody did before */
	void (*on_stay)(void *context);  /* the new process has failed: all is as before */
	void (*on_leave)(void *context); /* the new one serves: our sessions have to end */
	/* The new one has ended already, and the listeners with it: nobody serves. */
	void (*on_lost)(void *context);
	void *context;
};

/* argv: as we were started. Early: takes what the process before us gives. */
struct succession *succession_create(struct loop *loop, char *const *argv,
				     const struct succession_hooks *hooks, struct err *err);
struct inherited *succession_inherited(const struct succession *s); /* NULL: nothing */
/* Everything is open: calls on_turn, now or when the old process lets go. */
bool succession_ready(struct succession *s, const struct succession_parts *parts, struct err *err);
/* Starts a new process in our place; says in the log what becomes of that. */
void succession_begin(struct succession *s);
/* Sockets and configuration must not change now. */
bool succession_is_under_way(const struct succession *s);
/* To the process that serves in our place, if there is one. */
void succession_pass_on(const struct succession *s, int signal);
/* We are to end: a new process that is not ready is ended first. Accepts NULL. */
void succession_cancel(struct succession *s);
void succession_destroy(struct succession *s); /* accepts NULL */
