/* splice_origin PORT: answers what splice_load asks. GET /N: N bytes; POST: reads the body and
 * answers with two bytes; a connection whose first byte is E: gets back all that it sends. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES_MAX = 300000, EVENTS = 256, CHUNK = 1 << 18, HEAD_MAX = 2048, BACKLOG = 65535 };
enum { TURN = 8 /* chunks; then others get theirs */ };
enum mode { NEW, ECHO, HTTP };

struct client {
	enum mode mode;
	unsigned head_len;
	unsigned long long to_send, to_read; /* of bodies */
	char *head;                          /* what has come of one, while it is not whole */
};

static struct client clients[FILES_MAX];
static char chunk[CHUNK];
static int events;

static void drop(int fd)
{
	free(clients[fd].head);
	memset(&clients[fd], 0, sizeof(clients[fd]));
	close(fd);
}

/* A few bytes, which always fit: the client waits for them. */
static void put(int fd, const char *text, size_t n)
{
	if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		shutdown(fd, SHUT_RDWR);
}

static void want(int fd, unsigned what)
{
	struct epoll_event e = { .events = what, .data.fd = fd };

	epoll_ctl(events, EPOLL_CTL_MOD, fd, &e);
}

static void send_more(int fd)
{
	struct client *c = &clients[fd];

	for (int i = 0; c->to_send > 0 && i < TURN; i++) {
		size_t n = c->to_send < CHUNK ? c->to_send : CHUNK;
		ssize_t sent = send(fd, chunk, n, MSG_NOSIGNAL);

		if (sent < 0) {
			if (errno != EAGAIN)
				drop(fd);
			else
				want(fd, EPOLLOUT);
			return;
		}
		c->to_send -= (unsigned long long)sent;
	}
	want(fd, c->to_send ? EPOLLOUT : EPOLLIN);
}

static void end_body(int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

	put(fd, ok, sizeof(ok) - 1);
}

static void take_head(int fd)
{
	struct client *c = &clients[fd];
	char *end, *length, answer[128];

	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (c->head_len == HEAD_MAX)
			shutdown(fd, SHUT_RDWR);
		return;
	}
	if (strncmp(c->head, "GET /", 5) == 0) {
		c->to_send = strtoull(c->head + 5, NULL, 10);
		put(fd, answer,
		    (size_t)snprintf(answer, sizeof(answer),
				     "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
				     c->to_send));
		c->head_len = 0;
		send_more(fd);
		return;
	}
	length = strcasestr(c->head, "content-length:");
	c->to_read = length ? strtoull(length + 15, NULL, 10) : 0;
	c->to_read -= (unsigned long long)(c->head + c->head_len - (end + 4));
	c->head_len = 0;
	if (c->to_read == 0)
		end_body(fd);
}

static void on_bytes(int fd, const char *at, size_t n)
{
	struct client *c = &clients[fd];

	if (c->mode == NEW)
		c->mode = *at == 'E' ? ECHO : HTTP;
	if (c->mode == ECHO) {
		put(fd, at, n);
	} else if (c->to_read > 0) {
		c->to_read -= n;
		if (c->to_read == 0)
			end_body(fd);
	} else {
		if (!c->head)
			c->head = malloc(HEAD_MAX + 1);
		if (n > HEAD_MAX - c->head_len)
			n = HEAD_MAX - c->head_len;
		memcpy(c->head + c->head_len, at, n);
		c->head_len += (unsigned)n;
		take_head(fd);
	}
}

static void on_readable(int fd)
{
	static char bytes[CHUNK];
	const struct client *c = &clients[fd];
	size_t room = c->to_read == 0 ? HEAD_MAX : c->to_read < CHUNK ? c->to_read : CHUNK;
	ssize_t n = recv(fd, bytes, room, 0);

	if (n > 0)
		on_bytes(fd, bytes, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		drop(fd);
}

static void on_clients(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

		if (fd >= FILES_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		epoll_ctl(events, EPOLL_CTL_ADD, fd, &e);
	}
}

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)); /* held has several */
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0) {
		perror("splice_origin");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct epoll_event ready[EVENTS];
	int listener;

	if (argc != 2)
		return 2;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	events = epoll_create1(0);
	listener = listen_on(atoi(argv[1]));
	ready[0] = (struct epoll_event){ .events = EPOLLIN, .data.fd = listener };
	epoll_ctl(events, EPOLL_CTL_ADD, listener, &ready[0]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(events, ready, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == listener)
				on_clients(listener);
			else if (ready[i].events & EPOLLOUT)
				send_more(ready[i].data.fd);
			else
				on_readable(ready[i].data.fd);
		}
	}
}
