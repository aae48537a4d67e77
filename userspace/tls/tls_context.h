/*
 * tls_context.h - what a listener or an upstream needs to speak TLS: OpenSSL's contexts.
 *
 * Belongs to a snapshot, immutable once made, used by all workers. Knows which certificate is for
 * which name; knows nothing of connections (transport_tls has them).
 */
#pragma once
#include <openssl/ssl.h>

#include "userspace/model/model.h"

struct tls_server;
struct tls_client;

/* Loads every file. Problems become findings at the certificate's place: all that are wrong; with
 * strict also those that are expired, which else are only logged. NULL where there are any. */
struct tls_server *tls_server_create(const struct listener *listener, bool strict,
				     struct findings *findings);
void tls_server_destroy(struct tls_server *server);
/* The certificate for that name; NULL or "": the client has said none. */
const struct certificate *tls_server_certificate(const struct tls_server *server, const char *name);
/* Whether one of its keys is so slow that no loop should sign with it. */
bool tls_server_is_slow(const struct tls_server *server);
/* A connection's state, on its socket; NULL without memory. */
SSL *tls_server_ssl(const struct tls_server *server, int fd);

/* at: where mistakes are told of. tls is borrowed for as long as the client lives. */
struct tls_client *tls_client_create(const struct upstream_tls *tls, struct place at, bool strict,
				     struct findings *findings);
void tls_client_destroy(struct tls_client *client);
SSL *tls_client_ssl(const struct tls_client *client, int fd);
/* Hash of how it speaks: connections of equal ones may stand in for one another. Never 0. */
uint64_t tls_client_identity(const struct tls_client *client);
