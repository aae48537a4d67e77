/*
 * checksum.h - ones' complement sums, kept in 64 bits until they are folded: no carry is lost.
 */
#pragma once
#include <linux/types.h>

static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32); /* below 2^33, */
	sum = (sum & 0xffff) + (sum >> 16);     /* 2^18, */
	sum = (sum & 0xffff) + (sum >> 16);     /* 2^17, */
	sum = (sum & 0xffff) + (sum >> 16);     /* 2^16 */
	return (__u16)sum;
}

/* A 32-bit word went from old to new; byte order does not matter as long as it is the packet's. */
static __always_inline __u64 sum_change(__u64 sum, __u32 old, __u32 new)
{
	return sum + (__u32)~old + new;
}

/* The new checksum field, after changes that were added up from 0 by sum_change (RFC 1624). */
static __always_inline __u16 checksum_apply(__u16 check, __u64 change)
{
	return ~sum_fold((__u64)(__u16)~check + change);
}
