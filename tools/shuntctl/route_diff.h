/*
 * route_diff.h - which routes differ between two configurations, and which users that moves.
 */
#pragma once
#include <jansson.h>

#include "userspace/snapshot/snapshot.h"

/*
 * {"routes": {"added", "removed", "changed": ["TABLE/NAME"]},
 *  "splits": [{"route", "moves"}]: users, or requests where nothing is sticky, that another
 * upstream gets, as parts of 1; counted among ten thousand by the code that decides for them,
 *  "sticky": [{"upstream", "moves", "must"}]: of those whose key or cookie leads them to an
 * endpoint,
 *  "details": [{"of", "key", "was", "is"}]: of routes, listeners, upstreams and the rest.
 */
json_t *route_diff(const struct snapshot *before, const struct snapshot *after);
