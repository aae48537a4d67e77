/*
 * attach_xdp.h - one XDP program on one device, by a pinned link.
 *
 * libxdp's dispatcher (several programs a device) needs programs of type freplace, which many
 * kernels refuse; so the device is ours alone, and another's program there is named and refused.
 */
#pragma once
#include "loader/attach.h"

bool attach_xdp(const char *pin_dir, const char *device, int program, enum attach_mode mode,
		struct notices *notices, struct err *err);
bool attach_xdp_is(const char *pin_dir, uint32_t ifindex);
/* Pins of devices that are no more. */
void attach_xdp_forget_gone(const char *pin_dir);
void detach_xdp(const char *pin_dir, uint32_t ifindex);
/* Whether it has a program of ours natively, and generic is wanted, or the other way round. */
bool attach_xdp_changes_mode(const char *pin_dir, uint32_t ifindex, enum attach_mode wanted);
