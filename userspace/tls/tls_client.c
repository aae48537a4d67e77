/* The endpoints' side of tls_context.h. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/tls/tls_context.h"
#include "userspace/tls/tls_context_parts.h"
#include "userspace/tls/tls_error.h"

struct tls_client {
	SSL_CTX *ctx;
	const char *name; /* of the model; NULL: none */
	uint64_t identity;
};

static bool is_address(const char *name)
{
	struct in6_addr ip;

	return inet_pton(AF_INET, name, &ip) == 1 || inet_pton(AF_INET6, name, &ip) == 1;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return XXH3_64bits_withSeed(text ? text : "", text ? strlen(text) + 1 : 0, hash);
}

static uint64_t identity_of(const struct upstream_tls *tls)
{
	uint64_t hash = tls->skip_verify;

	hash = hash_text(hash, tls->name);
	hash = hash_text(hash, tls->ca);
	hash = hash_text(hash, tls->certificate ? tls->certificate->chain : NULL);
	return hash ? hash : 1;
}

static bool set_up(struct tls_client *client, const struct upstream_tls *tls, struct place at,
		   bool strict, struct findings *findings)
{
	struct tls_cert *own = NULL;
	struct err err = { "" };
	bool ok = true;

	SSL_CTX_set_session_cache_mode(client->ctx, SSL_SESS_CACHE_OFF);
	if (!tls->skip_verify) {
		SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
		ok = tls->ca ? tls_context_trust(client->ctx, tls->ca, &err)
			     : SSL_CTX_set_default_verify_paths(client->ctx) == 1;
		if (!ok)
			tls_finding(findings, at, err.text);
	}
	if (!tls->certificate)
		return ok;
	own = tls_context_load(tls->certificate, strict, findings);
	if (own && !tls_context_use(client->ctx, own)) {
		tls_error(&err, "the certificate \"%s\" cannot be used", tls->certificate->name);
		tls_finding(findings, tls->certificate->at, err.text);
		ok = false;
	}
	ok = ok && own;
	tls_cert_free(own); /* the context has references of its own */
	return ok;
}

struct tls_client *tls_client_create(const struct upstream_tls *tls, struct place at, bool strict,
				     struct findings *findings)
{
	struct tls_client *client = must_alloc(sizeof(*client));
	uint32_t before = findings->count + findings->more;

	client->ctx = tls_context_base(TLS_client_method());
	client->name = tls->name;
	client->identity = identity_of(tls);
	if (set_up(client, tls, at, strict, findings) && findings->count + findings->more == before)
		return client;
	tls_client_destroy(client);
	return NULL;
}

void tls_client_destroy(struct tls_client *client)
{
	if (!client)
		return;
	SSL_CTX_free(client->ctx);
	free(client);
}

/* Who must answer: a name in SNI and certificate, or an address in the certificate (RFC 6125). */
static bool expect(SSL *ssl, const char *name)
{
	if (!name)
		return true;
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

SSL *tls_client_ssl(const struct tls_client *client, int fd)
{
	SSL *ssl = SSL_new(client->ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1 || !expect(ssl, client->name)) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

uint64_t tls_client_identity(const struct tls_client *client)
{
	return client->identity;
}
