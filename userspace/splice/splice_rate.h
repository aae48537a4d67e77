/*
 * splice_rate.h - how much may go by splices that share a rate (bpf/abi/splice.h, struct bucket).
 */
#pragma once
#include <stdint.h>

/* What all splices of one owner may send, each way, and what of one source; bytes a second. */
struct splice_rate {
	uint64_t owner;       /* a hash of its name */
	uint64_t all, source; /* 0: any */
};
