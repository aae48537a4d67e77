/*
 * finish.h - verdict to action; the one place where a packet is counted.
 */
#pragma once
#include "bpf/lib/count.h"
#include "bpf/lib/pkt.h"

static __always_inline int finish(struct pkt *p, enum verdict v)
{
	count(p->why);
	switch (v) {
	case DROP:
		return XDP_DROP;
	case SEND_BACK:
		return XDP_TX;
	case REDIRECT:
		return (int)bpf_redirect(p->out_ifindex, 0);
	default:
		return XDP_PASS;
	}
}
