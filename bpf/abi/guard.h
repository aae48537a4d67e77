/*
 * guard.h - who may send how much to a vip.
 *
 * shunt_guards has two halves of GUARDS_MAX, used in turn as the tables of vips are, so that
 * addr_entry.guard leads from a half to its own. Prefixes are in one LPM trie, by the index of
 * their guard.
 */
#pragma once
#include "bpf/abi/abi.h"

enum guard_flag {
	GUARD_ENFORCE = 1, /* else it only counts */
	GUARD_LISTS = 2,
	GUARD_PACKETS = 4,
	GUARD_FLOWS = 8,
};

enum guard_cookie {
	GUARD_COOKIE_WSCALE = 15, /* the window scale that the kernel will reckon with */
	GUARD_COOKIE_STAMPS = 16, /* options are in timestamps */
	GUARD_COOKIES = 32,
};

/*
 * In parts of a jiffy (GUARD_PART_BITS). Generic cell rate algorithm (ITU-T I.371): of each source
 * only the time is kept at which it will have earned what it sent; that may be `ahead` of now.
 */
struct guard_rate {
	__u64 interval; /* for one packet */
	__u64 ahead;    /* at least one interval */
};
ABI_SIZE(struct guard_rate, 16);

enum { GUARD_PART_BITS = 20 };

struct guard_entry {
	__u32 flags;   /* enum guard_flag */
	__u32 also;    /* index of one that is asked before this, the node's; 0: none */
	__u32 number;  /* of its own rates, the same as long as the vips are the same */
	__u32 cookies; /* how SYNs to the proxy are answered, enum guard_cookie; 0: by the stack */
	struct guard_rate packets, flows; /* of a source */
	struct guard_rate syns; /* with cookies: to a listener, that are left to the stack */
};
ABI_SIZE(struct guard_entry, 64);

/* Key of shunt_guard_nets; the value is enum guard_net, one byte. */
struct guard_net_key {
	__u32 bits; /* GUARD_NET_BITS and those of the prefix, of 128 */
	__u32 guard;
	__be32 addr[4];
};
ABI_SIZE(struct guard_net_key, 24);

enum { GUARD_NET_BITS = 32 };
enum guard_net { GUARD_ALLOW = 1, GUARD_DENY = 2 };

/* What is known of sources: see bpf/lib/guard.h. */
enum { GUARD_WAYS = 4 };

struct guard_source {
	__u64 tag;    /* of source and rate; 0: not used */
	__u64 earned; /* when; one that is past says nothing */
};

struct guard_line {
	struct guard_source ways[GUARD_WAYS];
};
ABI_SIZE(struct guard_line, 64);
