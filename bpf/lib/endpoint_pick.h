/*
 * endpoint_pick.h - which endpoint an L4 connection has.
 *
 * As long as a slot of the ring keeps its endpoint, the ring alone knows: nothing is looked up and
 * nothing remembered, whatever is sent. A slot that has changed is marked; there a connection
 * that is not known and does not begin now goes where the slot led before, and what the ring of
 * today would not repeat is entered in the table of flows.
 */
#pragma once
#include "bpf/lib/flow_enter.h"
#include "bpf/lib/flow_table.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/quic.h"

/* With half of all slots without a use, one connection in 2^32 finds none. */
enum { SLOTS_TRIED = 32 };

static __always_inline bool starts_connection(const struct pkt *p)
{
	return p->flow.proto == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* An endpoint that none of `flags` keeps from being sent to, or NULL. */
static __always_inline const struct endpoint_entry *endpoint_without(__u32 id, __u32 flags)
{
	const struct endpoint_entry *e = array_at(&shunt_endpoints, id);

	if (!e || (e->flags & (ENDPOINT_USED | flags)) != ENDPOINT_USED)
		return NULL;
	return e;
}

/* For what is new. */
static __always_inline const struct endpoint_entry *endpoint_usable(__u32 id)
{
	return endpoint_without(id, ENDPOINT_DOWN | ENDPOINT_DRAINING | ENDPOINT_REMOVED);
}

/* For what it has, and for anything where no other is usable. */
static __always_inline const struct endpoint_entry *endpoint_there(__u32 id)
{
	return endpoint_without(id, ENDPOINT_DOWN);
}

/* hash_ring, of which the one is known already. */
static __always_inline __u64 ring_hash(const struct pkt *p)
{
	if (p->vip->flags & VIP_BY_CLIENT)
		return hash_addr(p->flow.src, p->settings->hash_seed);
	return p->hash;
}

static __always_inline __u32 slot_of(__u64 hash, const struct vip_entry *vip)
{
	return (__u32)(((hash >> 32) * vip->slots) >> 32);
}

static __always_inline __u32 ring_read(__u32 ring, __u32 slot)
{
	__u32 at = ring + slot / RING_LINE;
	const struct ring_line *line = array_at(&shunt_ring_lines, at);

	return line ? line->slots[slot % RING_LINE] : 0;
}

enum known_as {
	KNOWN_BEGINS = 1, /* the packet begins a connection */
	KNOWN_ASKED = 2,  /* only asked about: the entry stays as it is */
	KNOWN_MOVES = 4,  /* away from an endpoint that is draining */
};

/*
 * The word of a connection that the table knows, or 0 where it says nothing that holds. A function
 * that is verified on its own, as flow_enter.
 */
__noinline __u64 flow_known(const struct flow_key *key, __u64 hash, __u32 how)
{
	const struct settings *s = settings_get();
	const struct endpoint_entry *to;
	struct flow_entry *known;
	__u64 word = 0;

	if (!s || !key)
		return 0;
	known = flow_find(key, hash, s, &word);
	if (!known || FLOW_KIND(word) != FLOW_L4)
		return 0;
	to = endpoint_without(FLOW_INDEX(word),
			      how & KNOWN_MOVES
				      ? ENDPOINT_DOWN | ENDPOINT_DRAINING | ENDPOINT_REMOVED
				      : ENDPOINT_DOWN);
	/* Another generation: the id belongs to a stranger now. A reused port is a new connection,
	 * and nothing of the old one may be found behind its first packet. */
	if (!to || (to->generation & 0xffff) != FLOW_GENERATION(word) ||
	    (how & KNOWN_BEGINS && known->confirmed)) {
		if ((how & (KNOWN_BEGINS | KNOWN_ASKED)) == KNOWN_BEGINS)
			entry_free(known, word);
		return 0;
	}
	if (how & KNOWN_ASKED)
		return word;
	if (!(how & KNOWN_BEGINS) && known->confirmed != FLOW_CONFIRMED)
		known->confirmed = FLOW_CONFIRMED;
	if (known->seen != s->epoch)
		known->seen = s->epoch;
	return word;
}

/*
 * Its endpoint is down: other slots of the ring, the same for each packet of a connection. A
 * function that is verified on its own, as flow_enter.
 */
__noinline __u32 pick_other(__u32 ring, __u32 slots, __u64 flow_hash)
{
	__u64 hash = flow_hash;

	for (int i = 0; i < SLOTS_TRIED; i++) {
		__u32 id;

		hash = hash_word(hash, flow_hash);
		id = ring_read(ring, (__u32)(((hash >> 32) * slots) >> 32)) & RING_ID;
		if (endpoint_usable(id))
			return id;
	}
	return 0;
}

/* Whether it can only go on where it is: a stream, unless it begins now. */
static __always_inline bool must_stay(const struct pkt *p)
{
	return p->flow.proto == IPPROTO_TCP && !starts_connection(p);
}

static __always_inline bool may_be_old(const struct pkt *p)
{
	if (p->flow.proto == IPPROTO_TCP)
		return !starts_connection(p);
	return !(p->vip->flags & VIP_SETTLED);
}

static __always_inline enum verdict pick_take(struct pkt *p, __u32 id, enum counter why)
{
	p->to = endpoint_there(id);
	p->endpoint = p->to ? id : 0;
	return p->to ? pkt_end(p, NEXT, why) : pkt_end(p, DROP, COUNT_NO_ENDPOINT);
}

static __always_inline bool suits(const struct pkt *p, __u32 id)
{
	return must_stay(p) ? endpoint_there(id) : endpoint_usable(id);
}

/* Where it was before, where it would be now, or elsewhere. */
static __always_inline __u32 pick_by_ring(const struct pkt *p, __u32 now, __u32 before, bool begins)
{
	if (!begins && may_be_old(p) && suits(p, before))
		return before;
	if (suits(p, now))
		return now;
	/* All are draining: as if none was. */
	return pick_other(p->vip->ring, p->vip->slots, ring_hash(p)) ?: now;
}

/*
 * What the connection id of a datagram says, see quic_endpoint. Parts of a datagram and what only
 * quotes one have no connection id that could be read, or not ours: all of these go by the ring.
 */
static __always_inline __u32 quic_named(const struct pkt *p)
{
	__u32 l3_at = (__u32)((long)p->l3 - (long)p->start);

	if (p->flags & (PKT_FRAGMENT | PKT_ERROR | PKT_BORROWED))
		return 0;
	return quic_endpoint(p->ctx, l3_at + p->l4_off, p->vip->index, p->vip->flags);
}

/* An endpoint that is down or gone is nobody's (the draft's "unroutable": all that is so falls
 * back, whatever the reason); one that drains keeps what names it. */
static __always_inline bool pick_named(struct pkt *p, __u32 named)
{
	p->to = endpoint_there(named);
	p->endpoint = named;
	if (!p->to)
		return false;
	p->why = COUNT_FORWARDED_QUIC;
	p->ring_slot = SAMPLE_NONE;
	return true;
}

/* A slot that has changed, or whose endpoint is down. A function of its own: it is rare. */
static __noinline enum verdict pick_carefully(struct pkt *p, __u32 slot)
{
	__u32 ring = ring_read(p->vip->ring, slot), now = ring & RING_ID, before = now, id;
	bool alone = p->vip->flags & VIP_ALONE;
	/* What only follows a connection makes none. */
	bool asked = alone || p->flags & (PKT_EXPLAINED | PKT_BORROWED);
	__u64 known = alone ? 0
			    : flow_known(&p->flow, p->hash,
					 (starts_connection(p) ? KNOWN_BEGINS : 0) |
						 (asked ? KNOWN_ASKED : 0) |
						 (must_stay(p) ? 0 : KNOWN_MOVES));

	if (known) {
		p->flags |= PKT_KNOWN;
		return pick_take(p, FLOW_INDEX(known), COUNT_FORWARDED_STICKY);
	}
	if (ring & RING_CHANGED)
		before = ring_read(p->vip->before, slot) & RING_ID;
	id = pick_by_ring(p, now, before, p->endpoint == QUIC_BEGINS);
	if (pick_take(p, id, COUNT_FORWARDED))
		return DROP;
	if ((id != now || id != before) && !asked)
		flow_enter(&p->flow, p->hash, id, p->to->generation,
			   starts_connection(p) ? FLOW_BEGUN : FLOW_MET);
	return NEXT;
}

/* What the ring says of a slot that is as it was. */
static __always_inline bool pick_unchanged(struct pkt *p, __u32 id)
{
	if (id & RING_CHANGED)
		return false;
	p->to = endpoint_usable(id);
	p->endpoint = id;
	p->why = COUNT_FORWARDED;
	return p->to;
}

/* By its connection id, or where the ring is as it was. Leaves QUIC_BEGINS in p->endpoint. */
static __noinline bool pick_quic(struct pkt *p)
{
	p->endpoint = quic_named(p);
	return pick_named(p, p->endpoint) ||
	       pick_unchanged(p, ring_read(p->vip->ring, p->ring_slot));
}

/* needs: flow, vip, hash; sets: to, endpoint */
static __always_inline enum verdict endpoint_pick(struct pkt *p)
{
	p->ring_slot = slot_of(ring_hash(p), p->vip);
	if (p->vip->flags & VIP_QUIC ? pick_quic(p)
				     : pick_unchanged(p, ring_read(p->vip->ring, p->ring_slot)))
		return NEXT;
	return pick_carefully(p, p->ring_slot);
}
