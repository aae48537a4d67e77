/*
 * transport.h - what lies between a connection's bytes and its socket; nothing is plain TCP.
 *
 * Operations of a struct conn (conn.h), called by it alone. Results as of recv(2) and send(2): -1
 * with errno; where that is EAGAIN, conn->wants says what readiness would help.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conn;

struct transport_ops {
	/* 0 once bytes can flow; else errno, EAGAIN while the handshake goes on. */
	int (*handshake)(struct conn *conn);
	ssize_t (*read)(struct conn *conn, void *at, size_t len); /* 0: the peer has finished */
	ssize_t (*write)(struct conn *conn, const void *at, size_t len);
	void (*finish)(struct conn *conn); /* says that no more comes; the FIN follows */
	void (*rest)(struct conn *conn);   /* nothing is under way: gives back what it can */
	void (*free)(struct conn *conn);   /* conn->transport */
};
