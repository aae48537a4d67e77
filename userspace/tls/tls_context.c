/* The listeners' side. */
#include "userspace/tls/tls_context.h"

#include <ctype.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/tls/tls_certs.h"
#include "userspace/tls/tls_context_parts.h"
#include "userspace/tls/tls_error.h"
#include "userspace/tls/tls_tickets.h"

enum { NAME_BYTES_MAX = 255 };

/* One certificate, and of other kinds of key those for the same names. */
struct identity {
	struct tls_cert *cert;
	SSL_CTX *ctx;
};

struct tls_server {
	const struct listener *listener;
	struct identity *identities; /* as configured; the first one where no name fits */
	uint32_t count;
};

static const unsigned char alpn_http[] = "\x08" ALPN_HTTP;

SSL_CTX *tls_context_base(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	MUST(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* Forward secrecy and AEAD only; what browsers of the last ten years speak. */
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	/* 128 bits are enough, and its hash is half the work and half the state of SHA-384. */
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
				      "TLS_CHACHA20_POLY1305_SHA256");
	SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	return ctx;
}

bool tls_context_use(SSL_CTX *ctx, const struct tls_cert *cert)
{
	return SSL_CTX_use_certificate(ctx, cert->leaf) == 1 &&
	       SSL_CTX_use_PrivateKey(ctx, cert->key) == 1 &&
	       SSL_CTX_set1_chain(ctx, cert->chain) == 1;
}

void tls_finding(struct findings *findings, struct place at, const char *text)
{
	if (findings->count == FINDINGS_MAX)
		findings->more++;
	else
		err_at(&findings->list[findings->count++], at, "%s", text);
}

struct tls_cert *tls_context_load(const struct certificate *from, bool strict,
				  struct findings *findings)
{
	struct err err;
	struct tls_cert *cert = tls_cert_load(from, time(NULL), &err);

	if (!cert) {
		tls_finding(findings, from->at, err.text);
		return NULL;
	}
	if (!cert->expired)
		return cert;
	err_set(&err, "the certificate \"%s\" (%s) is not valid now: its date is %s", from->name,
		cert->name_count ? cert->names[0] : "without names", cert->until);
	if (strict)
		tls_finding(findings, from->at, err.text);
	else
		log_line(LOG_WARNING, "%s", err.text);
	return cert;
}

/* RFC 7301, 3.2: a client that names protocols, and none of ours, is told so. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *context)
{
	unsigned char *chosen;

	(void)ssl, (void)context;
	if (SSL_select_next_proto(&chosen, out_len, alpn_http, sizeof(alpn_http) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static const struct identity *identity_for(const struct tls_server *server, const char *name)
{
	char lower[NAME_BYTES_MAX + 1];
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > NAME_BYTES_MAX)
		return &server->identities[0];
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	for (uint32_t i = 0; i < server->count; i++)
		if (tls_cert_is_for(server->identities[i].cert, span_make(lower, len)))
			return &server->identities[i];
	return &server->identities[0];
}

const struct certificate *tls_server_certificate(const struct tls_server *server, const char *name)
{
	return identity_for(server, name)->cert->from;
}

static int on_server_name(SSL *ssl, int *alert, void *context)
{
	const struct tls_server *server = context;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	SSL_set_SSL_CTX(ssl, identity_for(server, name)->ctx);
	return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *context)
{
	const struct tls_cert *cert = context;
	unsigned char *copy;

	if (!cert->ocsp)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(cert->ocsp, (size_t)cert->ocsp_len); /* OpenSSL frees it */
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, cert->ocsp_len);
	return SSL_TLSEXT_ERR_OK;
}

bool tls_context_trust(SSL_CTX *ctx, const char *ca, struct err *err)
{
	if (SSL_CTX_load_verify_file(ctx, ca) == 1)
		return true;
	return tls_error(err, "cannot read the certificates of authorities in %s", ca);
}

static bool ask_clients(SSL_CTX *ctx, const struct listener *l, struct findings *findings)
{
	int mode = SSL_VERIFY_PEER;
	struct err err;

	if (l->tls.client_certificate == CLIENT_CERTIFICATE_NONE)
		return true;
	if (!tls_context_trust(ctx, l->tls.client_ca, &err)) {
		tls_finding(findings, l->at, err.text);
		return false;
	}
	if (l->tls.client_certificate == CLIENT_CERTIFICATE_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(l->tls.client_ca));
	return true;
}

/* Of the other kinds of key, the first certificate each that is for the same first name. */
static void add_other_kinds(SSL_CTX *ctx, const struct tls_server *server, uint32_t self)
{
	const struct tls_cert *own = server->identities[self].cert;

	for (uint32_t i = 0; i < server->count; i++) {
		const struct tls_cert *cert = server->identities[i].cert;
		bool taken = tls_cert_kind(cert) == tls_cert_kind(own);

		for (uint32_t k = 0; k < i && !taken; k++)
			taken = tls_cert_kind(server->identities[k].cert) == tls_cert_kind(cert) &&
				own->name_count > 0 &&
				tls_cert_is_for(server->identities[k].cert, span_of(own->names[0]));
		if (!taken && own->name_count > 0 && tls_cert_is_for(cert, span_of(own->names[0])))
			tls_context_use(ctx, cert);
	}
}

static SSL_CTX *context_of(struct tls_server *server, uint32_t i, struct findings *findings)
{
	const struct listener *l = server->listener;
	const struct tls_cert *cert = server->identities[i].cert;
	SSL_CTX *ctx = tls_context_base(TLS_server_method());
	struct err err;

	if (l->tls.min_version == TLS_VERSION_1_3)
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)l->vip->name,
				       (unsigned)strnlen(l->vip->name, 32));
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, server);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
	SSL_CTX_set_tlsext_status_arg(ctx, (void *)(uintptr_t)cert);
	tls_tickets_attach(ctx);
	add_other_kinds(ctx, server, i);
	if (!tls_context_use(ctx, cert)) {
		tls_error(&err, "the certificate \"%s\" cannot be used", cert->from->name);
		tls_finding(findings, cert->from->at, err.text);
	} else if (ask_clients(ctx, l, findings)) {
		return ctx;
	}
	SSL_CTX_free(ctx);
	return NULL;
}

struct tls_server *tls_server_create(const struct listener *l, bool strict,
				     struct findings *findings)
{
	struct tls_server *server = must_alloc(sizeof(*server));
	uint32_t before = findings->count + findings->more;

	server->listener = l;
	server->identities = must_alloc(l->tls.certificate_count * sizeof(struct identity));
	for (uint32_t i = 0; i < l->tls.certificate_count; i++) {
		struct tls_cert *cert = tls_context_load(l->tls.certificates[i], strict, findings);

		if (cert)
			server->identities[server->count++].cert = cert;
	}
	for (uint32_t i = 0; i < server->count; i++)
		server->identities[i].ctx = context_of(server, i, findings);
	if (findings->count + findings->more == before && server->count > 0)
		return server;
	tls_server_destroy(server);
	return NULL;
}

void tls_server_destroy(struct tls_server *server)
{
	if (!server)
		return;
	for (uint32_t i = 0; i < server->count; i++)
		SSL_CTX_free(server->identities[i].ctx);
	while (server->count > 0)
		tls_cert_free(server->identities[--server->count].cert);
	free(server->identities);
	free(server);
}

/* A signature by RSA of 2048 bits takes a millisecond, of 4096 five; by P-256 a fiftieth of one. */
bool tls_server_is_slow(const struct tls_server *server)
{
	for (uint32_t i = 0; i < server->count; i++)
		if (tls_cert_kind(server->identities[i].cert) == EVP_PKEY_RSA)
			return true;
	return false;
}

SSL *tls_server_ssl(const struct tls_server *server, int fd)
{
	SSL *ssl = SSL_new(server->identities[0].ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}
