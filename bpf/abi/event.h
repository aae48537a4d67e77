/*
 * event.h - records of the ring buffer shunt_events.
 */
#pragma once
#include "bpf/abi/abi.h"

struct event {
	__u32 splice;
	__u32 generation;
	__u32 events; /* enum splice_event: the bits that were set just now */
	__u32 zero;
};
ABI_SIZE(struct event, 16);
