/*
 * worker.h - one thread with one loop, its proxy and its listener sockets.
 *
 * What the control thread says reaches it as messages; it answers once, when it has ended.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/net/loop.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/stats.h"
#include "userspace/snapshot/snapshot.h"

struct log_sink;
struct splicer;
struct worker;

struct worker_options {
	uint32_t number;
	struct log_sink *log;    /* borrowed */
	struct splicer *splicer; /* borrowed; NULL: never splice */
	struct loop *control;    /* where on_end is called */
	void (*on_end)(void *context);
	void *context;
};

/* What a worker listens on, whole: what is not in it is closed. */
struct worker_socket {
	int fd;                  /* from then on the worker's; the same number again: stays */
	uint32_t listener_index; /* of the snapshot beside it */
};

struct worker *worker_create(const struct worker_options *options);
/* All of it goes into effect together; the worker takes a reference of its own. */
void worker_set(struct worker *worker, struct snapshot *snapshot,
		const struct proxy_ceilings *ceilings, const struct worker_socket *sockets,
		uint32_t count);
bool worker_start(struct worker *worker, struct err *err); /* after the first worker_set */
/* Those sockets are served by another process from now on: they are closed, their queues are not.
 */
void worker_let_go(struct worker *worker, const struct worker_socket *sockets, uint32_t count);
/* As worker_drain, but idle keep-alive sessions may have one more exchange, and go last. */
void worker_drain_patiently(struct worker *worker, uint32_t drain_ms);
/* No new sessions; on_end is called when the old ones have ended or after drain_ms. */
void worker_drain(struct worker *worker, uint32_t drain_ms);
/* Ends it at once where it runs, without on_end; joins; accepts NULL. */
void worker_destroy(struct worker *worker);
/* Has its loop turned since it was asked last? Asks again. A worker that has ended is well. */
bool worker_is_well(struct worker *worker);
/*
 * Has run called on the worker's thread, with its proxy (NULL: it has none), and waits for that;
 * false: it did not come to it within so many milliseconds. release is called in any case, once
 * nobody needs context any more, by either thread.
 */
struct worker_call {
	void (*run)(void *context, struct proxy *proxy);
	void (*release)(void *context);
	void *context;
};
bool worker_call(struct worker *worker, const struct worker_call *call, uint32_t patience_ms);
const struct stats *worker_stats(const struct worker *worker); /* any thread */
