/*
 * tunnel.h - what stands around a packet to one endpoint in VXLAN (RFC 7348).
 */
#pragma once
#include "bpf/abi/abi.h"

struct tunnel {
	__be32 vtep[4];    /* outer destination; the endpoint's own address where it has no host */
	__u32 vni;         /* host order, 24 bits; 0: there is no tunnel */
	__u8 inner_dst[6]; /* MAC of the endpoint, or the well-known one of its host */
	__u8 inner_src[6];
};
ABI_SIZE(struct tunnel, 32);
