/*
 * router.h - from a request to a route.
 *
 * Knows the precedence (that of the Kubernetes Gateway API: most specific host, exact path, longest
 * prefix, method, number of header matches, order of writing). Pure: takes spans, touches nothing.
 * The table is sorted when the model is built, so the first that matches is the one.
 */
#pragma once
#include "userspace/base/span.h"
#include "userspace/model/model.h"

struct route_request {
	struct span host; /* without port, any case */
	struct span path; /* normalised, without query */
	struct span method;
	/* Value of a field (name in lower case), at NULL where absent. */
	struct span (*field)(const void *context, struct span name);
	const void *context;
};

/* NULL where no route matches. Any thread. */
const struct route *router_find(const struct route_table *table, const struct route_request *req);
/* For sorting when a table is built: negative where a comes before b. */
int router_compare(const struct route *a, const struct route *b);
/* For tls-passthrough: exact, then longest "*." suffix, then "default"; NULL where none. */
const struct upstream *router_find_sni(const struct listener *listener, struct span name);
