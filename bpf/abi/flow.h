/*
 * flow.h - the table of flows: both directions of each splice and of each NATed connection, and
 * those L4 connections that their ring would send elsewhere.
 *
 * shunt_flows is an array of buckets of FLOW_WAYS entries, one cache line each. A key has two
 * buckets, by the lower and the upper half of its hash. XDP writes on every processor and shuntd
 * through mmap, by one protocol: who wants an entry swaps its word, by compare-and-swap, for one
 * of kind FLOW_BUSY, fills in the rest, and stores the new word last. A reader takes the word,
 * compares the key, and believes neither unless the word is still the same. Every change makes it
 * another word, since the turn is counted up.
 */
#pragma once
#include "bpf/abi/abi.h"

/* A packet as it arrives. */
struct flow_key {
	__be32 src[4];
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 zero[3];
} __attribute__((aligned(8)));
ABI_SIZE(struct flow_key, 40);

enum flow_kind {
	FLOW_FREE = 0,
	FLOW_BUSY = 1,   /* somebody writes it */
	FLOW_L4 = 2,     /* index: the endpoint. A cache: may be evicted */
	FLOW_SPLICE = 3, /* index: of shunt_splices. Authority: only shuntd removes it */
	FLOW_NAT = 4,    /* one of a pair, see nat_flag: kept while both ends talk */
};

/*
 * forward: nat. The entry of direction 0 has the key of the client's packets, that of direction 1
 * the key of the endpoint's answers; each is the recipe for the other's packets, turned round. A
 * port of ours is free where its key of direction 1 can be entered.
 *
 * Direction 0: index and generation are the endpoint's; nat says where the other entry is.
 * Direction 1: index is the place of the other entry, generation the turn of its word.
 */
enum nat_flag {
	NAT_ANSWERED = 1, /* the endpoint has sent something */
	NAT_KEPT = 2,     /* and the client something after that: does not give way to others */
	NAT_FIN_CLIENT = 4,
	NAT_FIN_ENDPOINT = 8,
	NAT_RESET = 16,
};
#define NAT_FINS         (NAT_FIN_CLIENT | NAT_FIN_ENDPOINT)
#define NAT_IS_OVER(nat) ((nat) & NAT_RESET || ((nat) & NAT_FINS) == NAT_FINS)
/*
 * Whether an entry, silent for so many seconds, keeps its place and port. What is over may still be
 * on its way, or sent again by an end that lacks the last ACK, for two segment lifetimes.
 */
#define NAT_REST_S             60
#define NAT_IS_KEPT(nat, idle) (NAT_IS_OVER(nat) ? (idle) < NAT_REST_S : (nat) & NAT_KEPT)
#define NAT_FLAGS              0xff
#define NAT_MORE(nat)          ((nat) >> 8)

/* Half of how a client is reached: its packets go back the way they came. */
struct flow_link {
	__u8 mac[6]; /* direction 0: from whom they come; 1: to whom, which is us */
	__u16 more;  /* direction 0: VLAN, 0: none; 1: MTU of the device. Host order */
} __attribute__((aligned(8)));

struct flow_entry {
	__u64 word;
	struct flow_key key;
	__u32 seen; /* FLOW_L4, and NAT's direction 0: settings.epoch when it was used last */
	union {
		__u32 confirmed; /* FLOW_L4: enum flow_confirmed */
		__u32 nat;       /* FLOW_NAT: nat_flag; from bit 8 on the place of the other entry
				    (direction 0), or the device of the client (1) */
	};
	struct flow_link link; /* FLOW_NAT */
};
ABI_SIZE(struct flow_entry, 64);

enum flow_confirmed {
	FLOW_BEGUN = 0,     /* its first packet has come: gives way, and soon forgotten */
	FLOW_CONFIRMED = 1, /* more have come */
	FLOW_MET = 2, /* so has one that began before: gives way too, but may be silent for long */
};

enum { FLOW_WAYS = 4 };

struct flow_bucket {
	struct flow_entry ways[FLOW_WAYS];
};
ABI_SIZE(struct flow_bucket, 256);

/* Where an entry is: its bucket and way. */
#define FLOW_PLACE(bucket, way) ((bucket) * FLOW_WAYS + (way))

/* The word: kind in 3 bits, direction in 1 (0: from the client), index from bit 8 on, generation
 * of the index, turn. */
#define FLOW_WORD(kind, dir, index, generation, turn)                                              \
	((__u64)(kind) | (__u64)(dir) << 3 | (__u64)((index) & 0xffffff) << 8 |                    \
	 (__u64)((generation) & 0xffff) << 32 | (__u64)((turn) & 0xffff) << 48)
#define FLOW_KIND(word)       ((__u32)(word) & 7)
#define FLOW_DIR(word)        ((__u32)(word) >> 3 & 1)
#define FLOW_INDEX(word)      ((__u32)(word) >> 8)
#define FLOW_GENERATION(word) ((__u32)((word) >> 32) & 0xffff)
#define FLOW_TURN(word)       ((__u32)((word) >> 48))
