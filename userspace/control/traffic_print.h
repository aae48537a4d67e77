/*
 * traffic_print.h - packets by reason, listener and endpoint, as JSON. Pure.
 */
#pragma once
#include "userspace/dataplane/traffic.h"

/* Malloc'ed; NULL without memory. Reasons and listeners that saw nothing are in it too. */
char *traffic_print(const struct traffic *traffic, const struct model *model);
