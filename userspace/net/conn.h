/*
 * conn.h - one connection: its socket, its watch, and how much went through it.
 *
 * Knows sockets, and that a transport may lie on them. Knows nothing of what the bytes mean.
 * Belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/buf.h"
#include "userspace/net/loop.h"
#include "userspace/net/transport.h"

/* How an endpoint in a vpc is reached: what the fast path wraps its packets in, and how it knows
 * them. */
struct conn_tunnel {
	struct addr host; /* the vtep behind which it is */
	uint32_t vni;     /* never 0 */
	uint8_t mac[6];   /* its own, inside */
	uint32_t mark;    /* SO_MARK */
	uint32_t ifindex; /* by which its packets must leave, as its address means nothing here */
	uint32_t mtu;     /* of what goes in */
};

struct conn {
	int fd;
	struct watch watch;
	struct addr peer;
	struct addr local;               /* see conn_local */
	const struct transport_ops *ops; /* NULL: plain TCP */
	void *transport;                 /* of ops */
	/* Hash of how; connections of one kind may stand in for another. Of an accepted one: its
	 * TLS session, with all that resume it; 0: none. */
	uint64_t secured_as;
	int wants;         /* WATCH_...: what the transport waits for, whatever we want */
	uint64_t got, put; /* bytes read and written since it was established */
	/* Sent as soon as TCP stands, before a handshake; NULL: nothing. Freed with the connection.
	 */
	char *prelude;
	uint16_t prelude_len;
	bool resumed;    /* of an accepted one: its TLS session had a connection before */
	bool connecting; /* or still in its handshake */
	bool away;       /* another thread has its transport: nothing is to be touched or watched */
	bool stepped;    /* it has come back, and its result was not asked for yet */
	bool eof;        /* the peer has finished; everything was read */
	bool shut;       /* we have finished */
	bool broken;     /* a read failed: an end that comes later is none */
	bool drained;    /* the last read emptied the socket: wait for the watch before the next */
	/* Sequence numbers at establishment, for splicing; see splicer_note. */
	bool noted;
	uint32_t first_write, first_copied;
	uint16_t reserved_port;     /* host order; 0: an ephemeral one */
	uint32_t exchanges;         /* served on it */
	struct conn_tunnel *tunnel; /* NULL: none; freed with the connection */
	/* Of who has state for its packets: heard of once its socket is closed. NULL: nobody. */
	void (*on_closed)(void *context);
	void *closed_context;
	/* Of who counts it, once it is closed. NULL: nobody. */
	void (*on_gone)(void *context);
	void *gone_context;
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
	const struct conn_tunnel *tunnel; /* copied; NULL: none */
};

/* Takes fd over (non-blocking, connected, with TCP_NODELAY). Aborts without memory only at start;
 * else NULL, fd closed. */
struct conn *conn_create(struct loop *loop, int fd, const struct addr *peer);
/* Begins to connect; NULL and errno where that fails at once. conn->connecting until
 * conn_connected. */
struct conn *conn_connect(struct loop *loop, const struct addr *to,
			  const struct connect_options *options);
/* Our end's address; asked for when it is first needed, as most connections end without. */
const struct addr *conn_local(struct conn *conn);
/* When the watch reports readiness: 0 once bytes can flow, EINPROGRESS, or what went wrong. */
int conn_connected(struct conn *conn);
/* The handshake of an accepted one: as conn_connected. */
int conn_handshake(struct conn *conn);
/* False where an idle one has ended or said something; what its transport says is read. */
bool conn_is_quiet(struct conn *conn);

/* What the peer has done, also behind bytes that nobody reads yet, which no watch tells of. */
struct conn_sight {
	bool spoken;   /* there is something to be read, if only an end */
	bool finished; /* nothing will follow what it has sent */
	bool gone;     /* it takes nothing any more: it has reset the connection */
};
struct conn_sight conn_look(const struct conn *conn);

/* Who hears of readiness; may change in a connection's life. */
void conn_listen(struct conn *conn, void (*on_ready)(void *context, int events), void *context);

/* Until its result is CONN_AGAIN, or conn->drained: bytes may wait that no watch tells of. */
enum conn_result conn_read(struct conn *conn, struct buf *to, struct block_pool *pool);
/* Writes what from holds and consumes what was taken. CONN_OK where all of it went. */
enum conn_result conn_write(struct conn *conn, struct buf *from, struct block_pool *pool);
/* Between uses: what its transport can do without is given back. */
void conn_rest(struct conn *conn);
void conn_shut(struct conn *conn); /* a FIN behind what was written; once */
/* The next conn_close sends an RST, as does the death of the process; conn_reset_not takes it back.
 */
void conn_reset(struct conn *conn);
void conn_reset_not(struct conn *conn);
void conn_close(struct conn *conn); /* frees; accepts NULL */
