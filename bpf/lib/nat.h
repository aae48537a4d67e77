/*
 * nat.h - forward: nat. A client's packet to a vip goes on from an address and port of ours to the
 * endpoint's own port; the answer comes back to us and leaves as from the vip.
 *
 * Every connection has state (abi/flow.h), found before the ring is asked. A client is answered the
 * way its packets come: by the same device, tag and MAC, so that no route is looked up.
 */
#pragma once
#include "bpf/lib/fragment.h"
#include "bpf/lib/mss_clamp.h"
#include "bpf/lib/nat_find.h"
#include "bpf/lib/nat_rewrite.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/splice_rewrite.h"
#include "bpf/lib/too_big.h"
#include "bpf/lib/vip_find.h"
#include "bpf/lib/vxlan.h"

/* Of both, the smaller. */
static __always_inline __u32 lesser(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* Whether it may be an endpoint's answer; most of what comes to us is not. */
static __always_inline bool may_be_answer(const struct pkt *p, const struct settings *s)
{
	__u16 port = bpf_ntohs(p->flow.dport);

	return p->addr->flags & ADDR_SPLICES && !p->vip && port >= s->nat_first &&
	       port <= s->nat_last && s->nat_first &&
	       !(p->flags & (PKT_ODD | PKT_LATER | PKT_ERROR));
}

static __always_inline bool has_ports(const struct pkt *p)
{
	return p->flow.proto == IPPROTO_TCP || p->flow.proto == IPPROTO_UDP;
}

/* The job of a packet: which, and how whoever sent it is reached. */
static __always_inline void nat_begin(struct pkt *p, struct nat_job *job)
{
	job->in = p->flow;
	job->hash = p->hash;
	job->device = 0;
	job->own.more = 0;
	if (!(p->flags & (PKT_UNWRAPPED | PKT_BORROWED)) && link_read(p, &job->client, &job->own))
		job->device = frame_ifindex(p->ctx);
}

/* The ring's choice, 0: none; a connection that goes on has its own entry. Verified once. */
__noinline __u32 nat_ring(__u64 hash, __u32 ring, __u32 slots)
{
	__u64 at = hash;

	for (int i = 0; i <= SLOTS_TRIED; i++) {
		__u32 id = ring_read(ring, (__u32)(((at >> 32) * slots) >> 32)) & RING_ID;

		if (endpoint_usable(id))
			return id;
		at = hash_word(at, hash);
	}
	return 0;
}

/* The MTU of the device on which the packet came. */
static __always_inline __u16 nat_device_mtu(struct pkt *p)
{
	__u32 mtu = 0;

	bpf_check_mtu(p->ctx, 0, &mtu, 0, 0);
	return mtu > 0xffff ? 0xffff : (__u16)mtu;
}

/* needs: to, endpoint, flow; a connection that begins gets its port */
static __always_inline bool nat_new(struct pkt *p, struct nat_job *job, const struct settings *s)
{
	__builtin_memcpy(job->back.src, p->to->vtep, sizeof(job->back.src));
	job->back.sport = p->to->port;
	job->back.proto = p->flow.proto;
	job->endpoint = p->endpoint;
	job->generation = p->to->generation;
	job->own.more = nat_device_mtu(p);
	job->to_client.mtu = job->own.more;
	if (p->flags & PKT_EXPLAINED ? !nat_candidate(job, s, 0) : !nat_enter())
		return false;
	key_turn(&job->out, &job->back);
	return true;
}

/* needs: flow, hash, vip; sets: to, endpoint, why. is_known: nat_known had it. */
static __always_inline enum verdict nat_ask(struct pkt *p, struct nat_job *job, bool is_known,
					    const struct settings *s)
{
	__u32 id = job->endpoint;

	if (!is_known) {
		if (p->flags & PKT_BORROWED ||
		    (p->flow.proto == IPPROTO_TCP && !starts_connection(p)))
			return pkt_end(p, DROP, COUNT_NAT_UNKNOWN);
		if (!job->device)
			return pkt_end(p, DROP, COUNT_NAT_LINK);
		p->ring_slot = slot_of(p->hash, p->vip);
		id = nat_ring(p->hash, p->vip->ring, p->vip->slots);
	}
	if (pick_take(p, forget(id, s->epoch), COUNT_NATED))
		return DROP;
	if (!is_known && !nat_new(p, job, s))
		return pkt_end(p, DROP, COUNT_NAT_FULL);
	return NEXT;
}

/* Where it goes on: both ends' hops in one place, for a pointer to either kind of map costs the
 * verifier all that follows twice. False: not resolved. */
static __always_inline bool nat_hop(const struct pkt *p, struct nat_job *job, bool asks)
{
	__u32 index = asks && p->to ? p->to->next_hop : NEXT_HOPS_MAX;
	const struct next_hop *hop = bpf_map_lookup_elem(&shunt_next_hops, &index);

	if (!asks) {
		job->hop = job->to_client;
		return true;
	}
	if (!hop || !hop->ready)
		return false;
	job->hop = *hop;
	return true;
}

/* needs: l3, l4, l4_off, ttl, l3_len; job.out. The last step. */
static __always_inline enum verdict nat_send(struct pkt *p, struct nat_job *job, bool asks)
{
	__u32 l3_at = (__u32)((long)p->l3 - (long)p->start);
	__u32 l4_at = p->l4 ? l3_at + p->l4_off : 0;
	const struct next_hop *hop = &job->hop;
	__u32 mtu = job->to_client.mtu;
	enum verdict v;

	if (!nat_hop(p, job, asks))
		return pkt_end(p, DROP, COUNT_UNRESOLVED);
	if (p->l3_len > hop->mtu)
		return too_big(p, hop->mtu);
	if (l4_at && p->flow.proto == IPPROTO_TCP && p->tcp_flags & TCP_SYN)
		mss_clamp(p->ctx, l4_at, mss_of(lesser(hop->mtu, mtu), p->flags & PKT_V6));
	v = ttl_decrement(p);
	if (v)
		return v;
	if (!nat_rewrite(p->ctx, l3_at, l4_at, p->flags & PKT_V6))
		return pkt_end(p, DROP, COUNT_SHORT);
	return change_link(p, hop);
}

/* needs: addr, vip, flow, hash. NEXT: neither to a listener with forward: nat, nor an answer. */
static __always_inline enum verdict nat(struct pkt *p, const struct settings *s)
{
	bool asks = p->vip && p->vip->kind == VIP_L4 && p->vip->flags & VIP_NAT;
	struct nat_job *job;
	enum verdict v;
	int way;

	if ((!asks && !may_be_answer(p, s)) || !has_ports(p) || p->flags & PKT_ODD)
		return NEXT;
	if (!FRAME_NATS)
		return asks ? pkt_end(p, DROP, COUNT_NAT_LINK) : NEXT;
	v = asks ? judge_source(p) : NEXT;
	job = nat_job_get();
	if (v || !job)
		return v;
	if ((p->flags & (PKT_FRAGMENT | PKT_EXPLAINED)) == PKT_FRAGMENT && p->l4)
		fragment_keep(&p->flow, p->frag_id, s->hash_seed);
	if (p->flags & PKT_ERROR)
		return pkt_end(p, DROP, COUNT_NAT_UNKNOWN);
	nat_begin(p, job);
	way = nat_known(p->tcp_flags | (p->flags & (PKT_EXPLAINED | PKT_BORROWED) ? NAT_ASKED : 0));
	if (!asks && way != NAT_TO_CLIENT) /* no splice has such a port */
		return pkt_end(p, PASS, COUNT_NOT_OURS);
	v = asks ? nat_ask(p, job, way == NAT_TO_ENDPOINT, s) : NEXT;
	if (v)
		return v;
	if (!asks)
		p->why = COUNT_NAT_ANSWERED;
	p->why = forget(p->why, s->epoch);
	return nat_send(p, job, asks);
}
