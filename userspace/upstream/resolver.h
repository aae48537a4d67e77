/*
 * resolver.h - what the names of a configuration stand for, looked up again as answers expire.
 *
 * The last good answer is kept for as long as nobody has a better one. Knows nothing of snapshots:
 * who has made the model anew is told when that would make a difference. Control thread.
 */
#pragma once
#include "userspace/model/model.h"
#include "userspace/net/loop.h"
#include "userspace/upstream/name_set.h"

struct resolver;

struct resolver_hooks {
	/* Each name that was wanted has been looked up, or has had RESOLVER_WAIT_MS for it. Once
	 * after each resolver_want that returned false. */
	void (*on_ready)(void *context);
	/* Names stand for something else now. At most once in NAME_PAUSE_MS, and more seldom while
	 * they change all the time (name_set.h). */
	void (*on_change)(void *context);
	/* Whether what an answer does not have any more is known to serve well, and so may stay for
	 * as long as dns.hold_ms says. */
	bool (*may_hold)(void *context, enum name_kind kind, const char *name,
			 const struct name_answer *answer);
	void *context;
};

enum { RESOLVER_WAIT_MS = 5000 };

struct resolver *resolver_create(struct loop *loop, const struct resolver_hooks *hooks);
void resolver_destroy(struct resolver *resolver); /* accepts NULL */
/*
 * Begins to look up the model's names, in the way that it says, beside those of before. True: all
 * are known or have had their time, so the model can be built. False where name servers cannot be
 * asked at all, too; then *err says why, else it is "".
 */
bool resolver_want(struct resolver *resolver, const struct model *model, struct err *err);
/* This model is in effect: only its names from now on. */
void resolver_follow(struct resolver *resolver, const struct model *model);
/* Valid until the resolver ends. */
const struct resolution *resolver_resolution(const struct resolver *resolver);

/* One name, for people. */
struct resolver_name {
	const char *text;
	enum name_kind kind;
	const struct name_set *set;
	bool answered;        /* at least once */
	bool failing;         /* the last look-up did not do; what was known before is kept */
	const char *why;      /* it is failing */
	uint64_t answered_ms; /* when the answer came that is in use */
	uint64_t due_ms;      /* when it is asked again */
	uint64_t tell_ms;     /* when a change takes effect that waits; 0: none does */
	uint64_t lookups, failures;
};

/* on_name is called for each, in no order; what it gets is valid during the call. */
void resolver_each(const struct resolver *resolver,
		   void (*on_name)(void *context, const struct resolver_name *name), void *context);
