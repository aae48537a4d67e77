/*
 * flow_enter.h - XDP enters L4 connections into the table of flows.
 */
#pragma once
#include "bpf/lib/flow_table.h"

enum { RANK_UNCONFIRMED = 1, RANK_FREE = 1 << 8, RANK_SAME };

/* How gladly an entry with this word gives way; 0: not at all. chance: among those as good. */
static __always_inline __u32 gives_way(const struct flow_entry *e, __u64 word,
				       const struct flow_key *key, __u32 chance)
{
	switch (FLOW_KIND(word)) {
	case FLOW_FREE:
		return RANK_FREE;
	case FLOW_L4:
		if (is_same_flow(&e->key, key))
			return RANK_SAME;
		return e->confirmed == FLOW_CONFIRMED ? 0 : RANK_UNCONFIRMED + chance;
	default:
		return 0;
	}
}

/* The best of a bucket, unless that found before is as good. */
static __always_inline struct flow_entry *better_way(struct flow_bucket *b, struct flow_entry *best,
						     __u32 *out_rank, __u64 *out_word,
						     const struct flow_key *key, __u32 chances)
{
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u64 word = READ_WORD(&b->ways[i]);
		__u32 rank = gives_way(&b->ways[i], word, key, chances >> (4 * i) & 15);

		if (rank > *out_rank) {
			*out_rank = rank;
			*out_word = word;
			best = &b->ways[i];
		}
	}
	return best;
}

static __always_inline __u32 room_in(const struct flow_bucket *b)
{
	__u32 room = 0;

#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++)
		room += FLOW_KIND(READ_WORD(&b->ways[i])) == FLOW_FREE;
	return room;
}

/* Whether the second bucket of two is to be filled first. So they fill evenly, and connections
 * displace each other only where half of the table is full; else a quarter were enough. */
static __always_inline bool is_second_emptier(__u64 hash, const struct settings *s)
{
	const struct flow_bucket *a = bucket_of((__u32)hash, s);
	const struct flow_bucket *b = bucket_of((__u32)(hash >> 32), s);

	return a && b && room_in(b) > room_in(a);
}

/*
 * Remembers an L4 connection. Only for a cache: where both buckets are full, or somebody else takes
 * the entry at this moment, it is not entered. Never takes the place of a splice, nor of a
 * connection that has sent a second packet: a flood of first packets displaces only itself.
 */
__noinline int flow_enter(const struct flow_key *key, __u64 hash, __u32 endpoint, __u32 generation,
			  __u32 as)
{
	const struct settings *s = settings_get();
	struct flow_entry *e = NULL;
	struct flow_bucket *a, *b;
	__u32 rank = 0, turn, chances;
	__u64 word = 0, busy;

	if (!s || !key)
		return 0;
	if (is_second_emptier(hash, s))
		hash = hash >> 32 | hash << 32;
	a = bucket_of((__u32)hash, s);
	b = bucket_of((__u32)(hash >> 32), s);
	if (!a || !b)
		return 0;
	chances = bpf_get_prandom_u32(); /* by the hash, two would displace each other for ever */
	e = better_way(a, NULL, &rank, &word, key, chances);
	e = better_way(b, e, &rank, &word, key, chances >> 16);
	if (!e)
		return 0;
	/* What was judged, or nothing: in the meantime it may be a splice's, or confirmed. */
	turn = FLOW_TURN(word) + 1;
	busy = FLOW_WORD(FLOW_BUSY, 0, 0, 0, turn);
	if (__sync_val_compare_and_swap(&e->word, word, busy) != word)
		return 0;
	e->key = *key;
	e->seen = s->epoch;
	e->confirmed = as;
	barrier();
	/* Not ours any more where this processor was stopped until the sweep thought us dead. */
	return __sync_val_compare_and_swap(
		       &e->word, busy, FLOW_WORD(FLOW_L4, 0, endpoint, generation, turn)) == busy;
}
