/*
 * count.h - one more of a kind. All of it is per CPU: nothing here is shared between cores.
 */
#pragma once
#include <stdbool.h>

#include "bpf/lib/maps.h"

static __always_inline void tally_add(struct tally *t, __u32 bytes)
{
	t->packets++;
	t->bytes += bytes;
}

static __always_inline void count(__u32 why, __u32 bytes)
{
	struct tally *t = array_at(&shunt_counters, why);

	if (t)
		tally_add(t, bytes);
}

/* Of a listener, by the number of its tally. */
static __always_inline void count_vip(__u32 vip, __u32 bytes, bool dropped)
{
	struct vip_tally *t = array_at(&shunt_vip_tallies, vip);

	if (t)
		tally_add(dropped ? &t->dropped : &t->kept, bytes);
}

static __always_inline void count_endpoint(__u32 id, __u32 bytes)
{
	struct tally *t = array_at(&shunt_endpoint_tallies, id);

	if (t)
		tally_add(t, bytes);
}
