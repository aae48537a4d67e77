/*
 * nat_send.h - a packet of a NATed connection gets the addresses and ports of its other leg, and
 * leaves. What is known of it is in the job; nothing but the frame changes here.
 */
#pragma once
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/lib/mss_clamp.h"
#include "bpf/lib/nat_enter.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/splice_error.h"
#include "bpf/lib/splice_rewrite.h"
#include "bpf/lib/too_big.h"
#include "bpf/lib/vxlan.h"

/* What becomes of a packet, and what is counted, in one number. */
#define NAT_END(v, why)  ((__u32)(v) | (__u32)(why) << 8)
#define NAT_VERDICT(end) ((end) & 7)
#define NAT_WHY(end)     ((end) >> 8)

/* The packet as far as the steps that are shared with other modes want to know it. */
static __always_inline void nat_packet(struct pkt *p, PKT_CTX *ctx, const struct nat_job *job)
{
	p->ctx = ctx;
	frame_reload(p);
	p->l3 = p->start + (job->l3_at & FRAME_OFF_MAX);
	p->flags = job->flags;
	p->ttl = job->ttl;
	p->vlan_tags = job->vlan_tags;
	p->why = 0;
}

/* Addresses, ports and checksums; 0: the frame ends too early. */
__noinline int nat_rewrite(PKT_CTX *ctx)
{
	struct nat_job *job = nat_job_get();
	__u64 addrs, ports = 0;
	struct udphdr *udp;
	struct tcphdr *tcp;
	struct pkt p;

	if (!job)
		return 0;
	nat_packet(&p, ctx, job);
	if (p.l3 + (p.flags & PKT_V6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > p.end ||
	    ttl_decrement(&p))
		return 0;
	addrs = change_addrs(&p, &job->in, &job->out);
	if (!job->l4_at) /* a later fragment */
		return 1;
	udp = p.start + (job->l4_at & FRAME_OFF_MAX);
	tcp = (void *)udp;
	if ((void *)(udp + 1) > p.end)
		return 0;
	ports = sum_change(sum_change(0, job->in.sport, job->out.sport), job->in.dport,
			   job->out.dport);
	udp->source = job->out.sport;
	udp->dest = job->out.dport;
	if (job->in.proto == IPPROTO_UDP) {
		frame_sum_udp(ctx, &udp->check, job->l4_at + offsetof(struct udphdr, check), addrs,
			      ports);
		return 1;
	}
	if ((void *)(tcp + 1) > p.end)
		return 0;
	frame_sum(ctx, &tcp->check, job->l4_at + offsetof(struct tcphdr, check), addrs, ports);
	return 1;
}

/* An error goes on from our address, about the packet as its receiver sent it. */
__noinline int nat_translate(PKT_CTX *ctx)
{
	struct nat_job *job = nat_job_get();
	struct quote *q = quote_get();
	struct pkt p;

	if (!job || !q)
		return 0;
	nat_packet(&p, ctx, job);
	q->to = job->out;
	q->seq_delta = q->ack_delta = 0;
	return !ttl_decrement(&p) && error_translate(&p, q);
}

/* The frame's outside: the last step. Verdict and counter, why if it leaves. */
__noinline __u32 nat_leave(PKT_CTX *ctx, __u32 why)
{
	struct nat_job *job = nat_job_get();
	enum verdict v;
	struct pkt p;

	if (!job)
		return NAT_END(DROP, COUNT_SHORT);
	nat_packet(&p, ctx, job);
	p.why = why;
	v = change_link(&p, &job->hop);
	return NAT_END(v, p.why);
}

/* Where it goes on: both ends' hops in one place, for a pointer to either kind of map costs the
 * verifier all that follows twice. False: not resolved. */
static __always_inline bool nat_hop(struct nat_job *job)
{
	const struct endpoint_entry *to = endpoint_there(job->endpoint);
	__u32 index = to ? to->next_hop : NEXT_HOPS_MAX;
	const struct next_hop *hop = bpf_map_lookup_elem(&shunt_next_hops, &index);

	if (!job->asks) {
		job->hop = job->to_client;
		return true;
	}
	if (!hop || !hop->ready)
		return false;
	job->hop = *hop;
	return true;
}

/* Its sender is told why it goes no further; as too_big and judge_ttl. */
static __always_inline __u32 nat_tell(PKT_CTX *ctx, const struct nat_job *job, __u32 why)
{
	__u32 v6 = job->flags & PKT_V6, mtu = why == COUNT_TOO_BIG ? job->hop.mtu : 0;
	__u32 how = TOLD_NOT;

	if (job->l4_at && !(job->flags & (PKT_BORROWED | PKT_UNWRAPPED)) &&
	    (!mtu || (mtu >= (v6 ? MTU_V6_MIN : MTU_V4_MIN) && job->l3_len > mtu)))
		how = tell_sender(ctx, job->l3_at, job->l3_len, mtu, v6);
	if (how == TOLD)
		return NAT_END(SEND_BACK, mtu ? COUNT_TOO_BIG_TOLD : COUNT_TTL_TOLD);
	return NAT_END(DROP, mtu && how == TOLD_ENOUGH ? COUNT_TOO_BIG_LIMITED : why);
}

/* end: what is counted if it leaves; NEXT where it may, and has but to be rewritten. */
__noinline __u32 nat_judge(PKT_CTX *ctx, __u32 end)
{
	struct nat_job *job = nat_job_get();
	__u32 mtu;

	if (!job || !nat_hop(job))
		return NAT_END(DROP, COUNT_UNRESOLVED);
	if (job->wire_bytes > job->hop.mtu)
		return NAT_END(DROP, COUNT_TOO_BIG);
	if (job->ttl <= 1)
		return NAT_END(DROP, COUNT_TTL_EXPIRED);
	if (job->flags & PKT_ERROR)
		return NAT_END(NEXT, COUNT_ERROR_TRANSLATED);
	if (job->tcp_flags & TCP_SYN && job->l4_at) {
		mtu = job->hop.mtu < job->to_client.mtu ? job->hop.mtu : job->to_client.mtu;
		mss_clamp(ctx, job->l4_at, mss_of(mtu, job->flags & PKT_V6));
	}
	return end;
}

static __always_inline __u32 nat_send(PKT_CTX *ctx, const struct nat_job *job, __u32 end)
{
	if (!(job->flags & PKT_ERROR ? nat_translate(ctx) : nat_rewrite(ctx)))
		return NAT_END(DROP, COUNT_SHORT);
	return nat_leave(ctx, NAT_WHY(end));
}
