/*
 * value_match.h - values of a request against what a route wants of them.
 *
 * Knows where cookies (RFC 6265, 5.4) and parameters of a query ("a=1&b=2") stand. Of several of
 * one name the first counts. Pure.
 */
#pragma once
#include "userspace/model/model.h"

/* Longer values of parameters are cut for exact matches and prefixes, and match no expression. */
enum { QUERY_VALUE_MAX = 2048 };

/* value.at is NULL where there is none. Negated, an expression that gave up is not met either. */
bool value_match(const struct value_match *want, struct span value);
/* at is NULL where there is none of that name. */
struct span cookie_value(struct span cookies, struct span name);
/* Decoded, into out where it has to be: "%41" and "+". */
struct span query_value(struct span query, struct span name, char out[QUERY_VALUE_MAX]);
