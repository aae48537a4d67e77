/*
 * revision.h - configurations by what they are called: a file, or "@N", which was in effect as
 * revision N; "@0" is in effect.
 */
#pragma once
#include "tools/shuntctl/admin_get.h"
#include "userspace/model/model.h"

/* NULL and *err; what is wrong with a file goes to stderr, but for the last sentence. */
struct model *revision_load(const struct admin_at *admin, const char *name, struct err *err);
