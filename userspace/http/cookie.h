/*
 * cookie.h - the pairs of a Cookie field (RFC 6265, 4.2 and 5.4). Pure.
 */
#pragma once
#include <stdbool.h>

#include "userspace/base/span.h"

/* The next pair, without the blanks around it; one without "=" is a value without a name. */
bool cookie_take(struct span *rest, struct span *out_name, struct span *out_value);
/* Takes all pairs of that name out of a field's value, in its place; returns what is left of it. */
size_t cookie_strip(char *value, size_t len, struct span name);
