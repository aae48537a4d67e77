/*
 * abi.h - the contract with everybody who opens a map of ours.
 *
 * Only fixed-width types, padding named zero, sizes asserted. Pinned maps outlive the code that
 * made them: any change of a struct or a size below bpf/abi/ bumps ABI_VERSION.
 */
#pragma once
#include <linux/types.h>

#define ABI_VERSION 18

#define ABI_SIZE(type, bytes)                                                                      \
	_Static_assert(sizeof(type) == (bytes), #type " changed: bump ABI_VERSION")
