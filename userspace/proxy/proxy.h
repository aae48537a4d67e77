/*
 * proxy.h - a worker's proxy: everything between accepted connections and endpoints.
 *
 * All functions belong to the worker's thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/net/loop.h"
#include "userspace/proxy/stats.h"
#include "userspace/snapshot/snapshot.h"

struct log_sink;
struct splicer;

/* Connections that wait for another request, of each worker, whatever its upstreams want. */
enum { PROXY_IDLE_MOST = 1024 };

/*
 * Two lines for sessions: above the first, a new one is told 503 (or closed, where that takes a
 * handshake), which the second leaves room for; above that nobody is accepted.
 */
struct proxy_ceilings {
	uint32_t sessions, sessions_hard; /* of the whole process */
	uint32_t handshakes;              /* of TLS, under way at once in this worker */
	uint32_t blocks;                  /* for bytes on their way, in this worker */
};

struct proxy_options {
	struct loop *loop;       /* borrowed */
	uint32_t worker;         /* number of this worker */
	struct log_sink *log;    /* borrowed; where lines go; NULL: nowhere */
	struct splicer *splicer; /* borrowed; NULL: never splice */
	struct stats *stats;     /* borrowed */
	struct proxy_ceilings ceilings;
};

struct proxy;

struct proxy *proxy_create(const struct proxy_options *options, struct snapshot *first);
/* Every session must be gone: proxy_sessions() == 0, or they are cut. */
void proxy_destroy(struct proxy *proxy);

/* What became of the request of that name, or how far it has got; false: it is not known any more.
 */
struct deed;
bool proxy_deed(const struct proxy *proxy, struct span id, struct deed *out);
/* Since when all that have ended are remembered, as of which kind they are, of the day's clock; 0:
 * all of this process. */
struct deed_since {
	uint64_t all_ms, away_ms, wrong_ms;
};
struct deed_since proxy_deeds_since(const struct proxy *proxy);

/* For exchanges that begin from now on; idle connections to endpoints that are gone are closed, and
 * those of clients whose listener is. */
void proxy_set_snapshot(struct proxy *proxy, struct snapshot *snapshot);
/* What is there beyond them goes on. */
void proxy_limit(struct proxy *proxy, const struct proxy_ceilings *ceilings);

/* Whether there is room for one more, if only to say that there is none. */
bool proxy_may_accept(struct proxy *proxy, uint32_t listener_index);

/* Takes fd over (non-blocking, with TCP_NODELAY). listener_index is that of the present snapshot.
 */
void proxy_accept(struct proxy *proxy, int fd, uint32_t listener_index, const struct addr *peer);

/* Keep-alive sessions end with their present exchange, idle ones at once; tunnels go on. */
void proxy_drain(struct proxy *proxy);
/*
 * Keep-alive sessions end with the exchange in whose answer that is said, so that no request meets
 * a connection that is being closed; idle ones wait for it.
 */
void proxy_drain_patiently(struct proxy *proxy);
/* Cuts what is left. */
void proxy_cut(struct proxy *proxy);
uint32_t proxy_sessions(const struct proxy *proxy);
