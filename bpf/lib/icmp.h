/*
 * icmp.h - the few words of ICMP (RFC 792) and ICMPv6 (RFC 4443) that we know. The kernel's
 * headers for them draw in a libc for the target.
 */
#pragma once
#include <linux/in.h>
#include <stdbool.h>

#include "bpf/lib/pkt.h"

struct icmp_head {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 rest; /* of an error: unused, and the MTU where one is told */
};

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
};

enum { ICMP4_FRAG_NEEDED = 4 /* code of UNREACHABLE */ };

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
};

enum { OWN_TTL = 64 };

static __always_inline bool is_icmp(const struct pkt *p)
{
	return p->flow.proto == (p->flags & PKT_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}
