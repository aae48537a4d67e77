/*
 * short_splice.h - nearly all segments of a spliced connection: data and acknowledgements, with
 * timestamps or without options.
 *
 * A part of short_way.h, with all in registers as there. The rules are those of splice_rules.h,
 * for a splice both of whose sockets are gone; what else there is goes the long way, before
 * anything was changed.
 */
#pragma once
#include "bpf/lib/splice_rules.h"

/* Neither begins nor ends anything, and nothing is to be looked for in its options. */
static __always_inline bool is_plain_segment(const struct pkt *p)
{
	const struct tcphdr *tcp = p->l4;
	const __be32 *option = p->l4 + sizeof(*tcp);

	if (p->flow.proto != IPPROTO_TCP || (void *)(tcp + 1) > p->end ||
	    (p->tcp_flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST)) != TCP_ACK)
		return false;
	return tcp->doff == 5 ||
	       (tcp->doff == 8 && (void *)(option + 3) <= p->end && option[0] == OPTIONS_ONLY_TS);
}

/* NEXT: the long way knows. needs: flow, hash, l3, l4, l4_off, l3_len, tcp_flags, ttl */
static __always_inline enum verdict short_splice(struct pkt *p, const struct settings *s)
{
	struct segment seg = {};
	struct splice_dir *x, *y;
	struct splice *sp;
	__u64 word = 0;

	if (!is_plain_segment(p) || !flow_find(&p->flow, p->hash, s, &word) ||
	    FLOW_KIND(word) != FLOW_SPLICE)
		return NEXT;
	sp = array_at(&shunt_splices, FLOW_INDEX(word));
	if (!sp || (sp->generation & 0xffff) != FLOW_GENERATION(word) ||
	    sp->state != SPLICE_SPLICED || (sp->pays[0] | sp->pays[1]) /* has a rate */)
		return NEXT;
	x = &sp->dir[FLOW_DIR(word)];
	y = &sp->dir[FLOW_DIR(word) ^ 1];
	segment_read(p, p->l4, &seg);
	if (x->fin || y->fin || !is_plausible(&seg, x, y, SPLICE_SPLICED))
		return NEXT;
	x->last_jiffies = bpf_jiffies64();
	if (!record_ack(&seg, x) || !record_data(&seg, x, y))
		return NEXT;
	return splice_forward(p, sp, x, &seg, true);
}
