/*
 * xdp_features.h - what a device's driver can do with XDP, as the kernel says (netdev family of
 * generic netlink, Linux 6.3; libbpf knows it since 1.3 only).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum xdp_feature { XDP_FEATURE_NATIVE = 1, XDP_FEATURE_REDIRECT = 2, XDP_FEATURE_TARGET = 4 };

/* Bits of enum xdp_feature; false: the kernel does not say. */
bool xdp_features(uint32_t ifindex, uint64_t *out_features);
