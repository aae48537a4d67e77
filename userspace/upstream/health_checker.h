/*
 * health_checker.h - probes all endpoints whose upstreams want it, and says which are up and down.
 *
 * One for the process, on the control thread's loop. Knows when; how to get to an endpoint and what
 * follows from a change, the hooks know.
 */
#pragma once
#include "userspace/snapshot/snapshot.h"
#include "userspace/upstream/health_probe.h"

/* Under way at once, one file each; the rest waits its turn. So many as to ask 10,000 every 5 s on
 * time even where all are silent for a second, and then their hosts. */
enum { HEALTH_PROBES_MAX = 4096 };

struct health_checker;

struct health_hooks {
	/* False: there is no way now, which is a result; *err says why. */
	bool (*way)(void *context, const struct upstream *upstream, const struct endpoint *endpoint,
		    struct health_way *out_way, struct err *err);
	/* Whether it is down now; also after the first result, and for all that a snapshot keeps.
	 */
	void (*on_change)(void *context, const struct upstream *upstream,
			  const struct endpoint *endpoint, const struct health_state *state);
	void *context;
};

struct health_checker *health_checker_create(struct loop *loop, const struct health_hooks *hooks,
					     uint32_t seed);
void health_checker_destroy(struct health_checker *checker); /* accepts NULL */
/* These endpoints from now on; what is known of those that stay is kept. Takes a reference. */
void health_checker_follow(struct health_checker *checker, struct snapshot *snapshot);
/* What is known of that endpoint of a snapshot that is not followed yet; NULL: nothing. */
const struct health_state *health_checker_recall(const struct health_checker *checker,
						 const struct upstream *upstream,
						 const struct endpoint *endpoint);
/* NULL: it is not checked. Index as in the snapshot that is followed. */
const struct health_state *health_checker_find(const struct health_checker *checker,
					       uint32_t endpoint);
