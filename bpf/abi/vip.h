/*
 * vip.h - from an address that we answer for to the endpoint's host.
 *
 * Network byte order where the type says so. IPv4 is stored as ::ffff:a.b.c.d, so one map serves
 * both families.
 */
#pragma once
#include "bpf/abi/abi.h"
#include "bpf/abi/sizes.h"
#include "bpf/abi/tunnel.h"

/*
 * Which addresses packets may be for: two halves of ADDR_TABLE entries in shunt_addrs, of which
 * settings.half is read while the other is written. An entry is found from its hash on, at most
 * PROBES_MAX further; one that is not used ends the search.
 */
enum addr_flag {
	ADDR_USED = 1,
	ADDR_VIP = 2,
	ADDR_TUNNEL = 4,     /* our vtep */
	ADDR_SPLICES = 8,    /* packets of spliced connections come to it */
	ADDR_STACK = 16,     /* a listener of the proxy: the stack may have what we do not know */
	ADDR_ANSWER = 32,    /* echo requests are answered by us, */
	ADDR_NO_ANSWER = 64, /* or dropped; neither: the stack has them */
	ADDR_GUARDED = 128,  /* `guard` is set */
	ADDR_COOKIES = 512,  /* its guard may answer SYNs */
	ADDR_OWN = 256,      /* with it: our own connections come from there too */
};

struct addr_entry {
	__be32 addr[4];
	__u32 flags;  /* enum addr_flag */
	__u32 number; /* ADDR_NUMBER: part of vip_entry.key */
	__u32 guard;  /* index in shunt_guards; 0: none */
	__u32 vni;    /* ours in that vpc: what comes to it comes in its tunnel; 0: in none */
};
ABI_SIZE(struct addr_entry, 32);

/* Of the address in its half, which it names. */
#define ADDR_NUMBER(n, half)     ((__u32)(n) | (__u32)(half) << 31)
#define ADDR_NUMBER_HALF(number) ((__u32)(number) >> 31)

enum vip_kind {
	VIP_L4 = 1, /* endpoint from the ring, forwarded here */
	VIP_L7 = 2, /* to the stack, sk_lookup gives it to a worker */
};

/* A port of a vip, found in shunt_vips as an address is in shunt_addrs. */
struct vip_entry {
	__u64 key;    /* VIP_KEY; 0: not used */
	__u32 kind;   /* enum vip_kind */
	__u32 index;  /* VIP_L4: number of the listener; VIP_L7: row of WORKERS_MAX sockets in
			 shunt_listeners */
	__u32 ring;   /* VIP_L4: first line in shunt_ring_lines */
	__u32 before; /* first line of the ring that was, for slots with RING_CHANGED */
	__u32 slots;  /* of either */
	__u32 flags;  /* enum vip_flag */
};
ABI_SIZE(struct vip_entry, 32);

/* port as in the packet; proto is IPPROTO_TCP or IPPROTO_UDP, so that no key is 0. */
#define VIP_KEY(number, port, proto) ((__u64)(number) << 32 | (__u64)(port) << 8 | (proto))

enum vip_flag {
	VIP_SETTLED = 1,     /* no UDP flow is left that the ring before this one has given away */
	VIP_ALONE = 8,       /* each datagram for itself: no flow of them is known */
	VIP_DSR = 2,         /* sent to endpoints on the same link as they are, by their MACs */
	VIP_NAT = 4,         /* sent to endpoints from an address and port of ours, and back */
	VIP_QUIC = 512,      /* by connection ids first; VIP_QUIC_LAYOUT says which */
	VIP_BY_CLIENT = 256, /* the ring is asked for the client's address alone: hash_ring */
	VIP_PRESSED = 1 << 15, /* of VIP_L7: its accept queue fills, SYNs get cookies */
};

/*
 * RING_LINE slots: the id of an endpoint, 0 for none. Whose RING_CHANGED is set got another
 * endpoint lately: a connection that began before is in shunt_flows or had the slot in `before`.
 */
struct ring_line {
	__u16 slots[RING_LINE];
};
ABI_SIZE(struct ring_line, 64);

#define RING_CHANGED 0x8000
#define RING_ID      0x7fff

enum endpoint_flag {
	ENDPOINT_USED = 1, /* an unset entry is a counted drop, never a stranger */
	ENDPOINT_DOWN = 2, /* gets nothing at all; another slot is asked */
	/* Gets nothing new while others are there. What it has stays, but for UDP's flows. */
	ENDPOINT_DRAINING = 4,
	ENDPOINT_REMOVED = 8, /* no upstream names it any more: as draining */
};

/* How a client's packet reaches one endpoint of an L4 listener: wrapped in VXLAN (RFC 7348),
 * unless the vip says otherwise. */
struct endpoint_entry {
	union {
		struct tunnel tunnel;
		struct { /* the same, by the names of its fields */
			__be32 vtep[4];
			__u32 vni;
			__u8 inner_dst[6];
			__u8 inner_src[6];
		};
	};
	__u32 generation; /* of the id, 16 bits; a flow entry with another one is stale */
	__u32 next_hop;   /* into shunt_next_hops */
	__u32 flags;      /* enum endpoint_flag */
	__be16 port;      /* VIP_NAT: its own */
	__u16 zero;
	__u64 identity; /* of userspace: which endpoint has this id */
	__u64 zero2;
};
ABI_SIZE(struct endpoint_entry, 64);

/*
 * The mark (SO_MARK) of what our own stack sends to a vip at one endpoint, in the same tunnel in
 * which clients' packets go: tc_egress wraps it. ENDPOINTS_MAX ids fit.
 */
#define PROBE_MARK        0x73680000u /* "sh" */
#define PROBE_MARK_MASK   0xffff0000u
#define PROBE_MARK_DIRECT 0x00008000u /* as with VIP_DSR: no tunnel */
#define PROBE_MARK_ID     0x00007fffu

/* A resolved neighbour. Written whole by userspace; ready is 0 while it is not resolved. */
struct next_hop {
	__u32 ifindex; /* 0: none */
	__u32 ready;
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u16 vlan; /* host order; 0: untagged */
	__u16 mtu;
	__be32 via[4]; /* whose MAC it is; so a restarted daemon gives no index another meaning */
};
ABI_SIZE(struct next_hop, 40);

/* Who may send VXLAN to us: key of shunt_vteps, the value is one byte without meaning. */
struct vtep_key {
	__be32 addr[4];
	__u32 vni; /* host order */
};
ABI_SIZE(struct vtep_key, 20);

/* shunt_settings, one element. */
struct settings {
	__be32 tunnel[4]; /* our vtep: outer source, and where VXLAN is unwrapped; all zero: no
			     tunnels */
	__u64 hash_seed;  /* the same on every node of an installation */
	__u32 abi_version;
	__u32 workers;       /* how many listener sockets a row of shunt_listeners holds */
	__u32 epoch;         /* seconds, counted by shuntd while it runs; from 1 */
	__u32 buckets;       /* of shunt_flows, a power of two */
	__u32 half;          /* of shunt_addrs and shunt_vips: 0 or 1 */
	__u32 commits;       /* how often they were written */
	__u64 table_seed[2]; /* of either half */
	__u16 nat_first;     /* ports for forward: nat; host order, both inclusive */
	__u16 nat_last;
	__u16 nat_v4;  /* so many of nat_sources are IPv4: the first ones, */
	__u16 nat_all; /* and so many there are */
	__u64 zero;
	__be32 nat_sources[NAT_SOURCES_MAX][4];
};
ABI_SIZE(struct settings, 336);

enum { VXLAN_PORT = 4789, VXLAN_VNI_CLASSIC = 1 /* endpoints that are in no vpc */ };
