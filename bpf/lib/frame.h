/*
 * frame.h - the frame as a whole: grown, cut, tagged, sent; each in the way of the hook.
 *
 * The steps know no hook: what differs between XDP and tc is in one of these two.
 */
#pragma once
#include "bpf/lib/pkt.h"

#ifdef PKT_TC
#include "bpf/lib/frame_tc.h"
#else
#include "bpf/lib/frame_xdp.h"
#endif

static __always_inline void frame_reload(struct pkt *p)
{
	p->start = (void *)(long)p->ctx->data;
	p->end = (void *)(long)p->ctx->data_end;
}
