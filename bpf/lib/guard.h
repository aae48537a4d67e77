/*
 * guard.h - lists and rates of sources, for addresses that have a guard (ADDR_GUARDED): others pay
 * for the test of that bit.
 *
 * A rate is of one source: an IPv4 address, or an IPv6 network of 64 bits, since whoever has one
 * address of it has all. Of each that sent more than it has earned a time is kept, in a line of
 * GUARD_WAYS that a keyed hash chooses; a time that is past says nothing and gives way first, then
 * the earliest. So a flood of new sources displaces what is least in debt, and takes no memory.
 */
#pragma once
#include "bpf/abi/guard.h"
#include "bpf/abi/hash.h"
#include "bpf/lib/count.h"
#include "bpf/lib/endpoint_pick.h"
#include "bpf/lib/guard_map.h"
#include "bpf/lib/pkt.h"

enum guard_how {
	GUARD_HOW_BEGINS = 1,  /* the packet begins a connection */
	GUARD_HOW_ASKED = 2,   /* only asked about: nobody is debited, nothing counted */
	GUARD_HOW_PRESSED = 4, /* of cookies: as few SYNs as can be are left to the stack */
};

/* What is judged, for functions that may have few arguments. */
struct guard_ask {
	struct flow_key flow;
	__u64 seed;
	__u32 guard; /* index in shunt_guards */
	__u32 how;   /* enum guard_how */
	__u32 bytes; /* of the frame, to be counted */
	__u32 zero;
};

static __always_inline bool guard_refuses(const struct guard_ask *ask, __u32 guard)
{
	struct guard_net_key key = { .bits = GUARD_NET_BITS + 128, .guard = guard };
	const __u8 *net;

	__builtin_memcpy(key.addr, ask->flow.src, sizeof(key.addr));
	net = bpf_map_lookup_elem(&shunt_guard_nets, &key);
	return net && *net == GUARD_DENY;
}

/* Of a source and one rate of one guard; never 0. */
static __always_inline __u64 source_tag(const struct flow_key *flow, __u64 seed, __u32 which)
{
	const __be32 *src = flow->src;
	bool v4 = !src[0] && !src[1] && src[2] == bpf_htonl(0xffff);
	__u64 h = hash_mix(hash_mix(seed, which), (__u64)src[0] << 32 | src[1]);

	return hash_mix(h, v4 ? src[3] : 1ull << 32) | 1;
}

#define READ_EARNED(way) (*(const volatile __u64 *)&(way)->earned)

static __always_inline struct guard_source *guard_better(struct guard_source *a,
							 struct guard_source *b, __u64 tag)
{
	if (a->tag == tag)
		return a;
	return b->tag == tag || READ_EARNED(b) < READ_EARNED(a) ? b : a;
}

/* The source's own, or that which gives way. */
static __always_inline struct guard_source *guard_way(struct guard_line *line, __u64 tag)
{
	return guard_better(guard_better(&line->ways[0], &line->ways[1], tag),
			    guard_better(&line->ways[2], &line->ways[3], tag), tag);
}

/*
 * Another processor may do the same at this time. Of one source nothing is lost then; a way that
 * changes hands may lose what was debited meanwhile.
 */
static __always_inline void guard_debit(struct guard_source *way, __u64 tag, __u64 now,
					__u64 interval)
{
	__u64 earned = READ_EARNED(way);

	if (way->tag != tag) {
		*(volatile __u64 *)&way->earned = now + interval;
		barrier();
		*(volatile __u64 *)&way->tag = tag;
		return;
	}
	if (earned < now &&
	    __sync_val_compare_and_swap(&way->earned, earned, now + interval) == earned)
		return;
	__sync_fetch_and_add(&way->earned, interval);
}

/* Whether the source has one more to send. A function that is verified on its own. */
__noinline int guard_has_left(const struct guard_ask *ask, const struct guard_rate *rate,
			      __u32 which)
{
	__u64 now = bpf_jiffies64() << GUARD_PART_BITS, tag, earned;
	struct guard_source *way;
	struct guard_line *line;
	__u32 at;

	if (!ask || !rate)
		return 1;
	tag = source_tag(&ask->flow, ask->seed, which);
	at = (__u32)(tag >> 32) & (tables.guard_lines - 1);
	line = array_at(&shunt_guard_sources, at);
	if (!line)
		return 1;
	way = guard_way(line, tag);
	earned = way->tag == tag ? READ_EARNED(way) : 0;
	if (earned < now)
		earned = now;
	if (earned + rate->interval > now + rate->ahead)
		return 0;
	if (!(ask->how & GUARD_HOW_ASKED))
		guard_debit(way, tag, now, rate->interval);
	return 1;
}

/* What one guard has against it, or 0. */
static __always_inline __u32 guard_objection(const struct guard_ask *ask, __u32 guard,
					     const struct guard_entry *g)
{
	if (g->flags & GUARD_LISTS && guard_refuses(ask, guard))
		return COUNT_GUARD_DENIED;
	if (g->flags & GUARD_PACKETS && !guard_has_left(ask, &g->packets, 2 * g->number))
		return COUNT_GUARD_PACKETS;
	if (g->flags & GUARD_FLOWS && ask->how & GUARD_HOW_BEGINS &&
	    !guard_has_left(ask, &g->flows, 2 * g->number + 1))
		return COUNT_GUARD_FLOWS;
	return 0;
}

/* Why the packet must end, or 0: also where a guard only observes, and has counted. */
static __always_inline __u32 guard_one(const struct guard_ask *ask, __u32 guard,
				       const struct guard_entry *g)
{
	__u32 why = guard_objection(ask, guard, g);

	if (!why || g->flags & GUARD_ENFORCE)
		return why;
	if (!(ask->how & GUARD_HOW_ASKED))
		count(why - COUNT_GUARD_DENIED + COUNT_GUARD_DENIED_SEEN, ask->bytes);
	return 0;
}

/* The node's guard first, then the vip's. Returns enum counter, or 0. */
__noinline int guard_judge(const struct guard_ask *ask)
{
	const struct guard_entry *g, *also;
	__u32 at, why;

	if (!ask)
		return 0;
	at = ask->guard;
	g = array_at(&shunt_guards, at);
	if (!g)
		return 0;
	at = g->also;
	also = at ? array_at(&shunt_guards, at) : NULL;
	why = also ? guard_one(ask, at, also) : 0;
	return (int)(why ? why : guard_one(ask, ask->guard, g));
}

/* Rare: only where there is a guard. */
static __noinline __u32 guard_packet(const struct pkt *p, __u64 seed)
{
	struct guard_ask ask = { .flow = p->flow,
				 .seed = seed,
				 .guard = p->addr->guard,
				 .how = (starts_connection(p) ? GUARD_HOW_BEGINS : 0) |
					(p->flags & PKT_EXPLAINED ? GUARD_HOW_ASKED : 0),
				 .bytes = p->arrived_bytes };

	return (__u32)guard_judge(&ask);
}

/* needs: addr, vip, flow, flags, tcp_flags; NEXT: nobody objects */
static __always_inline enum verdict guard(struct pkt *p, const struct settings *s)
{
	__u32 why;

	if (!(p->addr->flags & ADDR_GUARDED))
		return NEXT;
	/* Answers to the node's own connections are nobody's flood. */
	if (p->addr->flags & ADDR_OWN && !p->vip)
		return NEXT;
	why = guard_packet(p, s->hash_seed);
	return why ? pkt_end(p, DROP, why) : NEXT;
}
