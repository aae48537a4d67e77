/*
 * check_device.h - looks at one device: what breaks XDP on it, and what would make it faster.
 */
#pragma once
#include <stdbool.h>

#include "loader/check_judge.h"
#include "userspace/base/addr.h"
#include "userspace/base/err.h"

/* tunnel: node.tunnel_address, whose family says what a wrapping costs; NULL: no tunnels. False
 * and *err where the device cannot be looked at. */
bool check_device(const char *device, const struct addr *tunnel,
		  struct check_findings *out_findings, struct err *err);
/* To standard output. */
void check_device_print(const char *device, const struct check_findings *findings, bool json);
