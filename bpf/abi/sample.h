/*
 * sample.h - what is counted beside the reasons, and what somebody who watches is told.
 *
 * shunt_watch is one element that userspace maps into its memory; all zero: nobody watches.
 */
#pragma once
#include "bpf/abi/sizes.h"
#include "bpf/abi/splice.h"

/* Value of shunt_counters (by enum counter) and of shunt_endpoint_tallies (by id): frames as they
 * arrived, with their Ethernet header. */
struct tally {
	__u64 packets;
	__u64 bytes;
};
ABI_SIZE(struct tally, 16);

/* Value of shunt_vip_tallies, by VIP_TALLY_L4 or _L7 of vip_entry.index. */
struct vip_tally {
	struct tally kept;    /* forwarded, or given to the stack */
	struct tally dropped; /* for whatever reason */
};
ABI_SIZE(struct vip_tally, 32);

/* L4 listeners by their ring, then L7 listeners by their row. */
#define VIP_TALLY_L4(index) (index)
#define VIP_TALLY_L7(index) (RINGS_MAX + (index))
#define SAMPLE_NONE         0xffffffffu /* no vip, endpoint, next hop or splice */

enum {
	VIP_TALLIES = RINGS_MAX + STEERED_MAX,
	SAMPLES_BYTES = 1 << 18, /* of the ring buffer: what does not fit is counted as lost */
	REASONS_MAX = 128,       /* bits of watch.reasons; at least COUNTERS */
	WATCH_LEASE_MS = 3000,   /* how long samples go on when nobody renews */
};

enum watch_flag {
	WATCH_VIPS = 1, /* only those whose bit is set; the same for the others */
	WATCH_ENDPOINTS = 2,
	WATCH_REASONS = 4,
};

/* Element of shunt_watch (BPF_F_MMAPABLE). */
struct watch_order {
	__u64 until_ns; /* CLOCK_MONOTONIC. 0: off. The first packet after it sets it to 0 */
	__u32 epoch;    /* of the watcher, in each of its samples */
	__u32 flags;    /* enum watch_flag */
	__u32 chance;   /* a matching packet is taken where a random number is not above */
	__u32 zero;
	__u64 lost;    /* matching packets for which the ring buffer had no room */
	__u64 matched; /* since the watch began, taken or not */
	__u64 reasons[REASONS_MAX / 64];
	__u64 vips[VIP_TALLIES / 64];
	__u64 endpoints[ENDPOINTS_MAX / 64];
};
ABI_SIZE(struct watch_order, 2872);

enum sample_flag {
	SAMPLE_V6 = 1,
	SAMPLE_FRAGMENT = 2,
	SAMPLE_UNWRAPPED = 4, /* it came in VXLAN; the tuple is that of the inner packet */
	SAMPLE_ODD = 8,       /* could not be read to its ports */
	SAMPLE_KNOWN = 16,    /* its connection had an endpoint already */
};

/* A record of shunt_samples, and the element of shunt_explained. */
struct sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct flow_key flow;
	__u64 hash;  /* of flow, 0 where it was not needed */
	__u32 epoch; /* of the watcher; of an explained packet: its cookie */
	__u32 bytes; /* as it arrived */
	__u32 ifindex;
	__u32 out_ifindex; /* 0: does not leave by the program */
	__u32 vip;         /* number of its tally, or SAMPLE_NONE */
	__u32 vip_slots;   /* length of its ring */
	__u32 ring_slot;   /* that was asked; SAMPLE_NONE: it was not */
	__u32 zero2;
	__u32 endpoint; /* id */
	__u32 next_hop; /* of that endpoint, into shunt_next_hops */
	__u32 splice;   /* of an explained packet, into shunt_splices */
	__u32 why;      /* enum counter */
	__u8 action;    /* enum xdp_action */
	__u8 flags;     /* enum sample_flag */
	__u8 vlan_tags;
	__u8 tcp_flags;
	__u16 l3_bytes;
	__u16 zero;
};
ABI_SIZE(struct sample, 112);

/*
 * What stands in front of a frame (XDP's metadata) that is only to be explained: such a packet is
 * counted nowhere, leaves no flow behind, moves no splice, and its sample goes to shunt_explained.
 * Nothing that comes over a wire can have it.
 */
struct explain_mark {
	__u64 magic;
	__u32 cookie;
	__u32 zero;
};
ABI_SIZE(struct explain_mark, 16);
#define EXPLAIN_MAGIC 0x73686e744558504cull
