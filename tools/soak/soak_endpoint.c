/*
 * soak_endpoint - an endpoint of a soak: judges what it is sent, answers as the request's number
 * says, and notes both where it survives being killed.
 *
 *   soak_endpoint PORT FATES
 *
 * A thread a connection, since proxies keep few. A request that is not as it must be is told on
 * stdout, one line each, and answered with 500.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/soak/soak.h"

static struct soak_fate *fates;
static uint64_t fate_count;

static long socket_get(struct soak_peer *peer, void *at, size_t len)
{
	return recv(peer->fd, at, len, 0);
}

static long socket_put(struct soak_peer *peer, const void *at, size_t len)
{
	return send(peer->fd, at, len, MSG_NOSIGNAL);
}

/* The number in "GET /k2/123 HTTP/1.1", where the method is the one that it asks for. */
static bool take_number(const char *line, uint64_t *out_n)
{
	static const char *const methods[] = {
		[SOAK_GET] = "GET",         [SOAK_GET_MORE] = "GET", [SOAK_GET_CHUNKED] = "GET",
		[SOAK_HEAD] = "HEAD",       [SOAK_POST] = "POST",    [SOAK_POST_CHUNKED] = "POST",
		[SOAK_POST_LARGE] = "POST",
	};
	char method[8], rest[32];

	return sscanf(line, "%7s /k%*[0-9]/%lu %31s", method, out_n, rest) == 3 &&
	       *out_n < fate_count && strcmp(methods[soak_kind(*out_n)], method) == 0 &&
	       strcmp(rest, "HTTP/1.1") == 0;
}

/* What the number's answer is: a body of its own, or what came up in few words. */
static size_t answer_body(uint64_t n, const char *up, size_t up_len, char *out)
{
	if (soak_is_post(n))
		return (size_t)sprintf(out, "%zu %016lx\n", up_len, soak_sum(up, up_len));
	soak_fill(n, out);
	return soak_len(n);
}

static bool answer(struct soak_peer *peer, uint64_t n, const char *up, size_t up_len, char *out)
{
	char head[256];
	size_t len = answer_body(n, up, up_len, out);
	bool chunked = soak_kind(n) == SOAK_GET_CHUNKED;
	int head_len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nX-Soak: %lu\r\n", n);

	if (chunked)
		head_len += snprintf(head + head_len, sizeof(head) - (size_t)head_len,
				     "Transfer-Encoding: chunked\r\n\r\n");
	else
		head_len += snprintf(head + head_len, sizeof(head) - (size_t)head_len,
				     "Content-Length: %zu\r\n\r\n", len);
	if (!soak_put(peer, head, (size_t)head_len))
		return false;
	if (chunked)
		return soak_put_chunked(peer, n, out, len);
	return soak_kind(n) == SOAK_HEAD || soak_put(peer, out, len);
}

static bool refuse(struct soak_peer *peer, const char *what, const char *why)
{
	static const char reply[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n"
				    "Connection: close\r\n\r\n";

	printf("%s: %s\n", what, why);
	fflush(stdout);
	soak_put(peer, reply, sizeof(reply) - 1);
	return false;
}

/* One exchange; bytes: room for a body and for what it should be. */
static bool serve(struct soak_peer *peer, char *bytes[2])
{
	struct soak_head head;
	const char *why;
	uint64_t n;
	size_t len;

	if (!soak_read_head(peer, &head, &why))
		return false;
	if (!take_number(head.line, &n) || n != head.number)
		return refuse(peer, head.line, "it is no request of this soak");
	atomic_fetch_add(&fates[n].seen, 1);
	/* Cut short is what the client was, or shuntd: the client knows. */
	if (!soak_read_body(peer, &head, bytes[0], SOAK_BODY_MAX, &len, &why))
		return false;
	soak_fill(n, bytes[1]);
	if (len != (soak_is_post(n) ? soak_len(n) : 0) || memcmp(bytes[0], bytes[1], len) != 0)
		return refuse(peer, head.line, "its body is another one");
	if (!answer(peer, n, bytes[0], len, bytes[1]))
		return false;
	atomic_fetch_add(&fates[n].answered, 1);
	return true;
}

static void *serve_all(void *context)
{
	struct soak_peer *peer = context;
	char *bytes[2] = { malloc(SOAK_BODY_MAX + 8), malloc(SOAK_BODY_MAX + 8) };

	while (bytes[0] && bytes[1] && serve(peer, bytes))
		;
	close(peer->fd);
	free(bytes[0]);
	free(bytes[1]);
	free(peer);
	return NULL;
}

static int listen_on(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? listen_on(argv[1]) : -1, on = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || !(fates = soak_map(argv[2], &fate_count))) {
		fprintf(stderr, "soak_endpoint: %s\n", strerror(errno));
		return 1;
	}
	for (;;) {
		struct soak_peer *peer = calloc(1, sizeof(*peer));
		pthread_t thread;

		if (!peer)
			return 1;
		*peer = (struct soak_peer){ .get = socket_get, .put = socket_put };
		peer->fd = accept(fd, NULL, NULL);
		if (peer->fd < 0)
			return 1;
		setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&thread, NULL, serve_all, peer) != 0)
			return 1;
		pthread_detach(thread);
	}
}
