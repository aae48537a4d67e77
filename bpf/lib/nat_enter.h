/*
 * nat_enter.h - a new NATed connection gets a port of ours and its pair of entries.
 *
 * The table of flows is the only register of ports. Who enters a key publishes it and only then
 * looks whether somebody else has the same one in another place; both steps are full barriers, so
 * of two that enter it at once at least one sees the other, and gives up. Nothing is locked and no
 * port is ever given twice.
 */
#pragma once
#include "bpf/lib/flow_table.h"
#include "bpf/lib/maps.h"

enum {
	PORTS_TRIED = 32,
	NAT_YIELD_S = 2, /* a port whose connection is not kept is another's after that */
	NAT_NOWHERE = 0xffffffff,
};

/* Whose entries of the same key may be taken away. */
enum nat_rivals {
	RIVALS_STAY,
	RIVALS_YIELD,
	RIVALS_STALE /* their pair is broken, unless it is of now */
};

static __always_inline struct nat_job *nat_job_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_jobs, &zero);
}

/* 1: somebody has this key elsewhere than at that place. */
__noinline int nat_is_taken(const struct flow_key *key, __u64 hash, __u32 besides, __u32 rivals)
{
	const struct settings *s = settings_get();

	if (!s || !key)
		return 1;
	for (__u32 i = 0; i < 2 * FLOW_WAYS; i++) {
		__u32 place = place_of(hash, i, s);
		struct flow_entry *e = entry_at(place, s);
		__u64 word = e && place != besides ? entry_word(e, key) : 0;

		if (!word)
			continue;
		if (FLOW_KIND(word) == FLOW_SPLICE || rivals == RIVALS_STAY)
			return 1;
		/* An L4 connection of before the listener's mode changed has no claim. */
		if (FLOW_KIND(word) == FLOW_NAT && rivals == RIVALS_YIELD &&
		    (NAT_IS_KEPT(e->nat, s->epoch - e->seen) || s->epoch - e->seen < NAT_YIELD_S))
			return 1;
		/* Just now: by another processor, for the very packet's connection. */
		if (FLOW_KIND(word) == FLOW_NAT && rivals == RIVALS_STALE && e->seen == s->epoch &&
		    !NAT_IS_OVER(e->nat))
			return 1;
		if (!entry_free(e, word))
			return 1;
	}
	return 0;
}

/* How gladly an entry gives way to a NATed connection; 0: not at all. */
static __always_inline __u32 yields(const struct flow_entry *e, __u32 chance, __u32 epoch)
{
	switch (FLOW_KIND(READ_WORD(e))) {
	case FLOW_FREE:
		return 64;
	case FLOW_L4: /* a cache */
		return (e->confirmed ? 1 : 16) + chance;
	case FLOW_NAT:
		return NAT_IS_KEPT(e->nat, epoch - e->seen) ? 0 : 16 + chance;
	default:
		return 0;
	}
}

/* Place + 1 of an entry that is ours and busy now; 0: there is none for this hash. */
__noinline __u32 nat_claim(__u64 hash)
{
	const struct settings *s = settings_get();
	__u32 rank = 0, at = 0, chances = bpf_get_prandom_u32();
	struct flow_entry *e;
	__u64 word, busy;

	if (!s)
		return 0;
	for (__u32 i = 0; i < 2 * FLOW_WAYS; i++) {
		__u32 place = place_of(hash, i, s), r;

		e = entry_at(place, s);
		r = e ? yields(e, chances >> (4 * i) & 15, s->epoch) : 0;
		r = forget(r, s->epoch);
		if (r > rank) {
			rank = r;
			at = place;
		}
		rank = forget(rank, s->epoch);
		at = forget(at, s->epoch);
	}
	e = rank ? entry_at(at, s) : NULL;
	if (!e)
		return 0;
	word = READ_WORD(e);
	if (!yields(e, 0, s->epoch))
		return 0;
	busy = FLOW_WORD(FLOW_BUSY, 0, 0, 0, FLOW_TURN(word) + 1);
	return __sync_val_compare_and_swap(&e->word, word, busy) == word ? at + 1 : 0;
}

/* What was claimed becomes an entry; the word last, by a full barrier. */
static __always_inline void entry_publish(struct flow_entry *e, const struct flow_key *key,
					  const struct flow_link *link, __u32 nat, __u64 word)
{
	const struct settings *s = settings_get();

	e->key = *key;
	e->seen = s ? s->epoch : 0;
	e->nat = nat;
	e->link = *link;
	barrier();
	__sync_lock_test_and_set(&e->word, word);
}

/* The nth port and address of ours that the connection may try. */
static __always_inline bool nat_candidate(struct nat_job *job, const struct settings *s, __u32 n)
{
	bool v6 = job->in.src[2] != bpf_htonl(0xffff) || job->in.src[0] || job->in.src[1];
	__u32 first = v6 ? s->nat_v4 : 0, count = v6 ? s->nat_all - s->nat_v4 : s->nat_v4;
	__u32 ports = (__u32)s->nat_last - s->nat_first + 1;
	__u64 chance = hash_word(n, job->hash);
	__u32 at;

	if (count > NAT_SOURCES_MAX || !count || !s->nat_first)
		return false;
	at = first + (__u32)(((chance & 0xffffffff) * count) >> 32);
	if (at >= NAT_SOURCES_MAX)
		return false;
	__builtin_memcpy(job->back.dst, s->nat_sources[at], sizeof(job->back.dst));
	job->back.dport = bpf_htons((__u16)(s->nat_first + (((chance >> 32) * ports) >> 32)));
	return true;
}

/* Enters answers to the nth candidate; 0: somebody has it, or there is no place. What it knows is
 * in the job, for its stack. */
__noinline int nat_port_try(__u32 n)
{
	const struct settings *s = settings_get();
	struct nat_job *job = nat_job_get();
	struct flow_entry *e;
	__u64 word;
	__u32 place;

	if (!s || !job || !nat_candidate(job, s, n))
		return 0;
	job->back_hash = hash_flow(&job->back, s->hash_seed);
	if (nat_is_taken(&job->back, job->back_hash, NAT_NOWHERE, RIVALS_YIELD))
		return 0;
	place = nat_claim(job->back_hash);
	e = place ? entry_at(place - 1, s) : NULL;
	if (!e)
		return 0;
	job->other = place - 1;
	word = FLOW_WORD(FLOW_NAT, 1, job->front, job->turn, FLOW_TURN(READ_WORD(e)));
	entry_publish(e, &job->back, &job->own, job->device << 8, word);
	if (!nat_is_taken(&job->back, job->back_hash, job->other, RIVALS_STAY))
		return 1;
	entry_free(e, word);
	return 0;
}

/* The three parts of nat_enter, each with a stack of its own: together they would need too much. */
__noinline int nat_enter_front(void)
{
	const struct settings *s = settings_get();
	struct nat_job *job = nat_job_get();
	struct flow_entry *front;
	__u32 at;

	if (!s || !job || nat_is_taken(&job->in, job->hash, NAT_NOWHERE, RIVALS_STALE))
		return 0;
	at = nat_claim(job->hash);
	front = at ? entry_at(at - 1, s) : NULL;
	if (!front)
		return 0;
	job->front = at - 1;
	job->turn = FLOW_TURN(READ_WORD(front));
	return 1;
}

static __always_inline int nat_enter_back(void)
{
	for (__u32 n = 0; n < PORTS_TRIED; n++)
		if (nat_port_try(n))
			return 1;
	return 0;
}

/* Always frees what was claimed, unless all of it is entered. */
__noinline int nat_enter_end(__u32 has_port)
{
	const struct settings *s = settings_get();
	struct nat_job *job = nat_job_get();
	struct flow_entry *front, *back;
	__u64 word;

	if (!s || !job)
		return 0;
	front = entry_at(job->front, s);
	back = entry_at(job->other, s);
	if (!front || !back)
		return 0;
	if (!has_port) {
		entry_free(front, READ_WORD(front));
		return 0;
	}
	word = FLOW_WORD(FLOW_NAT, 0, job->endpoint, job->generation, job->turn);
	entry_publish(front, &job->in, &job->client, job->other << 8, word);
	if (!nat_is_taken(&job->in, job->hash, job->front, RIVALS_STAY))
		return 1;
	entry_free(front, word);
	entry_free(back, FLOW_WORD(FLOW_NAT, 1, job->front, job->turn, FLOW_TURN(READ_WORD(back))));
	return 0;
}

/*
 * Enters the job's connection, of which in, back.src, back.sport, hash, both links and the endpoint
 * are known; then all of back is. False: there was no port or no place.
 */
static __always_inline bool nat_enter(void)
{
	return nat_enter_front() && nat_enter_end((__u32)nat_enter_back());
}
