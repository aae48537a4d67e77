/*
 * maps.h - all maps. Each program embeds only those that it uses; the loader makes them once,
 * pinned by name, and gives every later object the pinned ones.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/event.h"
#include "bpf/abi/quic.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/sizes.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "bpf/lib/guard_map.h"
#include "bpf/lib/vip_map.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINTS_MAX);
	__type(key, __u32);
	__type(value, struct endpoint_entry);
} shunt_endpoints SEC(".maps");

/* All rings, each from a line of its own on. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RING_LINES_MAX);
	__type(key, __u32);
	__type(value, struct ring_line);
} shunt_ring_lines SEC(".maps");

/* Not in advance: most nodes have none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QUIC_IDS_MAX);
	__type(key, struct quic_key);
	__type(value, __u32);
} shunt_quic SEC(".maps");

/* See fragment.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAGMENTS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} shunt_fragments SEC(".maps");

/*
 * What an ICMP error quotes, while it is looked at: on the stack it would be too much. Belongs to
 * the program that runs on this CPU, so it is not pinned. Offsets are from the frame's start.
 */
struct quote {
	struct flow_key flow; /* turned round */
	__u32 l3_at;          /* of the error itself */
	__u32 icmp_at;
	__u32 end_at; /* of the error, by its IP header */
	__u32 ip_at;  /* of the packet that is quoted */
	__u32 l4_at;  /* of its TCP or UDP header, of which 8 bytes are there at least */
	__u32 why;    /* by splice_error, as are all below: what is counted */
	__u32 next_hop;
	__u32 seq_delta, ack_delta; /* to be taken off the quoted numbers */
	struct flow_key to;         /* the leg on which the error goes on */
	__u64 sum;                  /* change of all that ICMP's checksum covers */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quote);
} quotes SEC(".maps");

/* What nat.h knows of the packet at hand; as above. */
struct nat_job {
	struct flow_key in, out; /* as it arrived, as it leaves */
	struct flow_key back;    /* as the endpoint's answers arrive */
	struct flow_link client, own;
	struct next_hop to_client, hop; /* hop: where the packet goes on */
	__u64 hash;                     /* of in */
	__u32 device;                   /* of the client */
	__u32 endpoint;                 /* and its generation */
	__u32 generation;
	__u64 back_hash;
	__u32 front, turn, other; /* where its entries are; see nat_enter.h */
	__u32 ring, slots;        /* of the vip, where the packet asks: is from the client */
	__u32 by_client, slot;    /* VIP_BY_CLIENT; the slot that was asked */
	__u32 asks;
	__u32 frag_id;
	__u32 l3_len, wire_bytes;
	__u32 l3_at, l4_at; /* of the frame; l4_at 0: a later fragment has no ports */
	__u32 flags;        /* enum pkt_flag */
	__u8 tcp_flags, ttl, vlan_tags, zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_job);
} nat_jobs SEC(".maps");

/* Of ICMP errors that we made: see too_big.h. */
struct told {
	__u32 second;
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct told);
} shunt_told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NEXT_HOPS_MAX);
	__type(key, __u32);
	__type(value, struct next_hop);
} shunt_next_hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VTEPS_MAX);
	__type(key, struct vtep_key);
	__type(value, __u8);
} shunt_vteps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, struct tally);
} shunt_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FLOW_BUCKETS);
	__type(key, __u32);
	__type(value, struct flow_bucket);
} shunt_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SPLICES_MAX);
	__type(key, __u32);
	__type(value, struct splice);
} shunt_splices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} shunt_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIP_TALLIES);
	__type(key, __u32);
	__type(value, struct vip_tally);
} shunt_vip_tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ENDPOINTS_MAX);
	__type(key, __u32);
	__type(value, struct tally);
} shunt_endpoint_tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watch_order);
} shunt_watch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SAMPLES_BYTES);
} shunt_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample);
} shunt_explained SEC(".maps");
