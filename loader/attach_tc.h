/*
 * attach_tc.h - the egress program on a device's clsact, at a place of its own.
 */
#pragma once
#include "loader/attach.h"

bool attach_tc(const char *device, int program, struct err *err);
void detach_tc(uint32_t ifindex);
