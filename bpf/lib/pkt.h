/*
 * pkt.h - what the steps pass on about one packet: context, cursor, verdicts.
 *
 * The steps are the same for XDP and for tc; PKT_TC is set by the tc programs and decides what
 * the context is.
 */
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"

/* NEXT is 0, so that `?:` runs steps until one decides. */
enum verdict {
	NEXT = 0,
	PASS,
	DROP,
	SEND_BACK, /* out of the device on which it came */
	REDIRECT,  /* out of p->out_ifindex */
	AGAIN,     /* another frame now stands in its place: parse anew */
};

enum pkt_flag {
	PKT_V6 = 1,
	PKT_FRAGMENT = 2,   /* first or later */
	PKT_LATER = 4,      /* a later fragment: no ports */
	PKT_ODD = 8,        /* could not be read to its ports; p->why says why */
	PKT_UNWRAPPED = 16, /* came in VXLAN */
	PKT_EXPLAINED = 64, /* nobody's: must leave nothing behind (abi/sample.h) */
	PKT_KNOWN = 128,    /* its connection had an endpoint already */
	PKT_BORROWED = 32,  /* flow is not in its own headers: a later fragment, an ICMP error */
	PKT_ERROR = 256,    /* the latter */
	PKT_READ = 512,     /* to its ports, as far as it has any */
	PKT_PORTS = 1024,   /* l4 is where its TCP or UDP header is */
};

#ifdef PKT_TC
#define PKT_CTX              struct __sk_buff
#define PKT_TAGS_BESIDE(ctx) ((ctx)->vlan_present ? 1 : 0)
#else
#define PKT_CTX              struct xdp_md
#define PKT_TAGS_BESIDE(ctx) 0 /* VLAN tags that are not in the frame */
#endif

struct pkt {
	PKT_CTX *ctx;
	const struct settings *settings;
	void *start; /* of the frame */
	void *end;
	void *at; /* cursor: next header to be read */
	void *l3;
	void *l4;
	struct flow_key flow;          /* as it arrived */
	const struct addr_entry *addr; /* whom it is for */
	const struct vip_entry *vip;
	const struct endpoint_entry *to;
	__u64 hash;     /* keyed, of flow */
	__u32 endpoint; /* id of the one that gets the packet, 0: none */
	__u32 out_ifindex;
	__u32 why; /* enum counter: what the exit counts */
	__u32 arrived_bytes;
	__u32 ring_slot; /* that was asked for the endpoint */
	__u32 explain_cookie;
	__u32 explain_splice; /* the splice that it would belong to */
	__u32 frag_id;        /* with PKT_FRAGMENT, in the packet's own order */
	__u16 proto;          /* EtherType after tags, network order */
	__u16 l3_len;         /* what the IP header says that the packet is long, header included */
	__u16 l4_off;         /* from l3 */
	__u16 flags;          /* enum pkt_flag */
	__u8 vlan_tags;
	__u8 tcp_flags;
	__u8 ttl;
	__u32 vni; /* of the tunnel in which it came; 0: none */
};

/*
 * The same number, but the verifier does not know it any more: else it walks through all that
 * follows once for each value that it has seen, which multiplies. unknown: any number from a map.
 */
static __always_inline __u32 forget(__u32 x, __u32 unknown)
{
	x ^= unknown;
	barrier_var(x);
	return x ^ unknown;
}

/* The one bounds check: the next n bytes (a constant), or NULL; moves the cursor. */
static __always_inline void *pkt_pull(struct pkt *p, __u32 n)
{
	void *here = p->at;

	if (here + n > p->end)
		return NULL;
	p->at = here + n;
	return here;
}

/* Six bytes in three words: of bytes the compiler knows no better than one after the other. */
static __always_inline void put_mac(void *to, const void *from)
{
	const __u16 *f = from;
	__u16 *t = to;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
}

/* Ends the packet's way: what shall become of it, and what is counted. */
static __always_inline enum verdict pkt_end(struct pkt *p, enum verdict v, enum counter why)
{
	p->why = why;
	return v;
}
