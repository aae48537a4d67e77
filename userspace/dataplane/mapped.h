/*
 * mapped.h - those of the pinned maps that we read and write in our own memory (dataplane/ only).
 */
#pragma once
#include <stddef.h>

#include "bpf/abi/flow.h"
#include "bpf/abi/guard.h"
#include "bpf/abi/map_sizes.h"
#include "bpf/abi/splice.h"
#include "bpf/abi/vip.h"
#include "userspace/dataplane/pinned.h"

/* Ends a refusal that larger maps would have spared. */
#define MAPS_GROW                                                                                  \
	"; the maps that are attached hold no more: `shunt-loader detach` and start shuntd again"  \
	" (connections in the kernel end)"

enum { MAPPED_MAX = 8 };

struct mapped {
	struct addr_entry *addrs;
	struct vip_entry *vips;
	struct ring_line *ring_lines;
	struct flow_bucket *flows;
	struct splice *splices;
	struct guard_entry *guards;
	struct settings *settings;
	struct map_sizes sizes; /* of what is there; guard lines and events excepted */
	size_t bytes[MAPPED_MAX];
};

bool mapped_open(struct mapped *out_mapped, const struct pinned *pinned, struct err *err);
void mapped_close(struct mapped *mapped);
struct table_sizes mapped_tables(const struct mapped *mapped);
