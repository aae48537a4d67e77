/*
 * explain_parts.h - what is told alike of a request that may come and of one that came, as JSON.
 * Pure.
 */
#pragma once
#include <jansson.h>

#include "userspace/proxy/explain.h"

/* null where text.at is. */
json_t *explain_part_text(struct span text);
/* Nothing where nothing is wrong. detail: empty where there is none. */
void explain_part_because(json_t *all, enum end_reason end, struct span detail);
void explain_part_listener(json_t *all, const struct listener *listener);
/* taken: NULL where no route was. */
json_t *explain_part_candidate(const struct route_try *tried, const struct route *taken);
/* upstream: of the share that has it; by: by what that was found. */
void explain_part_split(json_t *all, const struct route *route, const struct upstream *upstream,
			enum sticky by);
/* What the route changes of requests and answers: names and places, no values. */
void explain_part_changes(json_t *all, const struct route *route);
