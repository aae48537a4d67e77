/*
 * hash.h - keyed hashes of the five-tuple and of its parts; inlined, since a call costs more than
 * the hash. For userspace too, which fills the tables.
 */
#pragma once
#include <linux/types.h>
#include <stdbool.h>

#include "bpf/abi/flow.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

static __always_inline __u64 hash_mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

/*
 * The same on every node with the same seed. The parts go in side by side, since a chain of
 * multiplications is what takes the time; of IPv4 half of the words are 0.
 */
static __always_inline __u64 hash_flow(const struct flow_key *flow, __u64 seed)
{
	const __u64 *word = (const __u64 *)flow;
	__u64 src = hash_mix(seed, word[1]);
	__u64 dst = hash_mix(seed + 0xd6e8feb86659fd93ull, word[3]);
	__u64 rest = hash_mix(~seed, word[4]);

	if (word[0] | word[2])
		rest = hash_mix(hash_mix(rest, word[0]), word[2]);
	return hash_mix(hash_mix(src + rest, dst), seed);
}

static __always_inline __u64 hash_addr(const __be32 ip[4], __u64 seed)
{
	__u64 h = seed;

	if (ip[0] | ip[1])
		h = hash_mix(h, (__u64)ip[0] << 32 | ip[1]);
	return hash_mix(h, (__u64)ip[2] << 32 | ip[3]);
}

/* By what a ring is asked; by_client: connections of one address have one slot, whatever their
 * ports, protocol and vip. */
static __always_inline __u64 hash_ring(const struct flow_key *flow, __u64 seed, bool by_client)
{
	return by_client ? hash_addr(flow->src, seed) : hash_flow(flow, seed);
}

static __always_inline __u64 hash_word(__u64 word, __u64 seed)
{
	return hash_mix(seed, word);
}
