/*
 * transport_tls.h - TLS on a connection: the ops of net/transport.h on OpenSSL.
 *
 * Knows records and alerts. Knows nothing of certificates, which are the context's. Belongs to the
 * connection's worker.
 */
#pragma once
#include "userspace/net/conn.h"
#include "userspace/tls/tls_context.h"

/* Before a byte was read. False without memory; the connection is as it was. */
bool transport_tls_accept(struct conn *conn, const struct tls_server *server);
bool transport_tls_connect(struct conn *conn, const struct tls_client *client);

/* Of a connection whose handshake is done. Borrowed, NULL: none. */
const char *transport_tls_version(const struct conn *conn);
const char *transport_tls_name(const struct conn *conn); /* that the client asked for */
struct span transport_tls_alpn(const struct conn *conn); /* at NULL: none was agreed on */
/* Why the handshake failed; after conn_handshake said so. Of the thread, until the next call. */
const char *transport_tls_failure(const struct conn *conn);
/* The client's verified subject (RFC 4514) into out; false: there is none, or it does not fit. */
bool transport_tls_subject(const struct conn *conn, char *out, size_t cap);
