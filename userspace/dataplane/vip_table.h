/*
 * vip_table.h - shunt_addrs and shunt_vips, written whole beside those in use (bpf/abi/vip.h).
 *
 * Control thread, but for vip_table_expects and _is_own. Addresses and ports in network byte order.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/map_sizes.h"
#include "bpf/abi/vip.h"
#include "userspace/base/err.h"

struct vip_key {
	__be32 addr[4];
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;
};

struct vip_table;

/* The maps, mapped for reading and writing; borrowed. */
struct vip_table *vip_table_create(struct addr_entry *addrs, struct vip_entry *vips,
				   const struct table_sizes *sizes, struct settings *settings);
void vip_table_destroy(struct vip_table *table);

/* A new table, empty. */
void vip_table_begin(struct vip_table *table);
/* flags: enum addr_flag; added to those that the address has. false: too many. */
bool vip_table_add(struct vip_table *table, const __be32 ip[4], uint32_t flags, struct err *err);
/* vip.key is filled in here; the address becomes a vip. Each key once. */
bool vip_table_add_vip(struct vip_table *table, const struct vip_key *key,
		       const struct vip_entry *vip, struct err *err);
/* Of an address that was added; 0: none. */
void vip_table_guard(struct vip_table *table, const __be32 ip[4], uint32_t guard, bool cookies);
/* Of an address that was added, ours in a vpc. */
void vip_table_vni(struct vip_table *table, const __be32 ip[4], uint32_t vni);
/* Which half the next commit fills. */
uint32_t vip_table_next_half(const struct vip_table *table);
/*
 * Takes the place of the one in use in one write. Waits until no program reads any more what was
 * written over, and until none reads what was in use until now.
 */
bool vip_table_commit(struct vip_table *table, struct err *err);

/* What is in use now; returns how many. */
uint32_t vip_table_read(const struct vip_table *table, struct vip_key *out_keys,
			struct vip_entry *out_vips, uint32_t max);
/* The entry in use, or NULL; valid until the next commit. */
const struct vip_entry *vip_table_find(const struct vip_table *table, const struct vip_key *key);
/* Changes the flags of an L4 listener in use. */
void vip_table_flag(struct vip_table *table, uint32_t index, uint32_t flags);
/* Whether the accept queue of a listener of the proxy fills; until the next commit. */
void vip_table_press(struct vip_table *table, const __be32 ip[4], __be16 port, bool pressed);
/* Whether packets of splices to this address would be looked at. Any thread. */
bool vip_table_expects(const struct vip_table *table, const __be32 ip[4]);
/* Whether connections of ours come from this address. Any thread. */
bool vip_table_is_own(const struct vip_table *table, const __be32 ip[4]);
