/*
 * frame_xdp.h - what XDP does to a frame as a whole; frame_tc.h has the same for tc.
 *
 * A frame is one buffer of wire size, all tags in it, all checksums complete.
 */
#pragma once
#include <linux/if_ether.h>
#include <stdbool.h>

#include "bpf/abi/sample.h"
#include "bpf/lib/checksum.h"
#include "bpf/lib/parse_link.h"
#include "bpf/lib/pkt.h"

enum { FRAME_TAGS = 1 /* put_link writes a tag into the frame */ };

static __always_inline __u32 frame_ifindex(const struct xdp_md *xdp)
{
	return xdp->ingress_ifindex;
}

static __always_inline __u32 frame_bytes(const struct xdp_md *xdp)
{
	return (__u32)(xdp->data_end - xdp->data);
}

/* The outer tag's information; first: what stands where a frame has it. */
static __always_inline __u32 frame_vlan(const struct xdp_md *xdp, __u32 first)
{
	return first;
}

/* True where the frame goes on for n bytes at least from here. */
static __always_inline bool frame_holds(const struct pkt *p, const void *here, __u32 n)
{
	return here + n <= p->end;
}

/* Bytes of the frame, wherever they are; less than 0: it has them not. */
static __always_inline long frame_read(struct xdp_md *xdp, __u32 at, void *to, __u32 n)
{
	return bpf_xdp_load_bytes(xdp, at, to, n);
}

/* All headers can be read as they are. */
static __always_inline void frame_pull(struct xdp_md *xdp)
{
}

/* Of the largest IP packet that it will be on a wire. */
static __always_inline __u32 frame_wire_bytes(const struct pkt *p)
{
	return p->l3_len;
}

/*
 * A TCP checksum, at check_at of the frame, follows what was changed: pseudo of its pseudo-header,
 * rest of what else it covers.
 */
static __always_inline void frame_sum(struct xdp_md *xdp, __u16 *check, __u32 check_at,
				      __u64 pseudo, __u64 rest)
{
	*check = checksum_apply(*check, pseudo + rest);
}

/* The same for UDP: where there is a checksum, there is one after it too (RFC 768). */
static __always_inline void frame_sum_udp(struct xdp_md *xdp, __u16 *check, __u32 check_at,
					  __u64 pseudo, __u64 rest)
{
	if (!*check)
		return;
	*check = checksum_apply(*check, pseudo + rest);
	if (!*check)
		*check = 0xffff;
}

/* Bytes behind the IP packet (Ethernet's padding) are not ours to forward. */
static __always_inline bool frame_trim(struct pkt *p, __u32 l2)
{
	long extra = (long)p->end - ((long)p->l3 + p->l3_len);

	return extra <= 0 || !bpf_xdp_adjust_tail(p->ctx, (int)-extra);
}

/* Room for Ethernet, a tag where it is wanted, and so many bytes in front of the IP packet. */
static __always_inline bool frame_wrap(struct pkt *p, __u32 l2, bool tag, __u32 bytes, bool v6)
{
	__u32 need = ETH_HLEN + (tag ? sizeof(struct vlan_tag) : 0) + bytes;

	return !bpf_xdp_adjust_head(p->ctx, (int)l2 - (int)need);
}

/* The inner frame takes the place of the outer one; its MACs are ours, so that the stack takes it.
 */
static __always_inline bool frame_unwrap(struct pkt *p)
{
	__u8 macs[2 * ETH_ALEN];
	void *start = p->start;

	if (start + sizeof(macs) > p->end)
		return false;
	__builtin_memcpy(macs, start, sizeof(macs));
	if (bpf_xdp_adjust_head(p->ctx, (int)((long)p->at - (long)start)))
		return false;
	start = (void *)(long)p->ctx->data;
	if (start + sizeof(macs) > (void *)(long)p->ctx->data_end)
		return false;
	__builtin_memcpy(start, macs, sizeof(macs));
	return true;
}

/* Its tags may be others, so that it begins elsewhere. */
static __always_inline bool frame_retag(struct pkt *p, bool tag)
{
	int in = (int)p->vlan_tags, out = tag ? 1 : 0;

	return in == out || !bpf_xdp_adjust_head(p->ctx, (in - out) * (int)sizeof(struct vlan_tag));
}

/* The last that is done to it. */
static __always_inline bool frame_tag(struct pkt *p, __u16 vlan)
{
	return true;
}

/* Cut to so many bytes, then with room in front. */
static __always_inline bool frame_reshape(struct xdp_md *xdp, __u32 bytes, __u32 room)
{
	long there = (long)xdp->data_end - (long)xdp->data;

	barrier_var(there); /* else clang 19 subtracts pointers in 32 bits, which 6.18 refuses */
	return !bpf_xdp_adjust_tail(xdp, (int)((long)bytes - there)) &&
	       !bpf_xdp_adjust_head(xdp, -(int)room);
}

/* Whether the checksum of TCP or UDP there is yet to be made, by the device on the way out. */
static __always_inline bool frame_is_unsummed(struct xdp_md *xdp, __u32 check_at)
{
	return false;
}

/* The mark in front of the frame, where it is only to be explained. */
static __always_inline bool frame_is_explained(struct xdp_md *xdp, __u32 *out_cookie)
{
	const struct explain_mark *mark = (void *)(long)xdp->data_meta;

	if ((void *)(mark + 1) > (void *)(long)xdp->data || mark->magic != EXPLAIN_MAGIC)
		return false;
	*out_cookie = mark->cookie;
	return true;
}

static __always_inline int frame_act(struct pkt *p, __u32 action)
{
	return action == XDP_REDIRECT ? (int)bpf_redirect(p->out_ifindex, 0) : (int)action;
}
