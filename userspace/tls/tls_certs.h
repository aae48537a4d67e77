/*
 * tls_certs.h - a certificate with its chain and key from files: whole, matching, and for whom.
 *
 * Knows X.509 (RFC 5280, 6125). Knows nothing of listeners. Secrets stay in memory and reach no
 * message. Any thread, one at a time each.
 */
#pragma once
#include <openssl/ssl.h>
#include <stdint.h>
#include <time.h>

#include "userspace/base/err.h"
#include "userspace/base/span.h"
#include "userspace/model/model.h"

enum { TLS_FILE_BYTES_MAX = 1 << 20, TLS_CHAIN_MAX = 16, TLS_NAMES_MAX = 256 };

struct tls_cert {
	const struct certificate *from;
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	char **names; /* lower case, "*.example.com" too */
	uint32_t name_count;
	unsigned char *ocsp; /* NULL: none */
	long ocsp_len;
	bool expired;   /* at the time of loading, or not valid yet */
	char until[32]; /* "Nov 21 07:30:00 2026 GMT"; of not_before where that is yet to come */
};

/* NULL and a sentence where a file cannot be read, or key and certificate do not belong together.
 */
struct tls_cert *tls_cert_load(const struct certificate *from, time_t now, struct err *err);
void tls_cert_free(struct tls_cert *cert); /* accepts NULL */
/* Whether it is for that server name (lower case): exactly, or by its first label. */
bool tls_cert_is_for(const struct tls_cert *cert, struct span name);
/* The kind of key: EVP_PKEY_RSA, EVP_PKEY_EC, ... */
int tls_cert_kind(const struct tls_cert *cert);
