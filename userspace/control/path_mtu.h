/*
 * path_mtu.h - the largest segment that every classic endpoint's path takes.
 *
 * A client must not send larger ones, since after a splice they go to the endpoint as they are
 * (docs/splice.md). The kernel is asked for its route; nothing is sent.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"

uint32_t path_mtu_max_segment(const struct model *model); /* for TCP_MAXSEG; 0: unknown */
