/*
 * path_match.h - normalised paths against patterns, by whole segments.
 */
#pragma once
#include "userspace/base/span.h"
#include "userspace/model/model.h"

/* A prefix "/v2" matches "/v2" and "/v2/x", not "/v20"; the prefix "" matches everything. */
bool path_match(enum path_kind kind, const char *pattern, struct span path);
