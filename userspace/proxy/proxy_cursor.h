/*
 * proxy_cursor.h - round robin's place in each upstream; survives a change of snapshots.
 */
#pragma once
#include "userspace/proxy/session.h"

uint32_t *proxy_cursor(struct proxy *proxy, const struct upstream *upstream);
