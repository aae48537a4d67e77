/*
 * vip.h - from an address that we answer for to the endpoint's host.
 *
 * Network byte order where the type says so. IPv4 is stored as ::ffff:a.b.c.d, so one map serves
 * both families.
 */
#pragma once
#include "bpf/abi/abi.h"

struct vip_key {
	__be32 addr[4];
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;  /* hashed with the rest of the key */
};
ABI_SIZE(struct vip_key, 20);

enum vip_kind {
	VIP_L4 = 1, /* endpoint from the ring, forwarded here */
	VIP_L7 = 2, /* to the stack, sk_lookup gives it to a worker */
};

struct vip_entry {
	__u32 kind;  /* enum vip_kind */
	__u32 index; /* VIP_L4: into shunt_rings; VIP_L7: row of WORKERS_MAX sockets in
			shunt_listeners */
	__u32 slots; /* VIP_L4: length of the ring */
	__u32 zero;
};
ABI_SIZE(struct vip_entry, 16);

/* The address itself, whatever the port: key of shunt_vip_addrs, so that odd packets can be judged.
 * The value is a __u32 of vip_addr_flag.
 */
struct vip_addr {
	__be32 addr[4];
};

enum vip_addr_flag {
	VIP_ADDR_STACK = 1,  /* a listener of the proxy: the stack may have what we do not know */
	VIP_ADDR_ANSWER = 2, /* echo requests are answered by us, */
	VIP_ADDR_NO_ANSWER = 4, /* or dropped; neither: the stack has them */
};
ABI_SIZE(struct vip_addr, 16);

enum endpoint_flag {
	ENDPOINT_USED = 1, /* an unset entry is a counted drop, never a stranger */
	ENDPOINT_DOWN = 2, /* get nothing at all; the ring is asked again */
};

/* How a client's packet reaches one endpoint of an L4 listener: wrapped in VXLAN (RFC 7348). */
struct endpoint_entry {
	__be32 vtep[4];    /* outer destination */
	__u32 generation;  /* of the id; a sticky entry with another one is stale */
	__u32 next_hop;    /* into shunt_next_hops */
	__u32 vni;         /* host order, 24 bits */
	__u8 inner_dst[6]; /* MAC of the endpoint, or the well-known one of its host */
	__u8 inner_src[6];
	__u32 flags; /* enum endpoint_flag */
	__u32 zero;
	__u64 identity; /* of userspace: which endpoint has this id */
};
ABI_SIZE(struct endpoint_entry, 56);

/* A connection that keeps its endpoint: a cache, losing it means asking the ring again. */
struct sticky {
	__u32 endpoint;
	__u32 generation;
};
ABI_SIZE(struct sticky, 8);

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
	__u32 workers; /* how many listener sockets a row of shunt_listeners holds */
};
ABI_SIZE(struct settings, 32);

enum { VXLAN_PORT = 4789, VXLAN_VNI_CLASSIC = 1 /* endpoints that are in no vpc */ };
