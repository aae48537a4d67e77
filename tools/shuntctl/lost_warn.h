/*
 * lost_warn.h - upstreams from which nobody gets an answer: requests go round in circles, or no
 * endpoint may have any.
 */
#pragma once
#include "tools/shuntctl/warnings.h"
#include "userspace/model/model.h"

void lost_warn(const struct model *model, struct warnings *out);
