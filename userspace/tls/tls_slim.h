/*
 * tls_slim.h - what a connection holds after its handshake and never needs again, given back.
 *
 * Of 14 KB that OpenSSL 3.0 keeps for a server's connection, 2.5 are left from the handshake: both
 * ephemeral keys (which are better wiped anyway), the session, a copy of the context's
 * certificates, and a BIO that is like every other. There is no call for that, so it is done by
 * calls made for something else, and only with the series for which it is known to hold.
 */
#pragma once
#include <openssl/ssl.h>

/* A server's, whose handshake is done. Cheap where it was done before. */
void tls_slim(SSL *ssl);
/* Before each call on a connection by this thread: the BIO that slim ones share has no socket of
 * its own. */
void tls_slim_use(int fd);
