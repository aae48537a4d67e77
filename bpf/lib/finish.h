/*
 * finish.h - verdict to action; the one place where a packet is counted.
 */
#pragma once
#include "bpf/lib/count.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/watch.h"

static __always_inline void count_packet(const struct pkt *p, enum verdict v)
{
	count(p->why, p->arrived_bytes);
	if (p->vip)
		count_vip(vip_tally_of(p), p->arrived_bytes,
			  v == DROP || p->why == COUNT_TOO_BIG_TOLD || p->why == COUNT_TTL_TOLD);
	if (p->endpoint && (v == SEND_BACK || v == REDIRECT))
		count_endpoint(p->endpoint, p->arrived_bytes);
}

static __always_inline __u32 action_of(enum verdict v)
{
	switch (v) {
	case DROP:
		return XDP_DROP;
	case SEND_BACK:
		return XDP_TX;
	case REDIRECT:
		return XDP_REDIRECT;
	default:
		return XDP_PASS;
	}
}

static __always_inline int finish(struct pkt *p, enum verdict v)
{
	__u32 action = action_of(v);

	if (p->flags & PKT_EXPLAINED) {
		explain(p, action);
		return (int)action; /* a redirect that nobody carries out */
	}
	count_packet(p, v);
	watch(p, action);
	return frame_act(p, action);
}
