/*
 * tls_load - TLS 1.3 against one port of loopback: handshakes, or GETs over connections that stay.
 *
 *   tls_load full|resume|get PORT CONNECTIONS SECONDS
 *
 * `full` and `resume` make a connection, a handshake, and end both sides in order; what counts are
 * those that the server has ended too, so that it has done all of its part. `get` asks "/" again as
 * soon as it is answered. Each connection is a thread of its own: clients may cost what they like,
 * as long as they have cores of their own. Everybody is offered the same cipher suite and the same
 * group, no others. A handshake that is resumed where it should be full, or the other way round, an
 * older version, and anything but a 200 with its whole body is an error. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 8192, STACK_BYTES = 256 * 1024 };

static const char suite[] = "TLS_AES_128_GCM_SHA256", group[] = "X25519";
static const char request[] = "GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n";

static struct {
	struct sockaddr_in to;
	SSL_CTX *ctx;
	SSL_SESSION *session; /* what is resumed; NULL: nothing is */
	uint64_t end_ns;
} load;

struct client {
	pthread_t thread;
	uint64_t answers, bytes;
};

static void fail(const char *what)
{
	fprintf(stderr, "tls_load: %s: %s\n", what, errno ? strerror(errno) : "");
	ERR_print_errors_fp(stderr);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The first ticket that came. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	if (load.session)
		return 0;
	load.session = session;
	return 1;
}

/* OpenSSL forgets a ticket of TLS 1.3 that has been used: each connection has a copy. */
static bool client_resumes(SSL *ssl)
{
	SSL_SESSION *copy = SSL_SESSION_dup(load.session);
	bool ok = copy && SSL_set_session(ssl, copy) == 1;

	SSL_SESSION_free(copy);
	return ok;
}

static SSL *client_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	SSL *ssl = SSL_new(load.ctx);

	errno = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd < 0 || connect(fd, (struct sockaddr *)&load.to, sizeof(load.to)) < 0)
		fail("connecting");
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || (load.session && !client_resumes(ssl)))
		fail("a connection's state");
	if (SSL_connect(ssl) != 1)
		fail("a handshake");
	if (SSL_version(ssl) != TLS1_3_VERSION || SSL_session_reused(ssl) != !!load.session)
		fail(load.session ? "not resumed" : "resumed, or not TLS 1.3");
	return ssl;
}

/* Says the end and waits for the server's: then it has had our Finished. */
static void client_end(SSL *ssl)
{
	char rest[4096];
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	while (recv(fd, rest, sizeof(rest), 0) > 0) /* tickets, and its close_notify */
		;
	close(fd);
	SSL_free(ssl);
}

/* One answer; its length. */
static size_t client_ask(SSL *ssl)
{
	char answer[ANSWER_MAX + 1], *end = NULL, *length;
	size_t have = 0, whole = SIZE_MAX;

	if (SSL_write(ssl, request, sizeof(request) - 1) != sizeof(request) - 1)
		fail("sending a request");
	while (have < whole) {
		int n = SSL_read(ssl, answer + have, (int)(ANSWER_MAX - have));

		if (n <= 0)
			fail("a connection ended before its answer");
		have += (size_t)n;
		answer[have] = 0;
		if (end || !(end = strstr(answer, "\r\n\r\n")))
			continue;
		length = strcasestr(answer, "\r\ncontent-length:");
		if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || !length || length > end)
			fail("an answer without 200 or without Content-Length");
		whole = (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10);
	}
	if (have > whole)
		fail("more bytes than the answer has");
	return have;
}

static void *run_handshakes(void *context)
{
	struct client *c = context;

	while (now_ns() < load.end_ns) {
		client_end(client_connect());
		if (now_ns() < load.end_ns)
			c->answers++;
	}
	return NULL;
}

static void *run_gets(void *context)
{
	struct client *c = context;
	SSL *ssl = client_connect();

	while (now_ns() < load.end_ns) {
		c->bytes += client_ask(ssl);
		c->answers++;
	}
	client_end(ssl);
	return NULL;
}

static void prepare(const char *port, bool resume)
{
	load.to = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_port = htons((uint16_t)atoi(port)),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	load.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(load.ctx, TLS1_3_VERSION);
	if (SSL_CTX_set_ciphersuites(load.ctx, suite) != 1 ||
	    SSL_CTX_set1_groups_list(load.ctx, group) != 1)
		fail("the suite or the group");
	SSL_CTX_set_options(load.ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(load.ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (resume) {
		SSL *ssl;

		SSL_CTX_sess_set_new_cb(load.ctx, on_session);
		ssl = client_connect();
		client_ask(ssl); /* the ticket comes before the answer */
		client_end(ssl);
		if (!load.session)
			fail("no ticket came");
	}
}

int main(int argc, char **argv)
{
	bool get = argc == 5 && strcmp(argv[1], "get") == 0;
	bool resume = argc == 5 && strcmp(argv[1], "resume") == 0;
	uint32_t count = argc == 5 ? (uint32_t)atoi(argv[3]) : 0;
	uint64_t answers = 0, bytes = 0;
	struct client *clients;
	pthread_attr_t small;

	if (count == 0 || count > CONNECTIONS_MAX || !(get || resume || !strcmp(argv[1], "full"))) {
		fprintf(stderr, "usage: tls_load full|resume|get PORT CONNECTIONS SECONDS\n");
		return 2;
	}
	prepare(argv[2], resume);
	clients = calloc(count, sizeof(*clients));
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	load.end_ns = now_ns() + (uint64_t)(atof(argv[4]) * 1e9);
	for (uint32_t i = 0; i < count; i++)
		if (pthread_create(&clients[i].thread, &small, get ? run_gets : run_handshakes,
				   &clients[i]) != 0)
			fail("a thread");
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
		answers += clients[i].answers;
		bytes += clients[i].bytes;
	}
	printf("{\"answers\": %lu, \"bytes\": %lu}\n", answers, bytes);
	return 0;
}
