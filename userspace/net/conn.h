/*
 * conn.h - one TCP connection: its socket, its watch, and how much went through it.
 *
 * Knows sockets. Knows nothing of what the bytes mean. Belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/buf.h"
#include "userspace/net/loop.h"

struct conn {
	int fd;
	struct watch watch;
	struct addr local, peer;
	uint64_t got, put; /* bytes read and written since it was established */
	bool connecting;
	bool eof;     /* the peer has finished; everything was read */
	bool shut;    /* we have finished */
	bool drained; /* the last read emptied the socket: wait for the watch before the next */
	/* Sequence numbers at establishment, for splicing; see splicer_note. */
	bool noted;
	uint32_t first_write, first_copied;
	uint16_t reserved_port; /* host order; 0: an ephemeral one */
	uint32_t exchanges;     /* served on it */
	/* of whoever keeps it while it is idle */
	struct conn *idle_next, *idle_prev;
	void *idle_home;
	uint64_t idle_since_ms;
};

enum conn_result {
	CONN_OK,    /* some bytes moved */
	CONN_AGAIN, /* none can move now */
	CONN_FULL,  /* reading: no room in the buffer */
	CONN_EOF,
	CONN_ERROR, /* the connection is of no more use */
};

struct connect_options {
	const struct addr *source; /* NULL: the kernel chooses; its port is used where not 0 */
	uint32_t max_segment;      /* TCP_MAXSEG, 0: leave it */
};

/* Takes fd over (non-blocking, connected). Aborts without memory only at start; else NULL, fd
 * closed. */
struct conn *conn_create(struct loop *loop, int fd, const struct addr *peer);
/* Begins to connect; NULL and errno where that fails at once. conn->connecting until
 * conn_connected. */
struct conn *conn_connect(struct loop *loop, const struct addr *to,
			  const struct connect_options *options);
/* When the watch reports that it is writable: 0 once established, EINPROGRESS, or what went wrong.
 */
int conn_connected(struct conn *conn);

/* Who hears of readiness; may change in a connection's life. */
void conn_listen(struct conn *conn, void (*on_ready)(void *context, int events), void *context);

enum conn_result conn_read(struct conn *conn, struct buf *to, struct block_pool *pool);
/* Writes what from holds and consumes what was taken. CONN_OK where all of it went. */
enum conn_result conn_write(struct conn *conn, struct buf *from, struct block_pool *pool);
void conn_shut(struct conn *conn);  /* a FIN behind what was written; once */
void conn_reset(struct conn *conn); /* the next conn_close sends an RST */
void conn_close(struct conn *conn); /* frees; accepts NULL */
