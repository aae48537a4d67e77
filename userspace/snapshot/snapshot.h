/*
 * snapshot.h - a model compiled: immutable but for what health checks find, numbered, counted.
 *
 * Sessions, exchanges and tunnels hold a reference for as long as they last, so a new snapshot
 * never disturbs them. References may be taken and dropped by any thread.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "userspace/model/model.h"
#include "userspace/snapshot/endpoint_tokens.h"
#include "userspace/tls/tls_context.h"

struct conn_tunnel;

/* For the proxy: which endpoint, by its place in the upstream. Slots of L4 listeners are others. */
struct upstream_ring {
	uint32_t *places;
	uint32_t slots; /* 0: no ring */
};

/* What an operator wants of an endpoint. */
enum service {
	SERVICE_ON,
	SERVICE_DRAINING, /* nothing new, but it keeps whom a cookie leads to it */
	SERVICE_OFF,
};

struct endpoint_order {
	uint32_t weight;
	enum service service;
	bool over; /* off, as its time to drain has ended: what runs there still is ended, too */
};

struct snapshot {
	uint64_t number;
	const struct model *model;
	const struct listener **listeners; /* by listener.index; model.listener_count of them */
	const struct endpoint **endpoints; /* by endpoint.index */
	struct tls_server **servers;       /* by listener.index; NULL where it speaks no TLS */
	atomic_bool *down; /* by endpoint.index; written by the control thread, read by workers */
	struct tls_client **clients; /* by upstream.index; likewise */
	struct tls_client **probers; /* likewise, of health checks */
	/* Into which tunnel what goes to an endpoint in a vpc; false: there is none now. Set before
	 * workers have the snapshot; NULL: there is no fast path. Any thread. */
	bool (*tunnel)(void *context, const struct endpoint *to, uint32_t id,
		       struct conn_tunnel *out_tunnel);
	void *tunnel_context;
	uint32_t *ids;                       /* by endpoint.index, of those in a vpc: for it */
	const struct endpoint_order *orders; /* by endpoint.index; in place of what is configured */
	struct upstream_ring *rings;         /* by upstream.index */
	struct endpoint_tokens **tokens;     /* likewise; NULL where no cookie names endpoints */
};

/* Takes the model over; the first reference belongs to the caller. Aborts without memory. */
struct snapshot *snapshot_create(struct model *model, uint64_t number);
/* Opens certificates and keys, once, before anybody else has the snapshot. False and findings where
 * any cannot be used; strict: also where one is not valid now. */
bool snapshot_secure(struct snapshot *snapshot, bool strict, struct findings *findings);
/* Names endpoints for cookies, likewise once; without it there are no such names. state: a folder
 * where a key may be kept; NULL: none. */
bool snapshot_name_endpoints(struct snapshot *snapshot, const char *state, struct err *err);
/* The same with other orders (copied), and with nobody's tunnels yet. What was compiled from files,
 * and what checks find, both have together. */
struct snapshot *snapshot_reorder(struct snapshot *of, uint64_t number,
				  const struct endpoint_order *orders);
/* Its part of what is new. */
static inline uint32_t snapshot_weight(const struct snapshot *snapshot, const struct endpoint *e)
{
	const struct endpoint_order *order = &snapshot->orders[e->index];

	return order->service == SERVICE_ON ? order->weight : 0;
}
/* It is not to serve, nor is any other that is the same by address and vpc. */
bool snapshot_is_away(const struct snapshot *snapshot, const struct endpoint *e);
/* Its time to drain is over, and that of all others that are the same by address and vpc. */
bool snapshot_is_over(const struct snapshot *snapshot, const struct endpoint *e);
/* As configured; into model.endpoint_count of them. */
void snapshot_orders(const struct model *model, struct endpoint_order *out_orders);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
