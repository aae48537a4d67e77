/*
 * health_probe.h - one probe of one endpoint: its steps, on sockets that never block.
 *
 * Knows how to ask; what follows from an outcome, health_state knows. Belongs to one loop.
 */
#pragma once
#include "userspace/net/loop.h"
#include "userspace/upstream/health_state.h"

/* Where a probe goes and how. */
struct health_way {
	struct addr to;     /* with port: a vip, or the endpoint itself */
	struct addr source; /* all zero: the kernel's choice */
	struct addr host;   /* who is asked where `to` is silent */
	bool tunnel;        /* what follows is for tunnels only */
	uint32_t mark;      /* of packets for this endpoint */
	uint32_t ifindex;   /* `to` is an address of our own: only by a device it is sent away */
	uint32_t mtu;       /* of what is wrapped */
};

struct tls_client;
struct health_probe;
struct health_streams;

/* tls: NULL for plain. All are borrowed until on_end, which is called once, not by this call, and
 * may begin another. */
struct health_probe *
health_probe_begin(struct health_streams *streams, const struct health *rules,
		   const struct tls_client *tls, const struct health_way *way, bool wants_full,
		   void (*on_end)(void *context, const struct health_result *result),
		   void *context);
/* on_end is called with that context instead. */
void health_probe_pass_on(struct health_probe *probe, void *context);
/* Without on_end; accepts NULL. */
void health_probe_cancel(struct health_probe *probe);
