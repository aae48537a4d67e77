/*
 * null_relay - copies bytes between pairs of connections and understands none of them.
 *
 * The least that a proxy in userspace can cost: `null_relay PORT ORIGIN_PORT` accepts on loopback
 * and connects once per client to the origin; one thread, one edge-triggered epoll, so that a small
 * request costs its two reads, its two writes and a share of epoll_wait. The bench holds every
 * proxy against it. No limits and no deadlines: it is a yardstick, not a server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BACKLOG = 4096, COPY_BYTES = 65536 };

/* One connection of a pair. What its peer did not take at once waits in `spill`. */
struct end {
	int fd;
	struct end *peer;
	char *spill; /* to be written to fd; NULL while nothing waits */
	size_t spill_at, spill_len;
	bool readable, eof;
};

struct pair {
	struct end client, origin;
	struct pair *next_dead;
	bool dead;
};

static char scratch[COPY_BYTES]; /* every copy goes through it, so it stays in the cache */
static struct pair *dead_pairs;  /* freed after the events of one epoll_wait, which may name them */

static void fail(const char *what)
{
	fprintf(stderr, "null_relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

/* Both ends lie in one pair; the client's is the first. */
static void pair_bury(struct pair *pair)
{
	if (pair->dead)
		return;
	pair->dead = true;
	close(pair->client.fd);
	close(pair->origin.fd);
	pair->next_dead = dead_pairs;
	dead_pairs = pair;
}

static void dead_free(void)
{
	while (dead_pairs) {
		struct pair *pair = dead_pairs;

		dead_pairs = pair->next_dead;
		free(pair->client.spill);
		free(pair->origin.spill);
		free(pair);
	}
}

/* Writes what waits; true where nothing waits any more. */
static bool spill_write(struct end *to)
{
	ssize_t n;

	if (!to->spill)
		return true;
	n = send(to->fd, to->spill + to->spill_at, to->spill_len - to->spill_at, MSG_NOSIGNAL);
	if (n > 0)
		to->spill_at += (size_t)n;
	if (to->spill_at < to->spill_len)
		return false;
	free(to->spill);
	to->spill = NULL;
	return true;
}

static void spill_keep(struct end *to, const char *bytes, size_t len)
{
	to->spill = malloc(len);
	if (!to->spill)
		fail("memory");
	memcpy(to->spill, bytes, len);
	to->spill_at = 0;
	to->spill_len = len;
}

/* False: the pair is broken. A connection that is still being made says EAGAIN to both calls. */
static bool copy(struct end *from, struct end *to)
{
	while (from->readable && !to->spill) {
		ssize_t got = recv(from->fd, scratch, sizeof(scratch), 0), put;

		if (got < 0) {
			from->readable = false;
			return errno == EAGAIN;
		}
		if (got == 0) {
			from->readable = false;
			from->eof = true;
			shutdown(to->fd, SHUT_WR);
			return true;
		}
		/* A short read emptied the socket; a later byte makes a new edge. */
		if ((size_t)got < sizeof(scratch))
			from->readable = false;
		put = send(to->fd, scratch, (size_t)got, MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			return false;
		put = put < 0 ? 0 : put;
		if (put < got)
			spill_keep(to, scratch + put, (size_t)(got - put));
	}
	return true;
}

/* Whatever can go on in either direction does. False: the pair is to end. */
static bool pair_run(struct pair *pair)
{
	struct end *client = &pair->client, *origin = &pair->origin;

	if (spill_write(origin) && !copy(client, origin))
		return false;
	if (spill_write(client) && !copy(origin, client))
		return false;
	return !(client->eof && origin->eof && !client->spill && !origin->spill);
}

static void end_watch(int epoll, struct end *end, int fd, struct end *peer)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = end };
	int on = 1;

	end->fd = fd;
	end->peer = peer;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want) < 0)
		fail("epoll_ctl");
}

static void pair_begin(int epoll, int client, const struct sockaddr_in *to)
{
	int origin = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pair *pair = calloc(1, sizeof(*pair));

	if (origin < 0 || !pair)
		fail("a pair");
	if (connect(origin, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		fail("connecting to the origin");
	end_watch(epoll, &pair->client, client, &pair->origin);
	end_watch(epoll, &pair->origin, origin, &pair->client);
}

static void accept_all(int epoll, int listener, const struct sockaddr_in *to)
{
	int client;

	while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		pair_begin(epoll, client, to);
	if (errno != EAGAIN && errno != ECONNABORTED)
		fail("accept");
}

static int listen_on(unsigned port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in at = loopback(port);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
		fail("listening");
	return fd;
}

/* An event means only "try again": which direction can go on, the calls themselves say. */
static void on_event(const struct epoll_event *event)
{
	struct end *end = event->data.ptr;
	/* The client's end is the one that lies before its peer. */
	struct pair *pair = (struct pair *)(end < end->peer ? end : end->peer);

	if (pair->dead)
		return;
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = !end->eof;
	if (!pair_run(pair))
		pair_bury(pair);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX], accepts = { .events = EPOLLIN | EPOLLET };
	int listener, epoll = epoll_create1(0);
	struct sockaddr_in to;

	if (argc != 3) {
		fprintf(stderr, "usage: null_relay PORT ORIGIN_PORT\n");
		return 2;
	}
	to = loopback((unsigned)atoi(argv[2]));
	listener = listen_on((unsigned)atoi(argv[1]));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepts) < 0)
		fail("epoll_ctl");
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

		if (count < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				on_event(&events[i]);
			else
				accept_all(epoll, listener, &to);
		}
		dead_free();
	}
}
