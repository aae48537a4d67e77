/*
 * ring_store.h - the rings of L4 listeners in shunt_ring_lines, and what they were before.
 *
 * A slot that gets another endpoint is marked RING_CHANGED and keeps its old one in the ring
 * `before`, so that connections which began earlier can be told from new ones without an entry for
 * each (bpf/lib/endpoint_pick.h). After SETTLE_S the old one is forgotten, and when the table of
 * flows holds no connection any more that the slot would send elsewhere, the mark is taken off.
 *
 * Control thread. Times in seconds of one clock. Endpoint ids from 1 on; 0: none.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/vip.h"
#include "userspace/base/err.h"
#include "userspace/flow/flow_sweep.h"

enum { RING_SETTLE_S = FLOW_TCP_IDLE_S };

struct ring_store;

struct ring_place {
	uint32_t ring, before; /* first lines */
	uint32_t slots;
};

/* lines: mapped for writing; RING_LINES_MAX at most are used. */
struct ring_store *ring_store_create(struct ring_line *lines, uint32_t count);
void ring_store_destroy(struct ring_store *store);
/* A ring that an older daemon left. */
void ring_store_adopt(struct ring_store *store, uint32_t index, const struct ring_place *place,
		      uint32_t now_s);
/*
 * Writes ring number `index` (below RINGS_MAX) anew, beside the one that is in use; what was used
 * is freed by the ring_store_retire that follows. Of another number of slots than before: nothing
 * is known of the time before. false: no lines are left.
 */
bool ring_store_set(struct ring_store *store, uint32_t index, const uint32_t *ids, uint32_t slots,
		    uint32_t now_s, struct ring_place *out_place, struct err *err);
void ring_store_drop(struct ring_store *store, uint32_t index);
/* No program reads any more what set and drop have taken out of use. */
void ring_store_retire(struct ring_store *store);

/* Marks the endpoints that a ring, or what it was before, names; of ENDPOINTS_MAX. */
void ring_store_mark(struct ring_store *store, bool *marks);
/* Before endpoint `id` gets new connections again: those that had to go elsewhere meanwhile are
 * looked for where it is named. */
void ring_store_recheck(struct ring_store *store, uint32_t id, uint32_t now_s);
/* Whether a known connection must stay known; hash by hash_ring. */
bool ring_store_keeps(struct ring_store *store, uint32_t index, uint64_t hash, uint32_t id);
/* All known connections have been shown to ring_store_keeps since the last call. */
void ring_store_settle(struct ring_store *store, uint32_t now_s);
/* When a slot of it changed last; 0: never. */
uint32_t ring_store_changed_s(const struct ring_store *store, uint32_t index);
/* Slots with the mark. */
uint32_t ring_store_unsettled(const struct ring_store *store, uint32_t index);
