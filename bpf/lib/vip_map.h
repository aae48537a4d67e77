/*
 * vip_map.h - the maps that say what a vip is; part of maps.h, for programs that need no more.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/map_sizes.h"
#include "bpf/abi/vip.h"

/* The loader's, where maps were made smaller. */
const volatile struct table_sizes tables = { ADDR_TABLE, VIP_TABLE, GUARD_LINES };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ADDR_TABLE);
	__type(key, __u32);
	__type(value, struct addr_entry);
} shunt_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * VIP_TABLE);
	__type(key, __u32);
	__type(value, struct vip_entry);
} shunt_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} shunt_settings SEC(".maps");

/*
 * An element of an array. The key takes a whole word of the stack: of a word that is written by
 * halves the verifier takes what it held before for of use, and walks on once for each such value.
 */
static __always_inline void *array_at(void *map, __u32 index)
{
	__u64 key = index;

	return bpf_map_lookup_elem(map, &key);
}
