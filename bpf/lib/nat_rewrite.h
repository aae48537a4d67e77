/*
 * nat_rewrite.h - a packet gets the addresses and ports of its other leg; checksums follow.
 */
#pragma once
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/lib/checksum.h"
#include "bpf/lib/nat_enter.h"
#include "bpf/lib/tcp_options.h"

/* The job's in becomes its out; returns the change of the pseudo-header. */
static __always_inline __u64 nat_set_v4(struct iphdr *ip, const struct nat_job *job)
{
	__u64 sum = sum_change(0, ip->saddr, job->out.src[3]);

	sum = sum_change(sum, ip->daddr, job->out.dst[3]);
	ip->saddr = job->out.src[3];
	ip->daddr = job->out.dst[3];
	ip->check = checksum_apply(ip->check, sum);
	return sum;
}

static __always_inline __u64 nat_set_v6(struct ipv6hdr *ip, const struct nat_job *job)
{
	__u64 sum = 0;

	for (int i = 0; i < 4; i++) {
		sum = sum_change(sum, ip->saddr.s6_addr32[i], job->out.src[i]);
		sum = sum_change(sum, ip->daddr.s6_addr32[i], job->out.dst[i]);
	}
	__builtin_memcpy(&ip->saddr, job->out.src, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, job->out.dst, sizeof(ip->daddr));
	return sum;
}

/* Where there is a UDP checksum, there is one after it too (RFC 768). */
static __always_inline void nat_sum_udp(struct udphdr *udp, __u64 sum)
{
	if (!udp->check)
		return;
	udp->check = checksum_apply(udp->check, sum);
	if (!udp->check)
		udp->check = 0xffff;
}

/*
 * Offsets in the frame; l4_at 0: a later fragment, which has no ports. 0: the frame ends too early.
 */
__noinline int nat_rewrite(PKT_CTX *ctx, __u32 l3_at, __u32 l4_at, __u32 v6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct nat_job *job = nat_job_get();
	void *l3 = data + (l3_at & FRAME_OFF_MAX), *l4 = data + (l4_at & FRAME_OFF_MAX);
	__u64 sum = 0;

	if (!job || l3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > end)
		return 0;
	if (v6) {
		struct ipv6hdr *ip = l3;

		if ((void *)(ip + 1) > end)
			return 0;
		sum = nat_set_v6(ip, job);
	} else {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) > end)
			return 0;
		sum = nat_set_v4(ip, job);
	}
	if (!l4_at)
		return 1;
	if (l4 + sizeof(struct udphdr) > end)
		return 0;
	sum = sum_change(sum, job->in.sport, job->out.sport);
	sum = sum_change(sum, job->in.dport, job->out.dport);
	((__be16 *)l4)[0] = job->out.sport;
	((__be16 *)l4)[1] = job->out.dport;
	if (job->in.proto == IPPROTO_UDP) {
		nat_sum_udp(l4, sum);
		return 1;
	}
	if (l4 + sizeof(struct tcphdr) > end)
		return 0;
	((struct tcphdr *)l4)->check = checksum_apply(((struct tcphdr *)l4)->check, sum);
	return 1;
}
