#include <fcntl.h>
#include <openssl/x509.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/tls/handshake_pool.h"

static SSL_CTX *server_context(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *cert = X509_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	CHECK(key && cert && ctx);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
	CHECK_INT(SSL_CTX_use_certificate(ctx, cert), 1);
	CHECK_INT(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* Both ends of one connection; the server's steps are done by the pool. */
struct pair {
	struct loop *loop;
	struct handshake_job *job;
	SSL *server, *client;
	int fds[2];
	int steps, last_error;
	bool stop_on_step;
};

static void on_done(void *context)
{
	struct pair *p = context;
	int saved;

	p->steps++;
	p->last_error = handshake_job_result(p->job, &saved);
	if (p->last_error == SSL_ERROR_WANT_READ && !p->stop_on_step) {
		SSL_do_handshake(p->client);
		CHECK(handshake_job_give(p->job));
		return;
	}
	loop_stop(p->loop);
}

static void pair_open(struct pair *p, SSL_CTX *server, SSL_CTX *client)
{
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
	p->server = SSL_new(server);
	p->client = SSL_new(client);
	SSL_set_fd(p->server, p->fds[0]);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	p->job = handshake_job_create(p->server, p->loop, on_done, p);
	CHECK(p->job != NULL);
	SSL_do_handshake(p->client);
}

static void pair_close(struct pair *p)
{
	handshake_job_destroy(p->job);
	SSL_free(p->server);
	SSL_free(p->client);
	close(p->fds[0]);
	close(p->fds[1]);
}

TEST(a_handshake_comes_to_its_end_step_by_step)
{
	SSL_CTX *server = server_context(), *client = SSL_CTX_new(TLS_client_method());
	struct pair p = { .loop = loop_create() };

	pair_open(&p, server, client);
	CHECK(handshake_job_give(p.job));
	loop_run(p.loop);
	CHECK_INT(p.last_error, SSL_ERROR_NONE);
	CHECK(p.steps >= 2);
	CHECK(SSL_is_init_finished(p.server));
	pair_close(&p);
	loop_destroy(p.loop);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

TEST(what_went_wrong_in_another_thread_is_told)
{
	SSL_CTX *server = server_context(), *client = SSL_CTX_new(TLS_client_method());
	struct pair p = { .loop = loop_create() };

	pair_open(&p, server, client);
	while (read(p.fds[0], &(char[4096]){ 0 }, 4096) > 0)
		;
	CHECK_INT(write(p.fds[1], "GET / HTTP/1.1\r\n", 16), 16);
	CHECK(handshake_job_give(p.job));
	loop_run(p.loop);
	CHECK_INT(p.last_error, SSL_ERROR_SSL);
	CHECK_INT(p.steps, 1);
	pair_close(&p);
	loop_destroy(p.loop);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

/* Queued, being done, or done and not told: whichever it is, memory is whole and nobody is told. */
TEST(what_is_cancelled_at_any_time_is_not_heard_of_again)
{
	enum { PAIRS = 32, ROUNDS = 6 };
	SSL_CTX *server = server_context(), *client = SSL_CTX_new(TLS_client_method());

	for (int round = 0; round < ROUNDS; round++) {
		struct loop *loop = loop_create();
		struct pair pairs[PAIRS] = { 0 };

		for (int i = 0; i < PAIRS; i++) {
			pairs[i].loop = loop;
			pair_open(&pairs[i], server, client);
		}
		for (int i = 0; i < PAIRS; i++)
			CHECK(handshake_job_give(pairs[i].job));
		for (int i = 0; i < round * 3000; i++) /* any moment is as good */
			sched_yield();
		for (int i = 0; i < PAIRS; i++)
			pair_close(&pairs[i]);
		loop_destroy(loop); /* runs what was posted */
		for (int i = 0; i < PAIRS; i++)
			CHECK_INT(pairs[i].steps, 0);
	}
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}
