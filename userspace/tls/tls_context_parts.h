/*
 * tls_context_parts.h - what both sides' contexts have in common (tls/ only).
 */
#pragma once
#include "userspace/tls/tls_certs.h"

/* Modern defaults, no certificate. Aborts without memory. */
SSL_CTX *tls_context_base(const SSL_METHOD *method);
bool tls_context_use(SSL_CTX *ctx, const struct tls_cert *cert);
bool tls_context_trust(SSL_CTX *ctx, const char *ca, struct err *err);
/* NULL and a finding where it cannot be had; what is not valid now is a finding with strict. */
struct tls_cert *tls_context_load(const struct certificate *from, bool strict,
				  struct findings *findings);
void tls_finding(struct findings *findings, struct place at, const char *text);
