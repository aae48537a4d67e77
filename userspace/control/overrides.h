/*
 * overrides.h - what operators want of endpoints beside what is configured, until they take it
 * back.
 *
 * Names endpoints as people do: by upstream, address and vpc; so an override outlives reloads, also
 * such as do not have its endpoint, and is kept in a file. Knows nothing of who obeys. Time comes
 * as an argument, in seconds since 1970: it must mean the same after a restart. Control thread.
 */
#pragma once
#include <jansson.h>

#include "userspace/base/err.h"
#include "userspace/snapshot/snapshot.h"

enum { OVERRIDES_MAX = 1024, OVERRIDE_DRAIN_MAX_S = 30 * 86400 };

struct overrides;

struct overrides *overrides_create(void);
void overrides_destroy(struct overrides *all); /* accepts NULL */

/* Who asks. */
struct overrides_by {
	uint32_t uid, pid;
	uint64_t now_s;
};

/*
 * {"upstream", "endpoint", "vpc" where it is in one, "set": "weight" with "weight": 0 to 1000, or
 * "drain" with "for_s" where that is to end, or "disable", "enable", "reset"}. True: *out_said, of
 * ERR_TEXT_MAX, is what has changed, for the log. False: nothing has changed.
 */
bool overrides_change(struct overrides *all, const struct model *model, const json_t *wish,
		      const struct overrides_by *by, char *out_said, struct err *err);
/* As it was before the last change that succeeded. */
void overrides_undo(struct overrides *all);

uint32_t overrides_count(const struct overrides *all);
/* Over what stands there. */
void overrides_apply(const struct overrides *all, const struct model *model,
		     struct endpoint_order *orders);
/* Draining ends: those are off from then on. Whether there were any; each is said in the log. */
bool overrides_expire(struct overrides *all, uint64_t now_s);
/* When the next one's draining ends; 0: none's. */
uint64_t overrides_next_s(const struct overrides *all);

/* A list of all, for status and for the file. */
json_t *overrides_list(const struct overrides *all);
/* What an endpoint is overridden by, borrowed from such a list, or NULL. */
const json_t *overrides_find(const json_t *list, const struct upstream *u,
			     const struct endpoint *e);
/* Replaces all; what is odd is left out. Whether nothing was. */
bool overrides_read(struct overrides *all, const json_t *list);
