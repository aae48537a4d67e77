/*
 * daemon_parts.h - the process as a whole, whose parts are in several files (daemon*.c only).
 */
#pragma once
#include "userspace/control/daemon.h"
#include "userspace/control/serving.h"
#include "userspace/net/loop.h"

struct daemon {
	const struct arguments *arguments;
	struct loop *loop;
	struct log_control *log;
	struct fast_path *fast_path; /* NULL: plain proxy */
	struct serving *serving;
	struct admin *admin; /* NULL: could not be made, and nobody asked */
	struct config_watch *config;
	struct file_watch *files;
	struct succession *succession;
	struct health_watch *health;
	struct resolver *names; /* of endpoints */
	struct endpoint_control *endpoints;
	struct watchdog *watchdog; /* NULL: nobody asked, or it is not our turn */
	struct signals *signals;
	uint64_t number;  /* of the last snapshot */
	uint64_t refused; /* reloads */
	bool stopping, cutting;
	bool succeeded;    /* stopping, since another process serves in our place */
	bool reload_later; /* when it is known who serves */
	bool reopen_later; /* the log, if it is another process that serves */
};

uint32_t daemon_workers(const struct arguments *a, const struct node *node);
/* The first snapshot, as operators want its endpoints, when it is known what its names stand for.
 * NULL: there were findings. */
struct snapshot *daemon_first(struct daemon *d);
/* Reads the configuration; it is in effect on return, or when its names are known, or refused. */
void daemon_reload(struct daemon *d);
/* Operators want endpoints otherwise, of what is in effect: an endpoint_control hook. */
bool daemon_on_orders(void *context, struct err *err);
