/*
 * table.h - addresses and ports that packets may be for: open addressing in arrays that shuntd
 * writes whole (bpf/abi/vip.h). A lookup in an array is a few inlined instructions, one in a hash
 * map a call that costs more than the rest of the packet's way.
 */
#pragma once
#include <stdbool.h>

#include "bpf/abi/hash.h"
#include "bpf/lib/vip_map.h"

static __always_inline const struct settings *settings_get(void)
{
	__u32 zero = 0;

	return array_at(&shunt_settings, zero);
}

static __always_inline bool is_same_ip(const __be32 a[4], const __be32 b[4])
{
	return a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0];
}

/* NULL: nobody whom we know */
static __always_inline const struct addr_entry *addr_find(const struct settings *s,
							  const __be32 ip[4])
{
	__u32 half = s->half & 1;
	__u32 hash = (__u32)hash_addr(ip, s->table_seed[half]), size = tables.addrs;

#pragma unroll
	for (__u32 i = 0; i < PROBES_MAX; i++) {
		__u32 at = half * size + ((hash + i) & (size - 1));
		const struct addr_entry *e = array_at(&shunt_addrs, at);

		if (!e || !e->flags)
			return NULL;
		if (is_same_ip(e->addr, ip))
			return e;
	}
	return NULL;
}

/* port in network byte order; NULL: no listener. number says in which half, since the other may
 * come into use between the two lookups of a packet. */
static __always_inline const struct vip_entry *port_find(const struct settings *s, __u32 number,
							 __be16 port, __u8 proto)
{
	__u64 key = VIP_KEY(number, port, proto);
	__u32 half = ADDR_NUMBER_HALF(number);
	__u32 hash = (__u32)hash_word(key, s->table_seed[half]), size = tables.vips;

#pragma unroll
	for (__u32 i = 0; i < PROBES_MAX; i++) {
		__u32 at = half * size + ((hash + i) & (size - 1));
		const struct vip_entry *e = array_at(&shunt_vips, at);

		if (!e || !e->key)
			return NULL;
		if (e->key == key)
			return e;
	}
	return NULL;
}
