/*
 * health.h - which endpoints are fit for use: their probes, and what follows from them.
 *
 * Endpoints of packet listeners are asked through their tunnels, others by plain connections. One
 * that is down gets no new connections; each change is logged. Control thread.
 */
#pragma once
#include "userspace/control/fast_path.h"
#include "userspace/net/loop.h"
#include "userspace/snapshot/snapshot.h"

struct health_watch;

/* fast_path is borrowed; NULL: a plain proxy. */
struct health_watch *health_watch_create(struct loop *loop, struct fast_path *fast_path);
void health_watch_destroy(struct health_watch *watch); /* accepts NULL */
/* It is about to be in effect: nobody shall take who is down for up until it is followed. */
void health_watch_foretell(const struct health_watch *watch, struct snapshot *snapshot);
/* The snapshot is in effect. */
void health_watch_follow(struct health_watch *watch, struct snapshot *snapshot);
/* The state of each endpoint that is checked, as JSON, malloc'ed. */
char *health_watch_print(const struct health_watch *watch);
