/*
 * xdp_ingress.bpf.c - a packet in: parse, unwrap, flow, vip, endpoint, send.
 *
 * What is not for us passes untouched, whatever it is: first it is looked up, then judged. One
 * buffer a frame: with a larger MTU than a page holds, the device must have multi-buffer off.
 */
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/finish.h"
#include "bpf/lib/flow_table.h"
#include "bpf/lib/fragment.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/parse_link.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/splice_error.h"
#include "bpf/lib/splice_rules.h"
#include "bpf/lib/vip_find.h"
#include "bpf/lib/vxlan.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline enum verdict parse(struct pkt *p)
{
	return parse_link(p) ?: parse_ip(p) ?: parse_ports(p);
}

/* An L4 listener's packet to its endpoint. */
static __always_inline enum verdict forward(struct pkt *p, const struct settings *s)
{
	enum verdict v;

	p->hash = hash_flow(&p->flow, s->hash_seed);
	if ((p->flags & (PKT_FRAGMENT | PKT_EXPLAINED)) == PKT_FRAGMENT && p->l4)
		fragment_keep(&p->flow, p->frag_id, s->hash_seed);
	v = flow_find(p)                 /* a known connection keeps its endpoint */
		    ?: endpoint_pick(p); /* a new one takes it from the ring */
	if (p->flags & PKT_ERROR && !v)
		p->why = COUNT_ERROR_FOLLOWED;
	return v ?: endpoint_send(p, s);
}

SEC("xdp")
int xdp_ingress(struct xdp_md *xdp)
{
	struct pkt p = { .ctx = xdp,
			 .start = (void *)(long)xdp->data,
			 .end = (void *)(long)xdp->data_end,
			 .arrived_bytes = (__u32)(xdp->data_end - xdp->data),
			 .ring_slot = SAMPLE_NONE,
			 .explain_splice = SAMPLE_NONE };
	const struct explain_mark *mark = explain_mark(xdp);
	const struct settings *s = settings_get();
	enum verdict v;

	if (!s)
		return XDP_PASS;
	if (mark) {
		p.flags = PKT_EXPLAINED;
		p.explain_cookie = mark->cookie;
	}
	v = parse(&p) ?: unwrap(&p, s);
	if (v == AGAIN) {
		p = (struct pkt){ .ctx = xdp,
				  .start = (void *)(long)xdp->data,
				  .end = (void *)(long)xdp->data_end,
				  .flags = PKT_UNWRAPPED | (p.flags & PKT_EXPLAINED),
				  .arrived_bytes = p.arrived_bytes,
				  .explain_cookie = p.explain_cookie,
				  .ring_slot = SAMPLE_NONE,
				  .explain_splice = SAMPLE_NONE };
		v = parse(&p);
	}
	/* Fragments and ICMP errors have the flow of what they belong to. */
	v = v ?: fragment_follow(&p, s) ?: error_follow(&p);
	v = v ?: splice_find(&p) /* spliced connections need nothing else */
		     ?: vip_find(&p)
		     ?: forward(&p, s);
	if (v == PASS && p.flags & PKT_UNWRAPPED && p.why == COUNT_NOT_IP)
		p.why = COUNT_DECAP_TO_STACK;
	return finish(&p, v);
}
