/*
 * route_warn.h - routes that make no mistake, but may not do what was meant.
 *
 * Each with a request as an example, which the router itself was asked about. Bounded: what a table
 * of 100,000 routes costs is near to nothing beside reading it.
 */
#pragma once
#include "userspace/model/model.h"

enum { ROUTE_WARNINGS_MAX = 20, ROUTE_WARNING_BYTES = 768 };

struct route_warnings {
	char list[ROUTE_WARNINGS_MAX][ROUTE_WARNING_BYTES];
	uint32_t count, more;
};

void route_warn(const struct model *model, struct route_warnings *out);
