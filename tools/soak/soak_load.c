/*
 * soak_load - the clients of a soak: asks for every number from FIRST on, once, and judges each
 * byte of the answer.
 *
 *   soak_load FATES FIRST END THREADS PORT TLS_PORT CA
 *
 * Every third client speaks TLS and believes only CA; sessions are resumed every other time. A
 * connection serves a number of requests that chance gives it, often one. What fails is told on
 * stdout: NUMBER BEGAN_NS ENDED_NS STATUS HOW. Nothing is asked twice: a proxy that closes a kept
 * connection without having said so fails a request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/soak/soak.h"

enum { PATIENCE_S = 30, THREADS_MAX = 256 };

static struct soak_fate *fates;
static _Atomic uint64_t next;
static uint64_t end;
static uint16_t ports[2];
static SSL_CTX *tls;

struct client {
	struct soak_peer peer; /* fd is -1 where there is no connection */
	unsigned number;
	uint32_t turns; /* requests that this connection may still serve */
	SSL_SESSION *session;
	char body[SOAK_BODY_MAX + 8], got[SOAK_BODY_MAX + 8];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- connections --------------------------------------------------------------------------- */

static long socket_get(struct soak_peer *peer, void *at, size_t len)
{
	return recv(peer->fd, at, len, 0);
}

static long socket_put(struct soak_peer *peer, const void *at, size_t len)
{
	return send(peer->fd, at, len, MSG_NOSIGNAL);
}

static long tls_get(struct soak_peer *peer, void *at, size_t len)
{
	return SSL_read(peer->tls, at, (int)len);
}

static long tls_put(struct soak_peer *peer, const void *at, size_t len)
{
	return SSL_write(peer->tls, at, (int)len);
}

static void leave(struct client *c)
{
	if (c->peer.tls) {
		SSL_SESSION_free(c->session);
		c->session = SSL_get1_session(c->peer.tls);
		SSL_shutdown(c->peer.tls);
		SSL_free(c->peer.tls);
	}
	if (c->peer.fd >= 0)
		close(c->peer.fd);
	c->peer.tls = NULL;
	c->peer.fd = -1;
	c->peer.first = c->peer.end = 0;
}

static bool shake_hands(struct client *c, uint64_t n, const char **why)
{
	SSL *ssl = SSL_new(tls);

	c->peer.tls = ssl;
	c->peer.get = tls_get;
	c->peer.put = tls_put;
	SSL_set_fd(ssl, c->peer.fd);
	SSL_set1_host(ssl, "soak.example.com");
	SSL_set_tlsext_host_name(ssl, "soak.example.com");
	if (n % 2 && c->session && SSL_SESSION_is_resumable(c->session))
		SSL_set_session(ssl, c->session);
	*why = "no handshake";
	if (SSL_connect(ssl) == 1)
		return true;
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		*why = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
	return false;
}

static bool enter(struct client *c, uint64_t n, const char **why)
{
	bool secure = c->number % 3 == 0;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(ports[secure]),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int on = 1;

	c->peer.get = socket_get;
	c->peer.put = socket_put;
	c->peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->turns = soak_mix(n ^ c->number) % 3 ? 1 + (uint32_t)(soak_mix(n) % 200) : 1;
	setsockopt(c->peer.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c->peer.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(c->peer.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*why = "no connection";
	if (connect(c->peer.fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return false;
	return !secure || shake_hands(c, n, why);
}

/* --- a request ----------------------------------------------------------------------------- */

static bool put_request(struct client *c, uint64_t n)
{
	enum soak_kind kind = soak_kind(n);
	bool up = soak_is_post(n), chunked = kind == SOAK_POST_CHUNKED;
	const char *method = up ? "POST" : kind == SOAK_HEAD ? "HEAD" : "GET";
	char head[512], framing[64] = "";
	int len;

	if (chunked)
		strcpy(framing, "Transfer-Encoding: chunked\r\n");
	else if (up)
		snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", soak_len(n));
	len = snprintf(head, sizeof(head),
		       "%s /k%lu/%lu HTTP/1.1\r\nHost: soak.example.com\r\nX-Soak: %lu\r\n"
		       "User-Agent: soak\r\nAccept: */*\r\n%s%s\r\n",
		       method, n % 4, n, n, framing, c->turns == 1 ? "Connection: close\r\n" : "");
	if (!soak_put(&c->peer, head, (size_t)len))
		return false;
	if (chunked)
		return soak_put_chunked(&c->peer, n, c->body, soak_len(n));
	return !up || soak_put(&c->peer, c->body, soak_len(n));
}

static bool is_right(struct client *c, uint64_t n, const struct soak_head *head, size_t len)
{
	char want[64];

	if (head->number != n)
		return false;
	if (soak_kind(n) == SOAK_HEAD)
		return len == 0 && (uint64_t)head->length == soak_len(n);
	if (!soak_is_post(n))
		return len == soak_len(n) && memcmp(c->got, c->body, len) == 0;
	snprintf(want, sizeof(want), "%zu %016lx\n", soak_len(n), soak_sum(c->body, soak_len(n)));
	return len == strlen(want) && memcmp(c->got, want, len) == 0;
}

/* The answer, whole and right; *out_status is 0 where there was no head. */
static bool take_answer(struct client *c, uint64_t n, int *out_status, const char **why)
{
	struct soak_head head;
	size_t len = 0;

	if (!soak_read_head(&c->peer, &head, why))
		return false;
	*out_status = atoi(head.line + 9);
	*why = "it was refused";
	if (*out_status != 200)
		return false;
	if (soak_kind(n) != SOAK_HEAD &&
	    !soak_read_body(&c->peer, &head, c->got, SOAK_BODY_MAX, &len, why))
		return false;
	*why = "it is not the answer";
	if (!is_right(c, n, &head, len) || c->peer.first != c->peer.end)
		return false;
	if (--c->turns == 0 || head.close)
		leave(c);
	return true;
}

static bool ask(struct client *c, uint64_t n, int *out_status, const char **why)
{
	soak_fill(n, c->body);
	*out_status = 0;
	if (c->peer.fd < 0 && !enter(c, n, why))
		return false;
	/* An early answer may have come although not all was taken. */
	if (!put_request(c, n) && !take_answer(c, n, out_status, why))
		return false;
	return *out_status || take_answer(c, n, out_status, why);
}

static void *run(void *context)
{
	struct client *c = context;
	uint64_t n;

	while ((n = atomic_fetch_add(&next, 1)) < end) {
		uint64_t began = now_ns();
		const char *why = "";
		int status;

		fates[n].posted = soak_is_post(n);
		if (ask(c, n, &status, &why)) {
			atomic_store(&fates[n].done, 1);
			continue;
		}
		atomic_store(&fates[n].done, 2);
		printf("%lu %lu %lu %d %s, as client %u\n", n, began, now_ns(), status, why,
		       c->number);
		leave(c);
	}
	leave(c);
	SSL_SESSION_free(c->session);
	free(c);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	uint64_t count;
	unsigned clients = argc == 8 ? (unsigned)atoi(argv[4]) : 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	tls = SSL_CTX_new(TLS_client_method());
	if (clients == 0 || clients > THREADS_MAX || !(fates = soak_map(argv[1], &count)) ||
	    SSL_CTX_load_verify_locations(tls, argv[7], NULL) != 1) {
		fprintf(stderr, "soak_load: it cannot begin: %s\n", strerror(errno));
		return 1;
	}
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	next = strtoull(argv[2], NULL, 10);
	end = strtoull(argv[3], NULL, 10);
	ports[0] = (uint16_t)atoi(argv[5]);
	ports[1] = (uint16_t)atoi(argv[6]);
	if (end > count)
		return 1;
	for (unsigned i = 0; i < clients; i++) {
		struct client *c = calloc(1, sizeof(*c));

		c->peer.fd = -1;
		c->number = i;
		pthread_create(&threads[i], NULL, run, c);
	}
	for (unsigned i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	SSL_CTX_free(tls);
	return 0;
}
