/*
 * dataplane.h - from a snapshot to BPF maps, and back what the programs count.
 *
 * Control thread, unless said otherwise. Byte order as in bpf/abi. Closing leaves everything in
 * place: packets go on.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/map_sizes.h"
#include "bpf/abi/splice.h"
#include "userspace/base/err.h"
#include "userspace/flow/flow_table.h"
#include "userspace/dataplane/traffic.h"
#include "userspace/snapshot/snapshot.h"

struct dataplane;

/* The maps must be pinned below pin_dir (loader/attach.h). */
struct dataplane *dataplane_open(const char *pin_dir, struct err *err);
/* The same maps, from the process whose place we take; takes the descriptors over. */
struct dataplane *dataplane_inherit(const int *maps, uint32_t count, struct err *err);
const int *dataplane_maps(const struct dataplane *dp, uint32_t *out_count); /* for the next one */
/* While held it gives no next hop a number, since the next process gives them. */
void dataplane_hold(struct dataplane *dp, bool hold);
void dataplane_close(struct dataplane *dp);

/*
 * Brings vips, endpoints, rings, vteps and settings to what the snapshot says. What is added comes
 * before what points to it, what is removed goes after. On failure what was there goes on; some of
 * the new may be there too, and a later apply completes or removes it.
 */
bool dataplane_apply(struct dataplane *dp, const struct snapshot *snapshot, uint32_t workers,
		     struct err *err);

/* Row of shunt_listeners for an address and port of an L7 listener, in the snapshot that was
 * applied last; it stays the same over all snapshots that have it. UINT32_MAX: it has none. */
uint32_t dataplane_row(const struct dataplane *dp, const struct addr *address);
/* fd is a listening socket; the map holds a reference of its own. */
bool dataplane_listener_set(struct dataplane *dp, uint32_t row, uint32_t worker, int fd,
			    struct err *err);

/* The accept queue of an L7 listener fills, or does no more; forgotten by the next apply. */
void dataplane_press(struct dataplane *dp, const struct addr *address, bool pressed);

/* How our own sockets get to a vip at one endpoint of L4 listeners, as clients' packets do. */
struct dataplane_way {
	uint32_t mark;    /* SO_MARK */
	uint32_t ifindex; /* by which they must be sent away: the vip is an address of our own */
	uint32_t mtu;     /* of what goes in, less the tunnel's headers */
};
/* direct: on the same link, without a tunnel. False: there is no way now, and *err says why. */
bool dataplane_way(const struct dataplane *dp, const struct endpoint *endpoint, bool direct,
		   struct dataplane_way *out_way, struct err *err);
/* The ids of endpoints in a vpc, and how to reach them, for the proxy's own connections. */
void dataplane_tunnels(struct dataplane *dp, struct snapshot *snapshot);
/* An endpoint of L4 listeners gets no new connections, or does again. */
void dataplane_drain(struct dataplane *dp, const struct endpoint *endpoint, bool drain);

/* Sums over all CPUs. */
void dataplane_counters(const struct dataplane *dp, uint64_t out_counts[COUNTERS]);
/* The same by listener and by endpoint; for traffic_fini(). */
void dataplane_traffic(const struct dataplane *dp, const struct snapshot *snapshot,
		       struct traffic *out_traffic);

/* Of the maps that are attached. */
const struct map_sizes *dataplane_sizes(const struct dataplane *dp);
/* Mapped for reading and writing. */
struct splice *dataplane_splices(const struct dataplane *dp, uint32_t *out_count);
/* To enter splices; once a snapshot was applied. Any thread. */
struct flow_table dataplane_flows(const struct dataplane *dp);
/* Whether packets to this address are looked up among splices. Any thread. */
bool dataplane_expects(void *dp, const struct addr *address);
/* Whether connections of ours come from this address. Any thread. */
bool dataplane_is_own(void *dp, const struct addr *address);
int dataplane_events_fd(const struct dataplane *dp);

/* Index of a resolved next hop on a device of ours; false where there is none (yet). Any thread. */
bool dataplane_next_hop(void *dp, const struct addr *to, uint32_t *out_index);
/* The same, resolved or not; false: no route, or no room. Any thread. */
bool dataplane_next_hop_of(void *dp, const struct addr *to, uint32_t *out_index, bool *out_ready);
/* The device by which it is reached; 0: none. Any thread. */
uint32_t dataplane_device(void *dp, uint32_t hop);

/* Once a second: ages flows, lets rings settle. Only one process at a time. */
void dataplane_tick(struct dataplane *dp);

/* To be watched for reading; dispatch then, and refresh once a second: keeps next hops current.
 * True where addresses may have others by now. */
int dataplane_fd(const struct dataplane *dp);
bool dataplane_dispatch(struct dataplane *dp);
void dataplane_refresh(struct dataplane *dp);
