#include "userspace/tls/tls_certs.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/tls/tls_error.h"

/* A key with a passphrase is refused instead of asked for on some terminal. */
static int no_passphrase(char *buf, int size, int writing, void *context)
{
	(void)buf, (void)size, (void)writing, (void)context;
	return 0;
}

static BIO *open_file(const char *path, const char *what, struct err *err)
{
	BIO *file = BIO_new_file(path, "r");

	if (!file)
		tls_error(err, "cannot read the %s %s", what, path);
	return file;
}

static bool load_chain(struct tls_cert *c, struct err *err)
{
	BIO *file = open_file(c->from->chain, "certificate", err);
	X509 *next;

	if (!file)
		return false;
	c->leaf = PEM_read_bio_X509_AUX(file, NULL, no_passphrase, NULL);
	if (!c->leaf) {
		BIO_free(file);
		return tls_error(err, "the certificate %s is no PEM certificate", c->from->chain);
	}
	c->chain = sk_X509_new_null();
	MUST(c->chain);
	while (sk_X509_num(c->chain) < TLS_CHAIN_MAX &&
	       (next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL)))
		sk_X509_push(c->chain, next);
	ERR_clear_error(); /* of the end of the file */
	BIO_free(file);
	return true;
}

static bool load_key(struct tls_cert *c, struct err *err)
{
	BIO *file = open_file(c->from->key, "key", err);

	if (!file)
		return false;
	c->key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
	BIO_free(file);
	if (!c->key)
		return tls_error(err, "the key %s is no PEM key without a passphrase",
				 c->from->key);
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		return err_set(err, "the key %s does not belong to the certificate %s",
			       c->from->key, c->from->chain);
	}
	return true;
}

static bool load_ocsp(struct tls_cert *c, struct err *err)
{
	unsigned char *bytes;
	BIO *file;
	int n;

	if (!c->from->ocsp)
		return true;
	file = open_file(c->from->ocsp, "OCSP response", err);
	if (!file)
		return false;
	bytes = must_alloc(TLS_FILE_BYTES_MAX);
	n = BIO_read(file, bytes, TLS_FILE_BYTES_MAX);
	BIO_free(file);
	if (n <= 0 || n == TLS_FILE_BYTES_MAX) {
		free(bytes);
		return err_set(err, "the OCSP response %s is empty or too large", c->from->ocsp);
	}
	c->ocsp = bytes;
	c->ocsp_len = n;
	return true;
}

static void add_name(struct tls_cert *c, const unsigned char *at, int len)
{
	char *name;

	if (len <= 0 || c->name_count == TLS_NAMES_MAX || memchr(at, 0, (size_t)len))
		return;
	name = must_alloc((size_t)len + 1);
	for (int i = 0; i < len; i++)
		name[i] = (char)tolower(at[i]);
	c->names[c->name_count++] = name;
}

/* Subject alternative names; the common name only where there are none (RFC 6125, 6.4.4). */
static void read_names(struct tls_cert *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(c->leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	c->names = must_alloc(TLS_NAMES_MAX * sizeof(c->names[0]));
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(c, ASN1_STRING_get0_data(name->d.dNSName),
				 ASN1_STRING_length(name->d.dNSName));
	}
	if (!names && at >= 0) {
		ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

		add_name(c, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	}
	GENERAL_NAMES_free(names);
}

static void read_dates(struct tls_cert *c, time_t now)
{
	const ASN1_TIME *first = X509_get0_notBefore(c->leaf), *last = X509_get0_notAfter(c->leaf);
	bool early = X509_cmp_time(first, &now) > 0;
	BIO *text = BIO_new(BIO_s_mem());
	int n;

	MUST(text);
	c->expired = early || X509_cmp_time(last, &now) < 0;
	ASN1_TIME_print(text, early ? first : last);
	n = BIO_read(text, c->until, sizeof(c->until) - 1);
	c->until[n > 0 ? n : 0] = 0;
	BIO_free(text);
}

struct tls_cert *tls_cert_load(const struct certificate *from, time_t now, struct err *err)
{
	struct tls_cert *c = must_alloc(sizeof(*c));

	c->from = from;
	ERR_clear_error();
	if (!load_chain(c, err) || !load_key(c, err) || !load_ocsp(c, err)) {
		tls_cert_free(c);
		return NULL;
	}
	read_names(c);
	read_dates(c, now);
	return c;
}

void tls_cert_free(struct tls_cert *c)
{
	if (!c)
		return;
	while (c->name_count > 0)
		free(c->names[--c->name_count]);
	free(c->names);
	free(c->ocsp);
	EVP_PKEY_free(c->key);
	sk_X509_pop_free(c->chain, X509_free);
	X509_free(c->leaf);
	free(c);
}

static bool name_is_for(const char *pattern, struct span name)
{
	const char *dot = memchr(name.at, '.', name.len);

	if (strncmp(pattern, "*.", 2) != 0)
		return span_is(span_of(pattern), name);
	/* One label, whole (RFC 6125, 6.4.3). */
	return dot && dot > name.at &&
	       span_is(span_of(pattern + 1), span_after(name, (size_t)(dot - name.at)));
}

bool tls_cert_is_for(const struct tls_cert *c, struct span name)
{
	for (uint32_t i = 0; name.len > 0 && i < c->name_count; i++)
		if (name_is_for(c->names[i], name))
			return true;
	return false;
}

int tls_cert_kind(const struct tls_cert *c)
{
	return EVP_PKEY_base_id(c->key);
}
