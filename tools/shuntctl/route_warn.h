/*
 * route_warn.h - routes that make no mistake, but may not do what was meant.
 *
 * Each with a request as an example, which the router itself was asked about. Bounded: what a table
 * of 100,000 routes costs is near to nothing beside reading it.
 */
#pragma once
#include "tools/shuntctl/warnings.h"
#include "userspace/model/model.h"

void route_warn(const struct model *model, struct warnings *out);
