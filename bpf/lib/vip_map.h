/*
 * vip_map.h - the maps that say what a vip is; part of maps.h, for programs that need no more.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPS_MAX);
	__type(key, struct vip_key);
	__type(value, struct vip_entry);
} shunt_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} shunt_settings SEC(".maps");
