/*
 * flow_table.h - shunt_flows from userspace, mapped for reading and writing (bpf/abi/flow.h).
 *
 * Any thread, beside XDP on all processors; no locks. Keys in network byte order.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/flow.h"

struct flow_table {
	struct flow_bucket *buckets;
	uint32_t count;    /* of buckets, a power of two */
	const __u64 *seed; /* settings.hash_seed: set before the first key is asked for */
};

/*
 * Both keys of a splice are entered by one call each. false: a splice has that key, or its two
 * buckets hold nothing but splices. May evict L4 connections.
 */
bool flow_table_enter_splice(const struct flow_table *table, const struct flow_key *key,
			     uint32_t dir, uint32_t splice, uint32_t generation);
/* Only the entry of this splice and generation. */
void flow_table_remove_splice(const struct flow_table *table, const struct flow_key *key,
			      uint32_t splice, uint32_t generation);
/* The word of a key; 0: it has no entry. */
uint64_t flow_table_find(const struct flow_table *table, const struct flow_key *key);

/* A consistent copy of an entry; false while it is free or being written. */
bool flow_table_read(const struct flow_table *table, uint32_t bucket, uint32_t way,
		     struct flow_entry *out_entry);
/* Frees an entry, if its word is still this one. */
bool flow_table_free(const struct flow_table *table, uint32_t bucket, uint32_t way, uint64_t word);
/* Whatever stands there, also FLOW_FREE and FLOW_BUSY. */
uint64_t flow_table_word(const struct flow_table *table, uint32_t bucket, uint32_t way);
