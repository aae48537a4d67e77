/*
 * health_stream.h - TCP connections of probes, on sockets that are used again and again.
 *
 * To make a socket and to watch it costs more than to connect it. So one that has served is reset,
 * and is connected to somebody else next; all are watched by one set, edge by edge. Knows nothing
 * of what is asked. Belongs to one loop.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/upstream/health_probe.h"

struct health_streams;
struct health_stream;

/* At most so many sockets, used and unused, are open. Create aborts without memory. Before destroy
 * all streams are closed. */
struct health_streams *health_streams_create(struct loop *loop, uint32_t most);
void health_streams_destroy(struct health_streams *streams); /* accepts NULL */
struct loop *health_streams_loop(const struct health_streams *streams);

/*
 * Begins to connect; NULL and *err where there is not even a way. on_ready comes when something has
 * changed, connected or failed first of all: then all must be read or written that can be, as it
 * is not told again. Without failed nothing is wrong yet.
 */
struct health_stream *health_stream_open(struct health_streams *streams,
					 const struct health_way *way,
					 void (*on_ready)(void *context, bool failed),
					 void *context, struct err *err);
int health_stream_fd(const struct health_stream *stream);
/* Of the socket; 0: none. It is told once. */
int health_stream_error(const struct health_stream *stream);

enum health_ending {
	HEALTH_ENDS_AGAIN, /* by a reset: all is well, and the socket fit for another */
	HEALTH_ENDS_RESET, /* no socket of ours shall wait for its end, nor a program read it */
	HEALTH_ENDS        /* as connections end */
};
void health_stream_close(struct health_stream *stream, enum health_ending ending);
