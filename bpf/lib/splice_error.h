/*
 * splice_error.h - ICMP errors about packets of a spliced connection.
 *
 * A packet that E sent to C went through us with other addresses, ports and numbers; so did its
 * quote to whom sent the error. E gets it as if there had been no splice: from our address, about
 * the packet as E sent it. Numbers outside of what is under way are forged (RFC 5927, 4).
 */
#pragma once
#include "bpf/lib/icmp_error.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/splice_rules.h"
#include "bpf/lib/vip_find.h"

/* A word of the packet gets a new value; its change goes to *sum. */
static __always_inline void set_word(__be32 *at, __be32 new, __u64 *sum)
{
	*sum = sum_change(*sum, *at, new);
	*at = new;
}

/*
 * The addresses of the outer (0) or the quoted (1) IP header, and IPv4's own checksum. The quoted
 * one goes the other way.
 */
__noinline int error_set_ipv4(PKT_CTX *ctx, __u32 quoted)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct iphdr *ip;
	__u64 sum = 0;

	if (!q)
		return 0;
	ip = data + ((quoted ? q->ip_at : q->l3_at) & FRAME_OFF_MAX);
	if ((void *)(ip + 1) > end)
		return 0;
	set_word(&ip->saddr, quoted ? q->to.dst[3] : q->to.src[3], &sum);
	set_word(&ip->daddr, quoted ? q->to.src[3] : q->to.dst[3], &sum);
	ip->check = checksum_apply(ip->check, sum);
	/* The quoted header adds up to the same as before; TCP's checksum has the addresses too. */
	return sum_fold(sum);
}

__noinline int error_set_ipv6(PKT_CTX *ctx, __u32 quoted)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct ipv6hdr *ip;
	__u64 sum = 0;

	if (!q)
		return 0;
	ip = data + ((quoted ? q->ip_at : q->l3_at) & FRAME_OFF_MAX);
	if ((void *)(ip + 1) > end)
		return 0;
	for (int i = 0; i < 4; i++) {
		set_word(&ip->saddr.s6_addr32[i], quoted ? q->to.dst[i] : q->to.src[i], &sum);
		set_word(&ip->daddr.s6_addr32[i], quoted ? q->to.src[i] : q->to.dst[i], &sum);
	}
	q->sum += sum; /* quoted: as payload; the outer ones: by the pseudo-header */
	return sum_fold(sum);
}

/*
 * The quoted TCP header, as far as it is there: ports, numbers, checksum. addrs is the change of
 * its pseudo-header.
 */
__noinline int error_set_tcp(PKT_CTX *ctx, __u32 addrs)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct tcphdr *tcp;
	__u64 sum = 0;
	__u16 old;

	if (!q)
		return 0;
	tcp = data + (q->l4_at & FRAME_OFF_MAX);
	if ((void *)tcp + QUOTE_L4_BYTES > end)
		return 0;
	set_word((__be32 *)tcp,
		 bpf_htonl((__u32)bpf_ntohs(q->to.dport) << 16 | bpf_ntohs(q->to.sport)), &sum);
	set_word(&tcp->seq, bpf_htonl(bpf_ntohl(tcp->seq) - q->seq_delta), &sum);
	if (q->l4_at + 12 <= q->end_at && (void *)tcp + 12 <= end)
		set_word(&tcp->ack_seq, bpf_htonl(bpf_ntohl(tcp->ack_seq) - q->ack_delta), &sum);
	if (q->l4_at + 18 <= q->end_at && (void *)tcp + 18 <= end) {
		old = tcp->check;
		tcp->check = checksum_apply(old, sum + addrs);
		sum = sum_change(sum, old, tcp->check);
	}
	q->sum += sum;
	return 0;
}

/* A quoted UDP header is all there. */
__noinline int error_set_udp(PKT_CTX *ctx, __u32 addrs)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct udphdr *udp;
	__u64 sum = 0;
	__u16 old;

	if (!q)
		return 0;
	udp = data + (q->l4_at & FRAME_OFF_MAX);
	if ((void *)(udp + 1) > end)
		return 0;
	sum = sum_change(sum_change(0, udp->source, q->to.dport), udp->dest, q->to.sport);
	udp->source = q->to.dport;
	udp->dest = q->to.sport;
	old = udp->check;
	if (old) {
		udp->check = checksum_apply(old, sum + addrs) ?: 0xffff;
		sum = sum_change(sum, old, udp->check);
	}
	q->sum += sum;
	return 0;
}

static __always_inline void error_set_ports(PKT_CTX *ctx, const struct quote *q, __u32 addrs)
{
	if (q->flow.proto == IPPROTO_UDP)
		error_set_udp(ctx, addrs);
	else
		error_set_tcp(ctx, addrs);
}

/* All that has to change but the frame's outside. In functions of their own, for their stack. */
static __always_inline bool error_translate(struct pkt *p, struct quote *q)
{
	struct icmp_head *icmp = p->start + (q->icmp_at & FRAME_OFF_MAX);

	if ((void *)(icmp + 1) > p->end)
		return false;
	q->sum = 0;
	if (p->flags & PKT_V6) {
		error_set_ipv6(p->ctx, 0);
		error_set_ports(p->ctx, q, (__u32)error_set_ipv6(p->ctx, 1));
	} else {
		error_set_ipv4(p->ctx, 0);
		error_set_ports(p->ctx, q, (__u32)error_set_ipv4(p->ctx, 1));
	}
	icmp->check = checksum_apply(icmp->check, q->sum);
	return true;
}

/* What E can have under way to C, as C counts it. While our socket lives, its bytes come first. */
static __always_inline bool is_under_way(__u32 seq, const struct splice_dir *x,
					 const struct splice_dir *y)
{
	__u32 sent = x->max_seq + x->seq_delta;

	if (seq_before(sent, y->drain))
		sent = y->drain;
	return !seq_before(seq, y->max_ack) && !seq_before(sent, seq);
}

/*
 * NEXT: about no splice. REDIRECT: to be translated, all that it takes is in the quote. Else q->why
 * has the reason. Rare, so not inlined.
 */
__noinline int splice_error(PKT_CTX *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct quote *q = quote_get();
	struct splice_dir *x, *y; /* x: the end that sent what is quoted; y: the other */
	const struct settings *s = settings_get();
	struct next_hop *hop;
	struct splice *sp;
	struct tcphdr *tcp;
	__u32 index, seq;
	__u64 word = 0;

	if (!q || !s)
		return NEXT;
	if (!flow_find(&q->flow, hash_flow(&q->flow, s->hash_seed), s, &word) ||
	    FLOW_KIND(word) != FLOW_SPLICE)
		return NEXT;
	index = FLOW_INDEX(word);
	sp = array_at(&shunt_splices, index);
	if (!sp || (sp->generation & 0xffff) != FLOW_GENERATION(word) || sp->state == SPLICE_FREE)
		return NEXT;
	x = &sp->dir[FLOW_DIR(word) ^ 1];
	y = &sp->dir[FLOW_DIR(word)];
	tcp = data + (q->l4_at & FRAME_OFF_MAX);
	if ((void *)tcp + QUOTE_L4_BYTES > end)
		return NEXT;
	seq = bpf_ntohl(tcp->seq);
	q->why = COUNT_ERROR_FORGED;
	if (!is_under_way(seq, x, y))
		return DROP;
	q->why = COUNT_HANDOVER_PASSED;
	if (sp->state == SPLICE_HANDOVER && seq_before(seq, y->drain))
		return PASS;
	q->why = COUNT_ERROR_UNTOLD; /* all segments fit their tunnel: rare enough */
	if (y->wraps)
		return DROP;
	q->next_hop = y->next_hop;
	hop = array_at(&shunt_next_hops, q->next_hop);
	q->why = COUNT_UNRESOLVED;
	if (!hop || !hop->ready)
		return DROP;
	q->why = COUNT_TOO_BIG;
	if (q->end_at - q->l3_at > hop->mtu)
		return DROP;
	q->to = y->out;
	q->seq_delta = x->seq_delta;
	q->ack_delta = x->ack_delta;
	return REDIRECT;
}

/* A translated error leaves like any packet of its connection. */
static __always_inline enum verdict error_send(struct pkt *p, struct quote *q)
{
	__u32 index = q->next_hop;
	const struct next_hop *hop = array_at(&shunt_next_hops, index);
	enum verdict v = ttl_decrement(p);

	if (v)
		return v;
	if (!hop)
		return pkt_end(p, DROP, COUNT_UNRESOLVED);
	if (!error_translate(p, q))
		return pkt_end(p, DROP, COUNT_SHORT);
	p->why = COUNT_ERROR_TRANSLATED;
	return change_link(p, hop);
}

/* needs: flow, l3, l3_len, l4_off, flags; sets: flow to that of the connection it is about */
static __always_inline enum verdict error_follow(struct pkt *p)
{
	struct quote *q;
	enum verdict v;

	if (!is_icmp(p) || p->flags & (PKT_ODD | PKT_FRAGMENT) || is_land(&p->flow) ||
	    is_martian(&p->flow, p->flags & PKT_V6))
		return NEXT;
	q = quote_get();
	if (!q)
		return NEXT;
	q->l3_at = (__u32)((long)p->l3 - (long)p->start);
	q->icmp_at = q->l3_at + p->l4_off;
	q->end_at = q->l3_at + p->l3_len;
	/* Quoted must be a packet from whom it is sent to. */
	if (!quote_read(p->ctx, p->flags & PKT_V6) || !is_same_ip(q->flow.dst, p->flow.dst))
		return NEXT;
	if (q->flow.proto == IPPROTO_TCP) {
		v = splice_error(p->ctx);
		if (v == REDIRECT)
			return error_send(p, q);
		if (v)
			return pkt_end(p, v, q->why);
	}
	p->flow = q->flow;
	p->flags |= PKT_BORROWED | PKT_ERROR;
	return NEXT;
}
