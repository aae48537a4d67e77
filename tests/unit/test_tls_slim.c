#include "tests/harness/test.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/tls/tls_slim.h"

enum { PAIRS = 3, TURNS = 4 };

struct pair {
	int fds[2];
	SSL *server, *client;
};

struct fixture {
	SSL_CTX *server, *client;
	X509 *cert;
	EVP_PKEY *key;
	struct pair pairs[PAIRS];
};

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static void make_certificate(struct fixture *f)
{
	X509_NAME *name;

	f->key = EVP_EC_gen("P-256");
	f->cert = X509_new();
	CHECK(f->key && f->cert);
	X509_set_version(f->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(f->cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(f->cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(f->cert), 3600);
	name = X509_get_subject_name(f->cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"h", -1, -1, 0);
	X509_set_issuer_name(f->cert, name);
	X509_set_pubkey(f->cert, f->key);
	CHECK(X509_sign(f->cert, f->key, EVP_sha256()) > 0);
}

static SSL_CTX *context(struct fixture *f, const SSL_METHOD *method, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	CHECK(ctx && SSL_CTX_use_certificate(ctx, f->cert) == 1 &&
	      SSL_CTX_use_PrivateKey(ctx, f->key) == 1);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return ctx;
}

static void pair_open(struct fixture *f, struct pair *p)
{
	int served = 0, asked = 0;

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
	p->server = SSL_new(f->server);
	p->client = SSL_new(f->client);
	SSL_set_fd(p->server, p->fds[0]);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_tlsext_host_name(p->client, "name.example");
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	for (int i = 0; i < 8 && (served != 1 || asked != 1); i++) {
		asked = SSL_do_handshake(p->client);
		served = SSL_do_handshake(p->server);
	}
	CHECK(served == 1 && asked == 1);
}

static void pair_close(struct pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
	for (int i = 0; i < 2; i++)
		if (p->server)
			close(p->fds[i]);
}

static void setup(struct fixture *f, int version, bool asks)
{
	*f = (struct fixture){ 0 };
	make_certificate(f);
	f->server = context(f, TLS_server_method(), version);
	f->client = context(f, TLS_client_method(), version);
	if (asks)
		SSL_CTX_set_verify(f->server, SSL_VERIFY_PEER, accept_any);
	for (int i = 0; i < PAIRS; i++)
		pair_open(f, &f->pairs[i]);
}

static void teardown(struct fixture *f)
{
	for (int i = 0; i < PAIRS; i++)
		pair_close(&f->pairs[i]);
	SSL_CTX_free(f->server);
	SSL_CTX_free(f->client);
	X509_free(f->cert);
	EVP_PKEY_free(f->key);
}

static void slim(struct pair *p)
{
	tls_slim_use(p->fds[0]);
	tls_slim(p->server);
}

/* A byte each way. */
static void talk(struct pair *p, char byte)
{
	char got = 0;

	CHECK_INT(SSL_write(p->client, &byte, 1), 1);
	tls_slim_use(p->fds[0]);
	CHECK_INT(SSL_read(p->server, &got, 1), 1);
	CHECK_INT(got, byte);
	CHECK_INT(SSL_read(p->server, &got, 1), -1);
	CHECK_INT(SSL_get_error(p->server, -1), SSL_ERROR_WANT_READ);
	byte++;
	CHECK_INT(SSL_write(p->server, &byte, 1), 1);
	CHECK_INT(SSL_read(p->client, &got, 1), 1);
	CHECK_INT(got, byte);
}

static const struct {
	const char *name;
	int version;
	bool asks;
} kinds[] = {
	{ "TLS 1.3", TLS1_3_VERSION, false },
	{ "TLS 1.3 with a client's certificate", TLS1_3_VERSION, true },
	{ "TLS 1.2", TLS1_2_VERSION, false },
	{ "TLS 1.2 with a client's certificate", TLS1_2_VERSION, true },
};

TEST(slim_connections_go_on_in_turn)
{
	struct fixture f;

	FOR_ROWS (row, kinds) {
		setup(&f, row->version, row->asks);
		for (int turn = 0; turn < TURNS; turn++)
			for (int i = 0; i < PAIRS; i++) {
				talk(&f.pairs[i], (char)(turn * PAIRS + i));
				slim(&f.pairs[i]);
			}
		teardown(&f);
	}
}

TEST(what_is_told_of_a_connection_stays)
{
	struct fixture f;

	FOR_ROWS (row, kinds) {
		setup(&f, row->version, row->asks);
		slim(&f.pairs[0]);
		CHECK_STR(SSL_get_servername(f.pairs[0].server, TLSEXT_NAMETYPE_host_name),
			  "name.example");
		CHECK_INT(SSL_version(f.pairs[0].server), row->version);
		CHECK(!!SSL_get0_peer_certificate(f.pairs[0].server) == row->asks);
		CHECK_INT(SSL_get_verify_result(f.pairs[0].server), X509_V_OK);
		teardown(&f);
	}
}

TEST(a_slim_connection_gives_its_session_back)
{
	struct fixture f;

	if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() != 0)
		TEST_SKIP("connections are made slim with OpenSSL 3.0 only");
	FOR_ROWS (row, kinds) {
		bool kept = row->asks || row->version == TLS1_2_VERSION;

		setup(&f, row->version, row->asks);
		slim(&f.pairs[0]);
		slim(&f.pairs[1]);
		CHECK(!!SSL_get_session(f.pairs[0].server) == kept);
		CHECK(SSL_get_rbio(f.pairs[0].server) == SSL_get_rbio(f.pairs[1].server));
		CHECK(SSL_get_rbio(f.pairs[2].server) != SSL_get_rbio(f.pairs[1].server));
		teardown(&f);
	}
}

/* RFC 8446, 4.6.3. The answers are written while another connection's go through the same BIO. */
TEST(keys_are_updated_by_either_side_after_it)
{
	struct fixture f;

	setup(&f, TLS1_3_VERSION, false);
	for (int turn = 0; turn < TURNS; turn++)
		for (int i = 0; i < PAIRS; i++) {
			slim(&f.pairs[i]);
			CHECK_INT(SSL_key_update(f.pairs[i].client, SSL_KEY_UPDATE_REQUESTED), 1);
			talk(&f.pairs[i], (char)turn);
			CHECK_INT(SSL_key_update(f.pairs[i].server, SSL_KEY_UPDATE_REQUESTED), 1);
			talk(&f.pairs[i], (char)turn);
			talk(&f.pairs[i], (char)turn);
		}
	teardown(&f);
}

/* A socket that takes nothing. */
static int full_socket(int fds[2])
{
	static char bytes[4096];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	while (send(fds[0], bytes, sizeof(bytes), 0) > 0)
		;
	return fds[0];
}

/* OpenSSL puts a buffer before the BIO that all of them share, and it stays until it is empty. */
TEST(answers_to_new_keys_that_cannot_leave_stay_apart)
{
	struct fixture f;
	int full[2];
	char got;

	setup(&f, TLS1_3_VERSION, false);
	full_socket(full);
	for (int i = 0; i < PAIRS; i++) {
		struct pair *p = &f.pairs[i];

		slim(p);
		CHECK_INT(SSL_key_update(p->client, SSL_KEY_UPDATE_REQUESTED), 1);
		CHECK_INT(SSL_write(p->client, "a", 1), 1);
		CHECK_INT(SSL_read(p->server, &got, 1), 1);
		tls_slim_use(full[0]);
		CHECK_INT(SSL_write(p->server, "b", 1), -1);
		CHECK_INT(SSL_get_error(p->server, -1), SSL_ERROR_WANT_WRITE);
		CHECK(!SSL_is_init_finished(p->server));
	}
	pair_close(&f.pairs[1]);
	f.pairs[1] = (struct pair){ 0 };
	for (int i = 0; i < PAIRS; i += 2) {
		tls_slim_use(f.pairs[i].fds[0]);
		CHECK_INT(SSL_write(f.pairs[i].server, "b", 1), 1);
		CHECK_INT(SSL_read(f.pairs[i].client, &got, 1), 1);
		CHECK_INT(got, 'b');
		slim(&f.pairs[i]);
		talk(&f.pairs[i], 'c');
	}
	close(full[0]);
	close(full[1]);
	teardown(&f);
}

/* As tls_context.c has it for all listeners. */
TEST(a_second_handshake_is_refused_after_it)
{
	struct fixture f;
	char got;

	setup(&f, TLS1_2_VERSION, true);
	for (int i = 0; i < PAIRS; i++) {
		SSL_set_options(f.pairs[i].server, SSL_OP_NO_RENEGOTIATION);
		slim(&f.pairs[i]);
	}
	CHECK_INT(SSL_renegotiate(f.pairs[0].client), 1);
	CHECK_INT(SSL_do_handshake(f.pairs[0].client), -1);
	tls_slim_use(f.pairs[0].fds[0]);
	CHECK_INT(SSL_read(f.pairs[0].server, &got, 1), -1);
	CHECK_INT(SSL_get_error(f.pairs[0].server, -1), SSL_ERROR_WANT_READ);
	CHECK(SSL_is_init_finished(f.pairs[0].server));
	talk(&f.pairs[1], 'a');
	CHECK_INT(SSL_do_handshake(f.pairs[0].client), -1);
	CHECK_INT(SSL_get_error(f.pairs[0].client, -1), SSL_ERROR_SSL);
	ERR_clear_error();
	talk(&f.pairs[2], 'b');
	teardown(&f);
}

TEST(ends_are_told_apart_after_it)
{
	struct fixture f;
	char byte;

	FOR_ROWS (row, kinds) {
		setup(&f, row->version, row->asks);
		slim(&f.pairs[0]);
		slim(&f.pairs[1]);
		/* said by the client, and not */
		CHECK_INT(SSL_shutdown(f.pairs[0].client), 0);
		CHECK_INT(shutdown(f.pairs[1].fds[1], SHUT_WR), 0);
		for (int i = 0; i < 2; i++) {
			tls_slim_use(f.pairs[i].fds[0]);
			CHECK_INT(SSL_read(f.pairs[i].server, &byte, 1), 0);
			CHECK_INT(SSL_get_error(f.pairs[i].server, 0), SSL_ERROR_ZERO_RETURN);
		}
		tls_slim_use(f.pairs[0].fds[0]);
		CHECK_INT(SSL_shutdown(f.pairs[0].server), 1);
		/* said by the server */
		slim(&f.pairs[2]);
		CHECK_INT(SSL_shutdown(f.pairs[2].server), 0);
		CHECK_INT(SSL_read(f.pairs[2].client, &byte, 1), 0);
		CHECK_INT(SSL_get_error(f.pairs[2].client, 0), SSL_ERROR_ZERO_RETURN);
		teardown(&f);
	}
}

TEST(a_record_that_was_tampered_with_is_found_after_it)
{
	struct fixture f;
	char bytes[256];
	ssize_t n;

	setup(&f, TLS1_3_VERSION, false);
	slim(&f.pairs[0]);
	slim(&f.pairs[1]);
	/* what one client says, in another's connection */
	CHECK_INT(SSL_write(f.pairs[0].client, "x", 1), 1);
	n = recv(f.pairs[0].fds[0], bytes, sizeof(bytes), 0);
	CHECK(n > 0 && send(f.pairs[1].fds[1], bytes, (size_t)n, 0) == n);
	tls_slim_use(f.pairs[1].fds[0]);
	CHECK_INT(SSL_read(f.pairs[1].server, bytes, 1), -1);
	CHECK_INT(SSL_get_error(f.pairs[1].server, -1), SSL_ERROR_SSL);
	ERR_clear_error();
	talk(&f.pairs[2], 'x');
	teardown(&f);
}
