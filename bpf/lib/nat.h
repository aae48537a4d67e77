/*
 * nat.h - forward: nat. A client's packet to a vip goes on from an address and port of ours to the
 * endpoint's own port; the answer comes back to us and leaves as from the vip. An ICMP error about
 * either goes the same way, and quotes what its receiver has sent.
 *
 * Every connection has state (abi/flow.h), found before the ring is asked. A client is answered the
 * way its packets come: by the same device, tag and MAC, so that no route is looked up.
 *
 * All but the question whether a packet is concerned runs in functions that are verified once; what
 * they need to know of the packet is in the job.
 */
#pragma once
#include "bpf/lib/fragment.h"
#include "bpf/lib/nat_find.h"
#include "bpf/lib/nat_send.h"
#include "bpf/lib/vip_find.h"

/* The ring's choice, else another; as pick_by_ring. What goes on has its own entry. */
static __always_inline __u32 nat_ring(struct nat_job *job, const struct settings *s)
{
	__u64 hash = hash_ring(&job->in, s->hash_seed, job->by_client);
	__u32 now;

	job->slot = (__u32)(((hash >> 32) * job->slots) >> 32);
	now = ring_read(job->ring, job->slot) & RING_ID;
	return endpoint_usable(now) ? now : pick_other(job->ring, job->slots, hash) ?: now;
}

/* The MTU of the device on which the packet came. */
static __always_inline __u16 nat_device_mtu(PKT_CTX *ctx)
{
	__u32 mtu = 0;

	bpf_check_mtu(ctx, 0, &mtu, 0, 0);
	return mtu > 0xffff ? 0xffff : (__u16)mtu;
}

/* A connection begins: it gets its endpoint, and a port of ours. */
static __always_inline __u32 nat_new(PKT_CTX *ctx, struct nat_job *job, const struct settings *s)
{
	const struct endpoint_entry *to;

	if (is_land(&job->in))
		return NAT_END(DROP, COUNT_LAND);
	if (is_martian(&job->in, job->flags & PKT_V6))
		return NAT_END(DROP, COUNT_MARTIAN);
	if (job->flags & PKT_BORROWED ||
	    (job->in.proto == IPPROTO_TCP && (job->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN))
		return NAT_END(DROP, COUNT_NAT_UNKNOWN);
	if (!job->device)
		return NAT_END(DROP, COUNT_NAT_LINK);
	job->endpoint = nat_ring(job, s);
	to = endpoint_there(job->endpoint);
	if (!to)
		return NAT_END(DROP, COUNT_NO_ENDPOINT);
	__builtin_memcpy(job->back.src, to->vtep, sizeof(job->back.src));
	job->back.sport = to->port;
	job->back.proto = job->in.proto;
	job->generation = to->generation;
	job->own.more = nat_device_mtu(ctx);
	job->to_client.mtu = job->own.more;
	return NAT_END(NEXT, COUNT_NAT_FULL);
}

/* Verdict and counter; NEXT with COUNT_NAT_FULL: is new, and lacks a port only. Verified once. */
__noinline __u32 nat_which(PKT_CTX *ctx)
{
	const struct settings *s = settings_get();
	struct nat_job *job = nat_job_get();
	bool asked;
	int way;

	if (!s || !job)
		return NAT_END(DROP, COUNT_NAT_FULL);
	asked = job->flags & (PKT_EXPLAINED | PKT_BORROWED);
	if ((job->flags & (PKT_FRAGMENT | PKT_EXPLAINED)) == PKT_FRAGMENT && job->l4_at)
		fragment_keep(&job->in, job->frag_id, s->hash_seed);
	way = nat_known(job->tcp_flags | (asked ? NAT_ASKED : 0));
	if (!job->asks) /* no splice has such a port */
		return way == NAT_TO_CLIENT ? NAT_END(NEXT, COUNT_NAT_ANSWERED)
					    : NAT_END(PASS, COUNT_NOT_OURS);
	return way == NAT_TO_ENDPOINT ? NAT_END(NEXT, COUNT_NATED) : nat_new(ctx, job, s);
}

/* The steps are called one after the other and not from each other, for their stacks. */
static __always_inline __u32 nat_run(PKT_CTX *ctx, struct nat_job *job, const struct settings *s)
{
	__u32 end = nat_which(ctx);

	if (end == NAT_END(NEXT, COUNT_NAT_FULL)) {
		if (job->flags & PKT_EXPLAINED ? !nat_candidate(job, s, 0) : !nat_enter())
			return NAT_END(DROP, COUNT_NAT_FULL);
		key_turn(&job->out, &job->back);
		end = NAT_END(NEXT, COUNT_NATED);
	}
	end = forget(end, s->epoch);
	if (!NAT_VERDICT(end))
		end = forget(nat_judge(ctx, end), s->epoch);
	if (!NAT_VERDICT(end))
		end = nat_send(ctx, job, end);
	if (NAT_WHY(end) == COUNT_TOO_BIG || NAT_WHY(end) == COUNT_TTL_EXPIRED)
		end = nat_tell(ctx, job, NAT_WHY(end));
	return forget(end, s->epoch);
}

/* What is needed of the packet, and how whoever sent it is reached. */
static __always_inline void nat_begin(struct pkt *p, struct nat_job *job, bool asks)
{
	job->in = p->flow;
	job->hash = p->hash;
	job->asks = asks;
	job->slot = SAMPLE_NONE;
	job->flags = p->flags;
	job->tcp_flags = p->flow.proto == IPPROTO_TCP ? p->tcp_flags : 0;
	job->ttl = p->ttl;
	job->vlan_tags = p->vlan_tags;
	job->frag_id = p->frag_id;
	job->l3_len = p->l3_len;
	job->wire_bytes = frame_wire_bytes(p);
	job->l3_at = (__u32)((long)p->l3 - (long)p->start);
	job->l4_at = p->flags & PKT_PORTS ? job->l3_at + p->l4_off : 0;
	job->device = 0;
	job->own.more = 0;
	if (!(p->flags & (PKT_UNWRAPPED | PKT_BORROWED)) && link_read(p, &job->client, &job->own))
		job->device = frame_ifindex(p->ctx);
}

enum { NAT_ASKS = 1, NAT_ANSWERS = 2 };

/*
 * Whether it is for us to translate; most of what comes to our own addresses is not. What is asked
 * is forgotten first: else the verifier remembers each answer in all that follows.
 */
static __always_inline __u32 nat_concerns(const struct pkt *p, const struct settings *s)
{
	__u32 flags = forget(p->flags, s->epoch), proto = forget(p->flow.proto, s->epoch);
	__u32 port = bpf_ntohs((__u16)forget(p->flow.dport, s->epoch));

	if (flags & PKT_ODD || (proto != IPPROTO_TCP && proto != IPPROTO_UDP))
		return 0;
	if (p->vip)
		return p->vip->kind == VIP_L4 && p->vip->flags & VIP_NAT ? NAT_ASKS : 0;
	return p->addr->flags & ADDR_SPLICES && s->nat_first && port >= s->nat_first &&
			       port <= s->nat_last && !(flags & PKT_LATER)
		       ? NAT_ANSWERS
		       : 0;
}

/* needs: addr, vip, flow, hash. NEXT: neither to a listener with forward: nat, nor an answer. */
static __always_inline enum verdict nat(struct pkt *p, const struct settings *s)
{
	__u32 how = forget(nat_concerns(p, s), s->epoch);
	bool asks = how == NAT_ASKS;
	struct nat_job *job;
	__u32 end;

	if (!how)
		return NEXT;
	job = nat_job_get();
	if (!job)
		return NEXT;
	nat_begin(p, job, asks);
	if (p->vip) {
		job->ring = p->vip->ring;
		job->slots = p->vip->slots;
		job->by_client = p->vip->flags & VIP_BY_CLIENT;
	}
	end = nat_run(p->ctx, job, s);
	frame_reload(p);
	p->l3 = p->l4 = NULL;
	p->out_ifindex = job->hop.ifindex;
	p->ring_slot = job->slot;
	p->why = NAT_WHY(end);
	p->endpoint = asks ? job->endpoint : 0;
	return ((end - 1) & 3) + 1; /* for the verifier: never NEXT */
}
