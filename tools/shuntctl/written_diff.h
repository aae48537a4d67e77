/*
 * written_diff.h - which keys two configurations give otherwise, as they are written.
 *
 * Pure. Who comes and goes is for others to say; so are endpoints and server names, one by one.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "userspace/model/model.h"

bool written_same(const struct yaml *a, const struct yaml *b);
/* Adds {"of", "key", "was", "is"} for each key; was or is are null where it is not given. NULL:
 * there is nothing. */
void written_differ(json_t *list, const char *of, const struct yaml *was, const struct yaml *is);
/* Of all but routes. */
void written_diff(json_t *list, const struct model *before, const struct model *after);
