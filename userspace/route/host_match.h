/*
 * host_match.h - hosts against patterns: "www.example.com", "*.example.com", NULL for any.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/span.h"

/* pattern in lower case; "*." stands for one label or more (Gateway API). A last dot is ignored. */
bool host_match(const char *pattern, struct span host);
/* The more specific pattern has the higher rank: exact, then the longer wildcard, 0 for any. */
uint64_t host_rank(const char *pattern);
