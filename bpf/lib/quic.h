/*
 * quic.h - a datagram's endpoint by its QUIC connection id (bpf/abi/quic.h).
 *
 * Read is only what all versions of QUIC have in common (RFC 8999): the first bit, and where the
 * destination's connection id is. Ids of a long header say how long they are; those of a short one
 * do not, and need not: what is wanted of them stands at their beginning.
 */
#pragma once
#include <linux/udp.h>

#include "bpf/abi/quic.h"
#include "bpf/lib/frame.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/tcp_options.h"

enum {
	QUIC_LONG = 0x80,
	QUIC_LONG_HEAD = 6,      /* first octet, version, length of the id */
	QUIC_BEGINS = 0x1000000, /* no endpoint's id: nobody, and only who begins has such an id */
};

/*
 * What a connection id names: an endpoint's id; or 0, or QUIC_BEGINS: nobody that we know.
 * flags: of the vip. Verified on its own, as flow_enter.
 */
__noinline __u32 quic_endpoint(PKT_CTX *ctx, __u32 l4_at, __u32 listener, __u32 flags)
{
	struct quic_key key = { .listener = listener };
	__u32 at = l4_at & FRAME_OFF_MAX, bytes = VIP_QUIC_ID_BYTES(flags), end, others, *id;
	__u8 head[QUIC_LONG_HEAD] = { 0 }, first = 0;
	struct udphdr udp = { 0 };

	if (!bytes || frame_read(ctx, at, &udp, sizeof(udp)) < 0)
		return 0;
	end = at + bpf_ntohs(udp.len);
	at += sizeof(udp);
	if (end < at + 1 || frame_read(ctx, at, head, 1) < 0)
		return 0;
	others = head[0] & QUIC_LONG ? QUIC_BEGINS : 0;
	at++;
	if (others) {
		if (end < at + QUIC_LONG_HEAD - 1 ||
		    frame_read(ctx, at - 1, head, sizeof(head)) < 0)
			return 0;
		at += QUIC_LONG_HEAD - 1;
		if (end < at + head[QUIC_LONG_HEAD - 1])
			return 0;
		end = at + head[QUIC_LONG_HEAD - 1];
	}
	if (end < at + 1 + bytes + QUIC_NONCE_MIN || frame_read(ctx, at, &first, 1) < 0 ||
	    first >> 5 != VIP_QUIC_CONFIG(flags) || frame_read(ctx, at + 1, key.id, bytes) < 0)
		return others;
	id = bpf_map_lookup_elem(&shunt_quic, &key);
	return id && *id ? *id : others;
}
