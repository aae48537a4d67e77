/*
 * quic.h - which endpoint a QUIC connection id names, for listeners with VIP_QUIC.
 *
 * The plaintext layout of draft-ietf-quic-load-balancers: a first octet with three bits of the
 * configuration's id, of which 7 never names anybody; the server id; at least QUIC_NONCE_MIN octets
 * that the server makes up. Key of shunt_quic, whose value is the endpoint's id.
 */
#pragma once
#include "bpf/abi/abi.h"

enum { QUIC_SERVER_ID_MAX = 15, QUIC_NONCE_MIN = 4, QUIC_ID_MAX = 20, QUIC_CONFIG_NONE = 7 };

struct quic_key {
	__u32 listener;                  /* vip_entry.index */
	__u8 id[QUIC_SERVER_ID_MAX + 1]; /* behind its bytes, which the listener says, all zero */
};
ABI_SIZE(struct quic_key, 20);

/* In vip_entry.flags, with VIP_QUIC. */
#define VIP_QUIC_LAYOUT(config, id_bytes) ((__u32)(config) << 16 | (__u32)(id_bytes) << 20)
#define VIP_QUIC_CONFIG(flags)            ((__u32)(flags) >> 16 & 7)
#define VIP_QUIC_ID_BYTES(flags)          ((__u32)(flags) >> 20 & QUIC_SERVER_ID_MAX)
