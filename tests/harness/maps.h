/*
 * maps.h - fills the maps that shuntd writes whole or by a protocol, with shuntd's own code, for
 * programs that a test has loaded.
 */
#pragma once
#include <bpf/libbpf.h>

#include "bpf/abi/flow.h"
#include "bpf/abi/vip.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/dataplane/vip_table.h"
#include "userspace/flow/flow_table.h"

struct maps;

/* NULL for a map that the program does not have. Ends with the process. */
struct maps *maps_open(const struct bpf_map *settings, const struct bpf_map *addrs,
		       const struct bpf_map *vips, const struct bpf_map *ring_lines,
		       const struct bpf_map *flows);
/* All but what says where tables are. */
void maps_settings(struct maps *maps, const struct settings *settings);
/* Both take the place of what the same key had; in effect after maps_commit. */
void maps_addr(struct maps *maps, const __be32 ip[4], uint32_t flags);
/* guard: index in a half of shunt_guards, of which both halves must have the same; 0: none. */
void maps_guard(struct maps *maps, const __be32 ip[4], uint32_t guard);
/* It is ours in that vpc. */
void maps_inside(struct maps *maps, const __be32 ip[4], uint32_t vni);
void maps_vip(struct maps *maps, const struct vip_key *key, uint32_t kind, uint32_t index);
/* What kind of L4 listener it is (enum vip_flag): of all vips of that index, until they are set
 * again. */
void maps_mode(struct maps *maps, uint32_t index, uint32_t flags);
/* The ring of all L4 vips of that index. fresh: nothing is known of what was before. */
void maps_ring(struct maps *maps, uint32_t index, const uint32_t *ids, uint32_t slots, bool fresh);
/* A whole pass of the sweep at that time, and what follows from it for rings. */
void maps_age(struct maps *maps, uint32_t epoch);
/* Of L4 vips; at once. */
void maps_flag(struct maps *maps, uint32_t index, uint32_t flags);
/* The accept queue of an L7 vip fills, or not; at once. */
void maps_press(struct maps *maps, const struct vip_key *key, bool pressed);
void maps_commit(struct maps *maps); /* does nothing where nothing has changed */
void maps_splice(struct maps *maps, const struct flow_key *key, uint32_t dir, uint32_t splice,
		 uint32_t generation);
void maps_splice_remove(struct maps *maps, const struct flow_key *key, uint32_t splice,
			uint32_t generation);
struct ring_store *maps_rings(struct maps *maps);
struct flow_table maps_flows(const struct maps *maps);
struct settings *maps_live_settings(struct maps *maps);
