/*
 * mapped.h - those of the pinned maps that we read and write in our own memory (dataplane/ only).
 */
#pragma once
#include "bpf/abi/flow.h"
#include "bpf/abi/guard.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "userspace/dataplane/pinned.h"

struct mapped {
	struct addr_entry *addrs;
	struct vip_entry *vips;
	struct ring_line *ring_lines;
	struct flow_bucket *flows;
	struct splice *splices;
	struct guard_entry *guards;
	struct settings *settings;
};

bool mapped_open(struct mapped *out_mapped, const struct pinned *pinned, struct err *err);
void mapped_close(struct mapped *mapped);
