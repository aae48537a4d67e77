/*
 * key_warn.h - upstreams that tell clients apart by what those of one of their listeners never
 * have: a tunnel has no request, and its TLS is the endpoint's.
 */
#pragma once
#include "tools/shuntctl/warnings.h"
#include "userspace/model/model.h"

/* One for each upstream at most, for the first such listener. */
void key_warn(const struct model *model, struct warnings *out);
