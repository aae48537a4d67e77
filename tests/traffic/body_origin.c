/*
 * body_origin - an HTTP endpoint for body_client: a thread a connection.
 *
 *   body_origin PORT
 *
 * GET /pattern/SEED/N answers N bytes; POST /pattern/SEED/N says "N" of what came, or where it
 * differed from what SEED says. GET /hunt/QUEUE/WITHIN closes the connection, unless its numbers of
 * that queue (0 those that we expect, 1 those that we send) are so near before 2^32: "near". POST
 * /pause/SEED/N reads nothing for a second first: the window goes down to zero.
 */
#include "tests/traffic/body.h"

#include <pthread.h>
#include <signal.h>

enum { STACK = 256 << 10, BACKLOG = 4096, PAUSE_US = 1000000 };

struct asked {
	char method[8], what[16];
	uint64_t seed, n;
};

static bool take_head(struct stream *s, struct asked *out)
{
	char line[LINE];

	memset(out, 0, sizeof(*out));
	if (!stream_line(s, line) || sscanf(line, "%7s /%15[a-z]/%lu/%lu ", out->method, out->what,
					    &out->seed, &out->n) != 4)
		return false;
	while (stream_line(s, line))
		if (!line[0])
			return true;
	return false;
}

static bool answer_text(int fd, const char *more, const char *text)
{
	char head[256];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s",
			 strlen(text), more, text);

	return send_all(fd, head, (size_t)n);
}

static bool answer_hunt(int fd, const struct asked *a)
{
	int queue = a->seed ? TCP_SEND_QUEUE : TCP_RECV_QUEUE;

	if (body_near_wrap(body_seq(fd, queue), (uint32_t)a->n))
		return answer_text(fd, "", "near");
	answer_text(fd, "Connection: close\r\n", "far");
	return false;
}

static bool answer(struct stream *s, const struct asked *a)
{
	char head[128], text[64];
	int n;

	if (strcmp(a->what, "hunt") == 0)
		return answer_hunt(s->fd, a);
	if (strcmp(a->method, "POST") == 0) {
		if (strcmp(a->what, "pause") == 0)
			usleep(PAUSE_US);
		snprintf(text, sizeof(text), "%lu", stream_body(s, a->seed, a->n));
		return answer_text(s->fd, "", text);
	}
	n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n", a->n);
	return send_all(s->fd, head, (size_t)n) && send_body(s->fd, a->seed, a->n);
}

static void *serve(void *context)
{
	struct stream *s = context;
	struct asked asked;

	while (take_head(s, &asked) && answer(s, &asked))
		;
	close(s->fd);
	free(s);
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, BACKLOG)) {
		perror("body_origin");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	int listener = listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	pthread_attr_t attr;
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		struct stream *s;
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		s = calloc(1, sizeof(*s));
		if (!s || pthread_create(&thread, &attr, serve, (s->fd = fd, s))) {
			close(fd);
			free(s);
		}
	}
}
