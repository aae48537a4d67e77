/*
 * attach_tc.h - our programs on a device's clsact, at a place of their own.
 */
#pragma once
#include "loader/attach.h"

/* The egress program, which every device has. */
bool attach_tc(const char *device, int program, struct err *err);
void detach_tc(uint32_t ifindex);

/* The ingress program, in place of XDP; its pin says that the device has it. */
bool attach_tc_ingress(const char *pin_dir, const char *device, int program, struct err *err);
void detach_tc_ingress(const char *pin_dir, uint32_t ifindex);
bool attach_tc_ingress_is(const char *pin_dir, uint32_t ifindex);
