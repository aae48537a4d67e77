/*
 * mss_clamp.h - the largest segment that a SYN or a SYN-ACK asks for, lowered to what will fit.
 */
#pragma once
#include <linux/tcp.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>

#include "bpf/lib/pkt.h"
#include "bpf/lib/checksum.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/tcp_options.h"

enum { OPTION_MSS = 2, OPTION_MSS_BYTES = 4 };

/*
 * The MSS option at data + at is lowered to most, the change goes to *sum; odd as in option_step.
 * Returns the option's length, 0 where there is nothing more to look for.
 */
__noinline int mss_step(PKT_CTX *ctx, __u32 at, __u32 odd_left, __u32 most, __u64 *sum)
{
	void *end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	__u32 odd = odd_left & 1, left = odd_left >> 1, mss, len;
	__u8 *option = data + (at & FRAME_OFF_MAX);
	__u16 change;

	if (!sum || (void *)(option + 2) > end || option[0] == OPTION_END)
		return 0;
	if (option[0] == OPTION_NOP)
		return 1;
	len = option[1];
	if (len < 2 || len > left)
		return 0;
	if (option[0] != OPTION_MSS)
		return (int)len;
	if (len != OPTION_MSS_BYTES || (void *)(option + OPTION_MSS_BYTES) > end)
		return 0;
	mss = (__u32)option[2] << 8 | option[3];
	if (mss <= most)
		return 0;
	change = sum_fold(sum_change(0, bpf_htons((__u16)mss), bpf_htons((__u16)most)));
	*sum += odd ? (__u16)(change << 8 | change >> 8) : change; /* RFC 1071, 2 (B) */
	option[2] = (__u8)(most >> 8);
	option[3] = (__u8)most;
	return 0;
}

/*
 * For a SYN or SYN-ACK whose TCP header is at this offset of the frame: never raised, and none is
 * added (then it is 536 at most, RFC 9293, 3.7.1).
 */
__noinline int mss_clamp(PKT_CTX *ctx, __u32 l4_at, __u32 most)
{
	void *end = (void *)(long)ctx->data_end, *data = (void *)(long)ctx->data;
	struct tcphdr *tcp = data + (l4_at & FRAME_OFF_MAX);
	__u32 at = l4_at + sizeof(*tcp), to;
	__u64 sum = 0;

	if ((void *)(tcp + 1) > end)
		return 0;
	to = l4_at + tcp->doff * 4;
	for (int i = 0; i < OPTION_BYTES_MAX && at < to; i++) {
		int len = mss_step(ctx, at, (to - at) << 1 | ((at - l4_at) & 1), most, &sum);

		if (len <= 0)
			break;
		at += (__u32)len;
	}
	if (sum)
		frame_sum(ctx, &tcp->check, l4_at + offsetof(struct tcphdr, check), 0, sum);
	return 0;
}
