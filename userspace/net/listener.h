/*
 * listener.h - sockets that wait for connections, and how they are accepted.
 *
 * Knows addresses and sockets. Knows nothing of protocols, workers or where connections go.
 * A listener belongs to one worker; listener_socket_* are for any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/net/loop.h"

struct listener_socket_options {
	struct addr address; /* with port */
	bool free_bind;      /* the address need not be on an interface (the fast path brings it) */
	uint32_t max_segment; /* TCP_MAXSEG; 0: leave it */
};

/* False where somebody else listens there, or where it is not permitted; says what to do. */
bool listener_socket_probe(const struct listener_socket_options *options, struct err *err);
/* One of several sockets that share an address (SO_REUSEPORT); non-blocking. */
bool listener_socket_open(const struct listener_socket_options *options, int *out_fd,
			  struct err *err);
/* Of one that is open: for connections to come. Best effort. */
void listener_socket_limit(int fd, uint32_t max_segment);

struct listener_watch; /* a socket being accepted from */

struct listener_hooks {
	/* Whether one more may be taken now; false: asked again a little later. They wait in the
	 * kernel's queue. */
	bool (*may_accept)(void *context, uint32_t tag);
	/* fd is non-blocking, with TCP_NODELAY, and belongs to the callee. */
	void (*on_accept)(void *context, int fd, uint32_t tag, const struct addr *peer);
	void (*on_accept_error)(void *context);
	void *context;
};

/* Takes fd over. tag is given to on_accept. */
struct listener_watch *listener_watch_create(struct loop *loop, int fd, uint32_t tag,
					     const struct listener_hooks *hooks);
void listener_watch_retag(struct listener_watch *watch, uint32_t tag);
int listener_watch_fd(const struct listener_watch *watch);
/* Accepts what is already in the queue (bounded), as closing would reset it. */
void listener_watch_flush(struct listener_watch *watch);
void listener_watch_destroy(struct listener_watch *watch); /* closes; accepts NULL */
