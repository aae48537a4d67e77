/*
 * upstreams.h - what all workers have under way with each upstream, and whom of it they leave
 * alone, as JSON. Any thread.
 */
#pragma once
#include "userspace/snapshot/snapshot.h"

/* An array, one for each upstream; malloc'ed, NULL without memory. */
char *upstreams_print(const struct snapshot *snapshot, uint64_t now_ms);
