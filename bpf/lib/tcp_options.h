/*
 * tcp_options.h - timestamps and SACK edges of a spliced segment, shifted in place.
 *
 * One option a call of a global function: the verifier looks at it once, not once a turn of the
 * loop (Linux 6.18, clang 19: inlined, 40 turns are beyond a million instructions).
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "bpf/lib/rewrite.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_SACK = 5, OPTION_TS = 8 };
enum {
	OPTION_BYTES_MAX = 40,
	OPTION_TS_BYTES = 10,
	SACK_BLOCKS_MAX = 4,
	FRAME_OFF_MAX = 0xfff /* as far as ipv6_walk goes, and more */
};

struct option_shift {
	__u64 sum; /* of all changes, for the checksum */
	__u32 ts, tsecr;
	__u32 sack;
	__u32 stamps; /* enum stamp_shift */
	__u32 stamp;  /* least TSval that may leave, then that which does */
};

enum stamp_shift {
	STAMP_SHIFT = 1, /* ts and tsecr apply */
	STAMP_LEAST = 2, /* so does stamp */
	STAMP_THERE = 4, /* it was found, stamp is set */
};

/* Adds delta to a number in the packet; odd: it begins at an odd offset of the segment. */
static __always_inline void shift_number(__be32 *at, __u32 delta, bool odd,
					 struct option_shift *shift)
{
	__be32 old = *at, new = bpf_htonl(bpf_ntohl(old) + delta);
	__u16 change;

	*at = new;
	if (!odd) {
		shift->sum = sum_change(shift->sum, old, new);
		return;
	}
	change = sum_fold(sum_change(0, old, new));
	shift->sum += (__u16)(change << 8 | change >> 8); /* RFC 1071, 2 (B) */
}

static __always_inline void shift_stamp(__be32 *stamp, bool odd, struct option_shift *shift)
{
	__u32 delta = shift->ts, moved = bpf_ntohl(*stamp) + delta;

	if (shift->stamps & STAMP_LEAST && (__s32)(moved - shift->stamp) < 0)
		delta += shift->stamp - moved;
	shift_number(stamp, delta, odd, shift);
	shift->stamp = bpf_ntohl(*stamp);
	shift->stamps |= STAMP_THERE;
}

/*
 * The option at data + at; returns its length, 0 at the end of the options or where they are
 * malformed (the receiver then judges, as it would have).
 */
__noinline int option_step(PKT_CTX *ctx, __u32 at, __u32 odd, __u32 left,
			   struct option_shift *shift)
{
	void *end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	__u8 *option;
	__u32 len;

	if (!shift)
		return 0;
	at &= FRAME_OFF_MAX;
	option = data + at;
	if ((void *)option + 2 > end)
		return 0;
	if (option[0] == OPTION_END)
		return 0;
	if (option[0] == OPTION_NOP)
		return 1;
	len = option[1];
	if (len < 2 || len > left)
		return 0;
	if (option[0] == OPTION_TS && len == OPTION_TS_BYTES && shift->stamps & STAMP_SHIFT) {
		__be32 *stamp = (void *)option + 2;

		if ((void *)(stamp + 2) > end)
			return 0;
		shift_stamp(&stamp[0], odd, shift);
		if (stamp[1]) /* nothing echoed yet: stays so */
			shift_number(&stamp[1], shift->tsecr, odd, shift);
	}
	if (option[0] == OPTION_SACK) {
		__be32 *edge = (void *)option + 2;

		for (int i = 0; i < 2 * SACK_BLOCKS_MAX; i++, edge++) {
			if (2 + (i + 1) * 4 > (int)len || (void *)(edge + 1) > end)
				break;
			shift_number(edge, shift->sack, odd, shift);
		}
	}
	return (int)len;
}

/* All options between two offsets of the frame. Not inlined, for the reason at the top. */
__noinline int options_shift(PKT_CTX *ctx, __u32 from, __u32 to, struct option_shift *shift)
{
	__u32 at = from;

	for (int i = 0; i < OPTION_BYTES_MAX; i++) {
		int len;

		if (at >= to)
			break;
		len = option_step(ctx, at, (at - from) & 1, to - at, shift);
		if (len <= 0)
			break;
		at += (__u32)len;
	}
	return 0;
}
