/*
 * flow_table.h - finds flows; the protocol is in bpf/abi/flow.h.
 *
 * On x86 loads are not reordered with loads, nor stores with stores; claims are full barriers
 * everywhere.
 */
#pragma once
#include "bpf/abi/hash.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/table.h"

#define READ_WORD(entry) (*(const volatile __u64 *)&(entry)->word)

static __always_inline struct flow_bucket *bucket_of(__u32 half_of_hash, const struct settings *s)
{
	__u32 at = half_of_hash & (s->buckets - 1);

	return array_at(&shunt_flows, at);
}

static __always_inline bool is_same_flow(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[4] == y[4] && x[1] == y[1] && x[3] == y[3] && x[0] == y[0] && x[2] == y[2];
}

static __always_inline struct flow_entry *entry_at(__u32 place, const struct settings *s)
{
	struct flow_bucket *b = bucket_of(place / FLOW_WAYS, s);

	return b ? &b->ways[place % FLOW_WAYS] : NULL;
}

/* One of the places that a key may have; i below 2 * FLOW_WAYS, in the order of looking. */
static __always_inline __u32 place_of(__u64 hash, __u32 i, const struct settings *s)
{
	__u32 half = (__u32)(i < FLOW_WAYS ? hash : hash >> 32);

	return FLOW_PLACE(half & (s->buckets - 1), i % FLOW_WAYS);
}

/* What it says, or 0 where it is not the key's. */
static __always_inline __u64 entry_word(const struct flow_entry *e, const struct flow_key *key)
{
	__u64 word = READ_WORD(e);

	if (FLOW_KIND(word) < FLOW_L4 || !is_same_flow(&e->key, key))
		return 0;
	barrier();
	return READ_WORD(e) == word ? word : 0;
}

static __always_inline struct flow_entry *bucket_find(struct flow_bucket *b,
						      const struct flow_key *key, __u64 *out_word)
{
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u64 word = entry_word(&b->ways[i], key);

		if (word) {
			*out_word = word;
			return &b->ways[i];
		}
	}
	return NULL;
}

/* hash: of the key, by hash_flow; NULL where there is none. */
static __always_inline struct flow_entry *flow_find(const struct flow_key *key, __u64 hash,
						    const struct settings *s, __u64 *out_word)
{
	struct flow_bucket *b = bucket_of((__u32)hash, s);
	struct flow_entry *e;

	if (!b)
		return NULL;
	e = bucket_find(b, key, out_word);
	if (e)
		return e;
	b = bucket_of((__u32)(hash >> 32), s);
	return b ? bucket_find(b, key, out_word) : NULL;
}

/* False: somebody has changed it meanwhile. */
static __always_inline bool entry_free(struct flow_entry *e, __u64 word)
{
	__u64 free = FLOW_WORD(FLOW_FREE, 0, 0, 0, FLOW_TURN(word) + 1);

	return __sync_val_compare_and_swap(&e->word, word, free) == word;
}
