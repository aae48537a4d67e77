/*
 * tls_tickets.h - keys of session tickets (RFC 5077, RFC 8446 4.6.1), shared by all workers.
 *
 * One process has one set of keys, whatever its snapshots. Made here they turn over in time; from
 * a file they are the same on every node that has it. Any thread.
 */
#pragma once
#include <openssl/ssl.h>

#include "userspace/base/err.h"

enum {
	TICKET_KEY_BYTES = 80, /* name 16, AES-256 32, HMAC-SHA-256 32: as of nginx's files */
	TICKET_KEYS_MAX = 4,   /* the first encrypts, all decrypt */
	TICKET_TURN_S = 12 * 3600,
};

/* path NULL: keys of this process. A file holds 1 to 4 keys, the present one first; read again at
 * each call. False and a sentence leave the keys as they were. */
bool tls_tickets_use(const char *path, struct err *err);
/* Contexts that give and take tickets. */
void tls_tickets_attach(SSL_CTX *ctx);
/* What a connection has in common with those that it resumed, and that resume it: also on another
 * node with the same keys. 0: it has no ticket. After the handshake, until its session is given up.
 */
uint64_t tls_tickets_session(const SSL *ssl);
