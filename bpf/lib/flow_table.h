/*
 * flow_table.h - a connection keeps its endpoint while the pool changes.
 *
 * A cache: losing an entry only means asking the ring again.
 */
#pragma once
#include "bpf/lib/maps.h"
#include "bpf/lib/parse_ports.h"
#include "bpf/lib/pkt.h"

static __always_inline bool starts_connection(const struct pkt *p)
{
	return p->flow.proto == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* An endpoint that may be sent to, or NULL. */
static __always_inline const struct endpoint_entry *endpoint_usable(__u32 id)
{
	const struct endpoint_entry *e = bpf_map_lookup_elem(&shunt_endpoints, &id);

	if (!e || (e->flags & (ENDPOINT_USED | ENDPOINT_DOWN)) != ENDPOINT_USED)
		return NULL;
	return e;
}

/* needs: flow, vip; sets: to, endpoint where the connection is known. NEXT either way. */
static __always_inline enum verdict flow_find(struct pkt *p)
{
	const struct endpoint_entry *e;
	const struct sticky *known;

	if (starts_connection(p))
		return NEXT; /* a reused port is a new connection */
	known = bpf_map_lookup_elem(&shunt_sticky, &p->flow);
	if (!known)
		return NEXT;
	e = endpoint_usable(known->endpoint);
	/* Another generation: the id belongs to a stranger now. */
	if (!e || e->generation != known->generation)
		return NEXT;
	p->to = e;
	p->endpoint = known->endpoint;
	p->why = COUNT_FORWARDED_STICKY;
	p->flags |= PKT_KNOWN;
	return NEXT;
}
