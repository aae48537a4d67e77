/*
 * flow_sweep.h - ages shunt_flows: a part of the table each second, all of it in FLOW_PASS_S.
 *
 * One thread.
 */
#pragma once
#include "userspace/flow/flow_table.h"

enum {
	FLOW_PASS_S = 16,       /* seconds for the whole table */
	FLOW_TCP_IDLE_S = 7200, /* an L4 connection that is silent for so long is forgotten */
	FLOW_UDP_IDLE_S = 60,   /* unless its listener says otherwise */
	FLOW_UDP_IDLE_MAX_S = 3600,
	FLOW_UNCONFIRMED_S = 20, /* of which only the first packet came */
};

struct flow_sweep_stats {
	uint32_t l4, splices, nats; /* entries in the last whole pass */
	uint64_t aged;              /* since the start */
};

struct flow_sweep;

/* keep: whether an L4 entry that is young enough must stay. */
struct flow_sweep *flow_sweep_create(const struct flow_table *table,
				     bool (*keep)(void *context, const struct flow_entry *entry),
				     void *context);
void flow_sweep_destroy(struct flow_sweep *sweep);
/* Seconds since a packet of it came. */
uint32_t flow_sweep_age(const struct flow_entry *entry, uint32_t epoch);
/* Once a second with the new epoch; true where a pass over the whole table has ended. */
bool flow_sweep_tick(struct flow_sweep *sweep, uint32_t epoch);
void flow_sweep_stats(const struct flow_sweep *sweep, struct flow_sweep_stats *out_stats);
