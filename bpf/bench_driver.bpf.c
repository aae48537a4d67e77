/*
 * bench_driver.bpf.c - for packet_bench: one call of BPF_PROG_TEST_RUN with many repeats.
 *
 * The kernel does not reset the frame between repeats, so the driver undoes what the program under
 * test did to it: length first, then the headers. Then it goes to that program by a tail call.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/bench.h"
#include "bpf/lib/checksum.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct bench_case bench = { 0 };
__u64 undone; /* frames whose length had changed */
__u32 turn;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

/* What every program pays at least: send the packet back. */
SEC("xdp")
int bench_tx(struct xdp_md *xdp)
{
	return XDP_TX;
}

/* Its cost is that of two changes of length: this one, and the driver's undoing it. */
SEC("xdp")
int bench_grow(struct xdp_md *xdp)
{
	return bpf_xdp_adjust_head(xdp, -BENCH_GROW) ? XDP_ABORTED : XDP_TX;
}

SEC("xdp")
int bench_driver(struct xdp_md *xdp)
{
	long grown = (long)xdp->data_end - (long)xdp->data - (long)bench.frame_bytes;
	__u64 *at, *end;

	if (grown != 0) {
		undone++;
		if (bpf_xdp_adjust_head(xdp, (int)grown))
			return XDP_ABORTED;
	}
	at = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	for (__u32 i = 0; i < BENCH_WORDS; i++) {
		if (i >= bench.words)
			break;
		if (at + i + 1 > end)
			return XDP_ABORTED;
		at[i] = bench.head[i];
	}
	if (bench.flow_mask) {
		/* Odd: consecutive turns meet each flow once, but no neighbours in memory. */
		__u32 flow = turn++ * 0x9e3779b1u & bench.flow_mask;
		__u16 *words = (void *)at;

		if ((void *)(words + 18) > (void *)end)
			return XDP_ABORTED;
		/* IPv4's checksum goes with it (RFC 1624). */
		words[12] = checksum_apply(words[12], sum_change(0, words[14], (__u16)flow));
		words[14] = (__u16)flow;         /* of the source address */
		words[17] = (__u16)(flow >> 16); /* the source port */
	}
	bpf_tail_call_static(xdp, &programs, 0);
	return XDP_ABORTED;
}
