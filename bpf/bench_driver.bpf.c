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
	/* The last two bytes of an IPv4 source, and the source port: the next flow. */
	if (bench.next_flow) {
		__u16 *words = (void *)at;

		if ((void *)(words + 18) > (void *)end)
			return XDP_ABORTED;
		words[14] = (__u16)turn;
		words[17] = (__u16)(turn >> 16);
		turn++;
	}
	bpf_tail_call_static(xdp, &programs, 0);
	return XDP_ABORTED;
}
