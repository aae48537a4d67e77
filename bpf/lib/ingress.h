/*
 * ingress.h - a packet in: parse, addressee, unwrap, splice, vip, endpoint, send. The same at every
 * hook: see frame.h.
 *
 * What is not for us passes untouched, whatever it is: first it is looked up, then judged.
 */
#pragma once
#include "bpf/lib/direct.h"
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/finish.h"
#include "bpf/lib/flow_table.h"
#include "bpf/lib/fragment.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/parse_link.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/short_way.h"
#include "bpf/lib/splice_error.h"
#include "bpf/lib/splice_rules.h"
#include "bpf/lib/vip_find.h"
#include "bpf/lib/vxlan.h"

/* An L4 listener's packet to its endpoint. */
static __always_inline enum verdict forward(struct pkt *p, const struct settings *s)
{
	enum verdict v;

	if ((p->flags & (PKT_FRAGMENT | PKT_EXPLAINED)) == PKT_FRAGMENT && p->flags & PKT_PORTS)
		fragment_keep(&p->flow, p->frag_id, s->hash_seed);
	v = endpoint_pick(p);
	if (p->flags & PKT_ERROR && !v)
		p->why = COUNT_ERROR_FOLLOWED;
	if (v)
		return v;
	return p->vip->flags & VIP_DSR ? direct_send(p) : endpoint_send(p, s);
}

/* What is for an address that we know. Fragments and ICMP errors have the flow of what they belong
 * to. */
static __always_inline enum verdict serve(struct pkt *p, const struct settings *s)
{
	enum verdict v = fragment_follow(p, s) ?: error_follow(p);

	if (v)
		return v;
	p->hash = hash_flow(&p->flow, s->hash_seed);
	return vip_find(p, s) ?: guard(p, s) ?: nat(p, s) ?: splice_find(p, s) ?: vip_judge(p) ?: forward(p, s);
}

/* Behind steps that end in many ways: they become one. Always NEXT. */
static __always_inline enum verdict merge(struct pkt *p)
{
	__u32 unknown = p->settings->epoch;

	p->flags = (__u16)forget(p->flags, unknown);
	p->why = forget(p->why, unknown);
	p->l4_off = (__u16)forget(p->l4_off, unknown);
	p->vlan_tags = (__u8)forget(p->vlan_tags, unknown);
	p->endpoint = forget(p->endpoint, unknown);
	return NEXT;
}

/* Behind the parsers: of what they found the verifier shall know nothing. sets: l4. Always NEXT. */
static __always_inline enum verdict merge_parsed(struct pkt *p)
{
	__u32 unknown = p->settings->epoch;
	__u32 l3_at = forget((__u32)((long)p->l3 - (long)p->start), unknown) & LINK_BYTES_MASK;

	merge(p);
	p->l3_len = (__u16)forget(p->l3_len, unknown);
	p->tcp_flags = (__u8)forget(p->tcp_flags, unknown);
	p->ttl = (__u8)forget(p->ttl, unknown);
	p->frag_id = forget(p->frag_id, unknown);
	p->flow.proto = (__u8)forget(p->flow.proto, unknown);
	p->flow.sport = (__u16)forget(p->flow.sport, unknown);
	p->flow.dport = (__u16)forget(p->flow.dport, unknown);
	p->l3 = p->start + l3_at;
	p->l4 = p->start + ((l3_at + p->l4_off) & FRAME_OFF_MAX);
	return NEXT;
}

static __always_inline enum verdict read_to_ports(struct pkt *p)
{
	p->flags |= PKT_READ;
	return NEXT;
}

/* Sets all that any step may read without having set it. Nothing else of p is: that would cost as
 * much as a lookup. */
static __always_inline void begin(struct pkt *p, const struct settings *s, __u16 flags)
{
	p->settings = s;
	frame_pull(p->ctx);
	frame_reload(p);
	p->l3 = p->l4 = NULL;
	p->addr = NULL;
	p->vip = NULL;
	p->to = NULL;
	p->flow = (struct flow_key){};
	p->hash = 0;
	p->why = 0;
	p->endpoint = 0;
	p->frag_id = 0;
	p->ring_slot = SAMPLE_NONE;
	p->explain_splice = SAMPLE_NONE;
	p->l3_len = p->l4_off = 0;
	p->flags = (__u16)forget(flags, s->epoch);
	p->vlan_tags = p->tcp_flags = 0;
}

static __always_inline enum verdict receive(struct pkt *p, const struct settings *s, __u16 flags)
{
	begin(p, s, flags);
	return parse_link(p)
		       ?: parse_destination(p)
				  ?: addressee_find(p, s) /* most are for nobody we know */
					     ?: parse_ip(p) ?: parse_ports(p) ?: merge_parsed(p) ?: read_to_ports(p);
}

LONG_WAY_FUNCTION int long_way(PKT_CTX *ctx)
{
	const struct settings *s = settings_get();
	enum verdict v;
	struct pkt p;
	__u16 how;

	p.ctx = ctx;
	p.arrived_bytes = frame_bytes(ctx);
	p.explain_cookie = 0;
	p.vni = 0;
	if (!s)
		return frame_act(&p, XDP_PASS);
	how = frame_is_explained(ctx, &p.explain_cookie) ? PKT_EXPLAINED : 0;
	v = receive(&p, s, how);
	v = v ?: unwrap(&p);
	if (v == AGAIN)
		v = receive(&p, s, PKT_UNWRAPPED | (p.flags & PKT_EXPLAINED));
	v = forget(v ?: serve(&p, s), s->epoch);
	merge(&p);
	if (v == PASS && p.flags & PKT_UNWRAPPED && p.why == COUNT_NOT_IP)
		p.why = COUNT_DECAP_TO_STACK;
	return finish(&p, v);
}

static __always_inline int ingress(PKT_CTX *ctx)
{
	int action = short_way(ctx);

	return action == LONG_WAY ? long_way(ctx) : action;
}
