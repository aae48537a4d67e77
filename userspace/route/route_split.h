/*
 * route_split.h - which of a route's upstreams a request goes to, by weight.
 *
 * Knows no state: the same user gets the same upstream on every node and after every restart. Each
 * share draws a number of its own for a user, and the best one has it (rendezvous hashing with
 * weights), so users move only to shares that grow and from shares that shrink.
 */
#pragma once
#include "userspace/route/router.h"

/* route: of action ROUTE_UPSTREAM. chance: any number, for those that are nobody's. NULL where all
 * weights are 0. */
const struct upstream *route_split(const struct route *route, const struct route_request *req,
				   uint64_t chance);
/* Also by what it was told apart: STICKY_CLIENT where it has not the cookie or field, STICKY_NONE
 * by chance, or where there is nothing to split. */
const struct upstream *route_split_by(const struct route *route, const struct route_request *req,
				      uint64_t chance, enum sticky *out_by);
