/*
 * count.h - one more of a kind.
 */
#pragma once
#include "bpf/lib/maps.h"

static __always_inline void count(__u32 why)
{
	__u64 *n = bpf_map_lookup_elem(&shunt_counters, &why);

	if (n)
		++*n; /* per CPU */
}
