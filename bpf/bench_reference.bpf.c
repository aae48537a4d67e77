/*
 * bench_reference.bpf.c - for packet_bench: what one lookup in a map of the kernel costs, as a unit
 * that is the same for everybody: a hash with one hot entry, and an LRU hash with a million
 * entries that are met in scattered order. Keys have 40 bytes, as those of flows.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/bench.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 entered; /* lookups that found nothing, and entered it */

struct key {
	__u32 words[10];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, __u64);
} hot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * BENCH_COLD_ENTRIES); /* so that none is evicted */
	__type(key, struct key);
	__type(value, __u64);
} cold SEC(".maps");

/* The driver changes the source address and port of an IPv4 frame. */
static __always_inline int key_of(const struct xdp_md *xdp, struct key *key)
{
	__u16 *words = (void *)(long)xdp->data;

	if ((void *)(words + 18) > (void *)(long)xdp->data_end)
		return 0;
	key->words[0] = (__u32)words[13] << 16 | words[14];
	key->words[1] = words[17];
	return 1;
}

SEC("xdp")
int bench_hot(struct xdp_md *xdp)
{
	struct key key = {};
	__u64 one = 1;

	if (!key_of(xdp, &key))
		return XDP_ABORTED;
	if (!bpf_map_lookup_elem(&hot, &key)) {
		bpf_map_update_elem(&hot, &key, &one, BPF_ANY);
		entered++;
	}
	return XDP_TX;
}

SEC("xdp")
int bench_cold(struct xdp_md *xdp)
{
	struct key key = {};
	__u64 one = 1;

	if (!key_of(xdp, &key))
		return XDP_ABORTED;
	if (!bpf_map_lookup_elem(&cold, &key)) {
		bpf_map_update_elem(&cold, &key, &one, BPF_ANY);
		entered++;
	}
	return XDP_TX;
}
