/*
 * fragment.h - all fragments of a datagram go where the first one went.
 *
 * Only the first has ports. It leaves them in a slot that the addresses, the protocol and the
 * datagram's id choose; later ones take them from there and are looked up like any packet of their
 * flow. A slot is one word, so that it is never read half written: 32 bits of the hash, the ports.
 * With 16 bits more by the slot's place and a keyed hash, a false match needs a guess of 48 bits
 * and costs one datagram. The newest datagram has the slot: nothing ages, and a flood of first
 * fragments costs no more than any packet. What comes before its first fragment is lost.
 */
#pragma once
#include "bpf/abi/hash.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"

static __always_inline __u64 fragment_hash(const struct flow_key *flow, __u32 id, __u64 seed)
{
	struct flow_key whole = *flow;

	whole.sport = (__u16)id;
	whole.dport = (__u16)(id >> 16);
	return hash_flow(&whole, seed);
}

/* The upper half of the hash, never 0: an unused slot fits nobody. */
static __always_inline __u64 fragment_tag(__u64 hash)
{
	return (hash | 1ull << 32) & ~0xffffffffull;
}

/* Of a first fragment: its ports, for those that follow. Rare, so not inlined. */
__noinline int fragment_keep(const struct flow_key *flow, __u32 id, __u64 seed)
{
	__u32 slot;
	__u64 hash, *word;

	if (!flow)
		return 0;
	hash = fragment_hash(flow, id, seed);
	slot = (__u32)hash & (FRAGMENTS_MAX - 1);
	word = array_at(&shunt_fragments, slot);
	if (!word)
		return 0;
	*(volatile __u64 *)word = fragment_tag(hash) | (__u32)flow->sport << 16 | flow->dport;
	return 1;
}

/* Of a later fragment: 1 where its first is known, and the flow has its ports. */
__noinline int fragment_find(struct flow_key *flow, __u32 id, __u64 seed)
{
	__u64 hash, *word, kept;
	__u32 slot;

	if (!flow)
		return 0;
	hash = fragment_hash(flow, id, seed);
	slot = (__u32)hash & (FRAGMENTS_MAX - 1);
	word = array_at(&shunt_fragments, slot);
	if (!word)
		return 0;
	kept = *(volatile __u64 *)word;
	if ((kept & ~0xffffffffull) != fragment_tag(hash))
		return 0;
	flow->sport = (__u16)(kept >> 16);
	flow->dport = (__u16)kept;
	return 1;
}

/* needs: flow, frag_id; sets: the ports, and that they are known */
static __always_inline enum verdict fragment_follow(struct pkt *p, const struct settings *s)
{
	if (p->flags & PKT_LATER && !(p->flags & PKT_ODD) &&
	    fragment_find(&p->flow, p->frag_id, s->hash_seed))
		p->flags = (p->flags & ~PKT_LATER) | PKT_BORROWED;
	return NEXT;
}
