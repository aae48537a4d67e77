/*
 * nat_find.h - the NATed connection of a packet, in either direction, and what passes tells of it.
 */
#pragma once
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/nat_enter.h"

enum nat_way { NAT_NONE = 0, NAT_TO_ENDPOINT = 1, NAT_TO_CLIENT = 2 };

enum { NAT_ASKED = 1 << 8 /* only asked about; below: the TCP flags */ };

/* Place + 1 of the entry of a NATed connection with the job's key, 0: none. */
static __always_inline __u32 nat_place(const struct nat_job *job, const struct settings *s,
				       __u64 *out_word)
{
	for (__u32 i = 0; i < 2 * FLOW_WAYS; i++) {
		__u32 place = place_of(job->hash, i, s);
		struct flow_entry *e = entry_at(place, s);
		__u64 word = e ? entry_word(e, &job->in) : 0;

		if (FLOW_KIND(word) == FLOW_NAT) {
			*out_word = word;
			return place + 1;
		}
	}
	return 0;
}

/* The other direction's packets are this one's, turned round. */
static __always_inline void key_turn(struct flow_key *to, const struct flow_key *from)
{
	__builtin_memcpy(to->src, from->dst, sizeof(to->src));
	__builtin_memcpy(to->dst, from->src, sizeof(to->dst));
	to->sport = from->dport;
	to->dport = from->sport;
	to->proto = from->proto;
}

/* Bits are only ever set, so that both directions may do it at once. */
static __always_inline void nat_mark(struct flow_entry *front, struct flow_entry *back, __u32 bits,
				     __u32 epoch)
{
	if ((front->nat & bits) != bits) {
		__sync_fetch_and_or(&front->nat, bits);
		__sync_fetch_and_or(&back->nat, bits);
		back->seen = epoch;
	}
	if (front->seen != epoch) {
		front->seen = epoch;
		if (NAT_IS_OVER(front->nat)) /* its rest begins anew */
			back->seen = epoch;
	}
}

static __always_inline void nat_note(struct flow_entry *front, struct flow_entry *back, bool answer,
				     __u32 flags, const struct nat_job *job, __u32 epoch)
{
	__u32 bits = answer ? NAT_ANSWERED : 0;

	if (job->in.proto != IPPROTO_TCP) {
		if (answer)
			bits |= NAT_KEPT;
		nat_mark(front, back, bits, epoch);
		return;
	}
	if (!answer && front->nat & NAT_ANSWERED && (flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
		bits |= NAT_KEPT;
	if (flags & TCP_FIN)
		bits |= answer ? NAT_FIN_ENDPOINT : NAT_FIN_CLIENT;
	if (flags & TCP_RST)
		bits |= NAT_RESET;
	nat_mark(front, back, bits, epoch);
}

/* The client's packets may come another way now: answers follow. */
static __always_inline void nat_relink(struct flow_entry *front, struct flow_entry *back,
				       const struct nat_job *job)
{
	const __u64 *now = (const __u64 *)&job->client, *was = (const __u64 *)&front->link;
	struct flow_link own = job->own;

	if (!job->device || (*now == *was && NAT_MORE(back->nat) == job->device))
		return;
	own.more = back->link.more;
	*(volatile __u64 *)&front->link = *now;
	*(volatile __u64 *)&back->link = *(const __u64 *)&own;
	back->nat = (back->nat & NAT_FLAGS) | job->device << 8;
}

static __always_inline void nat_way_back(struct nat_job *job, const struct flow_entry *front,
					 const struct flow_entry *back)
{
	struct next_hop *hop = &job->to_client;

	hop->ifindex = NAT_MORE(back->nat);
	hop->ready = 1;
	__builtin_memcpy(hop->dst_mac, front->link.mac, sizeof(hop->dst_mac));
	__builtin_memcpy(hop->src_mac, back->link.mac, sizeof(hop->src_mac));
	hop->vlan = front->link.more;
	hop->mtu = back->link.more;
}

/* Whether the endpoint of the entry is still who it was, and may be sent to. */
static __always_inline bool nat_endpoint_is_there(struct nat_job *job, __u64 word)
{
	const struct endpoint_entry *to = endpoint_there(FLOW_INDEX(word));

	job->endpoint = FLOW_INDEX(word);
	return to && (to->generation & 0xffff) == FLOW_GENERATION(word);
}

/*
 * For the packet whose key and hash the job has; how: nat_way's flags and TCP's. Then out is known,
 * the endpoint, and how the client is reached. Not inlined: verified once.
 */
__noinline int nat_known(__u32 how)
{
	const struct settings *s = settings_get();
	struct nat_job *job = nat_job_get();
	struct flow_entry *e, *other, *front, *back;
	__u64 word = 0, theirs;
	__u32 place, at;
	bool answer;

	if (!s || !job)
		return NAT_NONE;
	place = nat_place(job, s, &word);
	e = place ? entry_at(place - 1, s) : NULL;
	if (!e)
		return NAT_NONE;
	answer = FLOW_DIR(word);
	at = answer ? FLOW_INDEX(word) : NAT_MORE(e->nat);
	other = entry_at(at, s);
	if (!other)
		return NAT_NONE;
	theirs = READ_WORD(other);
	front = answer ? other : e;
	back = answer ? e : other;
	if (answer ? theirs != FLOW_WORD(FLOW_NAT, 0, FLOW_INDEX(theirs), FLOW_GENERATION(theirs),
					 FLOW_GENERATION(word)) ||
			     NAT_MORE(other->nat) != place - 1
		   : theirs !=
			     FLOW_WORD(FLOW_NAT, 1, place - 1, FLOW_TURN(word), FLOW_TURN(theirs)))
		return NAT_NONE; /* one of the pair was displaced, or its end has begun anew */
	key_turn(&job->out, &other->key);
	nat_way_back(job, front, back);
	barrier();
	if (READ_WORD(other) != theirs || READ_WORD(e) != word)
		return NAT_NONE;
	if (!answer && !nat_endpoint_is_there(job, word))
		return NAT_NONE;
	if (!answer && job->in.proto == IPPROTO_TCP && NAT_IS_OVER(front->nat) &&
	    (how & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return NAT_NONE; /* the same port anew; nat_enter removes what was */
	if (!(how & NAT_ASKED)) {
		nat_note(front, back, answer, how, job, s->epoch);
		if (!answer)
			nat_relink(front, back, job);
	}
	return answer ? NAT_TO_CLIENT : NAT_TO_ENDPOINT;
}
