/*
 * guard_map.h - the maps of guards; part of maps.h.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/guard.h"
#include "bpf/abi/sizes.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * GUARDS_MAX);
	__type(key, __u32);
	__type(value, struct guard_entry);
} shunt_guards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * GUARD_NETS_MAX);
	__type(key, struct guard_net_key);
	__type(value, __u8);
} shunt_guard_nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GUARD_LINES);
	__type(key, __u32);
	__type(value, struct guard_line);
} shunt_guard_sources SEC(".maps");
