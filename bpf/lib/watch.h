/*
 * watch.h - samples for whoever watches, and the record of a packet that is only explained.
 *
 * Unwatched, a packet pays one load and one branch.
 */
#pragma once
#include <linux/bpf.h>

#include "bpf/abi/sample.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/parse_link.h"
#include "bpf/lib/pkt.h"

static __always_inline __u32 vip_tally_of(const struct pkt *p)
{
	if (!p->vip)
		return SAMPLE_NONE;
	return p->vip->kind == VIP_L7 ? VIP_TALLY_L7(p->vip->index) : VIP_TALLY_L4(p->vip->index);
}

/* A bit of a set that a flag of the order switches on; outside the set there are no bits. */
static __always_inline bool in_set(const __u64 *set, __u32 bits, __u32 which)
{
	return which < bits && set[which / 64] >> (which % 64) & 1;
}

static __always_inline bool is_wanted(const struct watch_order *w, const struct pkt *p)
{
	if (w->flags & WATCH_REASONS && !in_set(w->reasons, REASONS_MAX, p->why))
		return false;
	if (w->flags & WATCH_VIPS && !in_set(w->vips, VIP_TALLIES, vip_tally_of(p)))
		return false;
	return !(w->flags & WATCH_ENDPOINTS) ||
	       (p->endpoint && in_set(w->endpoints, ENDPOINTS_MAX, p->endpoint));
}

static __always_inline __u8 sample_flags(const struct pkt *p)
{
	return (p->flags & PKT_V6 ? SAMPLE_V6 : 0) | (p->flags & PKT_ODD ? SAMPLE_ODD : 0) |
	       (p->flags & PKT_FRAGMENT ? SAMPLE_FRAGMENT : 0) |
	       (p->flags & PKT_UNWRAPPED ? SAMPLE_UNWRAPPED : 0) |
	       (p->flags & PKT_KNOWN ? SAMPLE_KNOWN : 0);
}

/* Where IP begins, behind the tags; 0: there is none. */
static __always_inline void *ip_at(void *data, void *end, __be16 *out_proto)
{
	struct ethhdr *eth = data;
	struct vlan_tag *tag = (void *)(eth + 1);

	if ((void *)tag > end)
		return NULL;
	*out_proto = eth->h_proto;
	for (int i = 0; i < VLAN_DEPTH_MAX && is_vlan(*out_proto); i++, tag++) {
		if ((void *)(tag + 1) > end)
			return NULL;
		*out_proto = tag->proto;
	}
	return tag;
}

/* The flow of a packet, as far as its headers are plain. */
__noinline int flow_read(PKT_CTX *ctx, struct flow_key *flow)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be16 proto = 0, *ports;
	struct ipv6hdr *six = ip_at(data, end, &proto);
	struct iphdr *four = (void *)six;

	if (!flow || !six || (void *)(four + 1) > end)
		return 0;
	if (proto == bpf_htons(ETH_P_IP)) {
		addr_from_v4(flow->src, four->saddr);
		flow->proto = four->protocol;
		ports = (void *)four + (four->ihl & 15) * 4;
		if (four->frag_off & bpf_htons(IPV4_OFFSET_MASK))
			return 0;
	} else {
		if (proto != bpf_htons(ETH_P_IPV6) || (void *)(six + 1) > end)
			return 0;
		__builtin_memcpy(flow->src, &six->saddr, sizeof(flow->src));
		flow->proto = six->nexthdr;
		ports = (void *)(six + 1);
	}
	if ((flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP) || (void *)(ports + 2) > end)
		return 0;
	flow->sport = ports[0];
	flow->dport = ports[1];
	return 1;
}

static __always_inline void sample_fill(struct sample *s, const struct pkt *p, __u32 action)
{
	const struct endpoint_entry *to =
		p->endpoint ? bpf_map_lookup_elem(&shunt_endpoints, &p->endpoint) : NULL;

	s->time_ns = bpf_ktime_get_ns();
	s->flow = p->flow;
	/* What is for nobody has been read no further than that. */
	if (!(p->flags & PKT_READ))
		flow_read(p->ctx, &s->flow);
	s->hash = p->hash;
	s->bytes = p->arrived_bytes;
	s->ifindex = frame_ifindex(p->ctx);
	s->out_ifindex = action == XDP_REDIRECT ? p->out_ifindex
			 : action == XDP_TX     ? frame_ifindex(p->ctx)
						: 0;
	s->vip = vip_tally_of(p);
	s->vip_slots = p->vip ? p->vip->slots : 0;
	s->ring_slot = p->ring_slot;
	s->zero2 = 0;
	s->endpoint = to ? p->endpoint : SAMPLE_NONE;
	s->next_hop = to ? to->next_hop : SAMPLE_NONE;
	s->why = p->why;
	s->action = action;
	s->flags = sample_flags(p);
	s->vlan_tags = p->vlan_tags;
	s->tcp_flags = p->tcp_flags;
	s->l3_bytes = p->l3_len;
	s->zero = 0;
}

static __always_inline void sample_take(struct watch_order *w, const struct pkt *p, __u32 action,
					__u64 until)
{
	struct sample *s;

	if (!is_wanted(w, p))
		return;
	/* Nobody has renewed: it is off for all, and a renewal meanwhile stays. */
	if (bpf_ktime_get_ns() > until) {
		__sync_val_compare_and_swap(&w->until_ns, until, 0);
		return;
	}
	__sync_fetch_and_add(&w->matched, 1);
	if (bpf_get_prandom_u32() > w->chance)
		return;
	s = bpf_ringbuf_reserve(&shunt_samples, sizeof(*s), 0);
	if (!s) {
		__sync_fetch_and_add(&w->lost, 1);
		return;
	}
	sample_fill(s, p, action);
	s->epoch = w->epoch;
	s->splice = SAMPLE_NONE;
	bpf_ringbuf_submit(s, 0);
}

static __always_inline bool is_watched(void)
{
	__u32 zero = 0;
	struct watch_order *w = array_at(&shunt_watch, zero);

	return !w || *(volatile __u64 *)&w->until_ns;
}

static __always_inline void watch(const struct pkt *p, __u32 action)
{
	__u32 zero = 0;
	struct watch_order *w = array_at(&shunt_watch, zero);
	__u64 until;

	if (!w)
		return;
	until = *(volatile __u64 *)&w->until_ns;
	if (until)
		sample_take(w, p, action, until);
}

/* The one thing that an explained packet leaves behind. */
static __always_inline void explain(const struct pkt *p, __u32 action)
{
	__u32 zero = 0;
	struct sample *s = array_at(&shunt_explained, zero);

	if (!s)
		return;
	sample_fill(s, p, action);
	s->epoch = p->explain_cookie;
	s->splice = p->explain_splice;
}
