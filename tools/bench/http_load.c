/*
 * http_load - GETs one URL over many connections of loopback, and says how long answers took.
 *
 *   http_load PORT PATH CONNECTIONS SECONDS [RATE [close]]
 *
 * PATH routes:N:H asks at random for one of N: /api/v2/items-000123 of host-0023.example.com, whose
 * number is that modulo H.
 *
 * With RATE 0 each connection asks again as soon as it is answered. Otherwise RATE requests a
 * second fall due whatever the proxy does, and an answer's time counts from when its request was
 * due, not from when a connection was free for it: a stall is felt by all who would have asked
 * meanwhile. With `close` each request has a connection of its own. Bodies are thrown away in the
 * kernel. Anything but a 200 with its whole body is an error, and ends it. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 256,
	HEAD_MAX = 8192,
	CONNECTIONS_MAX = 16384,
	BODY_STEP = 1 << 20,
	FINE_BITS = 6, /* buckets of a power of two: times are kept within 1.6 % */
	BUCKETS = (64 - FINE_BITS) << FINE_BITS,
};

struct client {
	int fd; /* -1: none yet */
	bool busy;
	uint64_t due_ns;
	uint64_t body_left;
	bool in_body;
	uint32_t head_len;
	char head[HEAD_MAX];
};

static struct load {
	struct sockaddr_in to;
	bool close;
	double rate;
	uint64_t begin_ns, end_ns, due; /* due: requests that were begun */
	struct client **idle;           /* a ring of `count`: all connections take their turns */
	uint32_t idle_first, idle_count, count;
	uint64_t answers, bytes;
	uint64_t times, worst_ns; /* of answers, and of those that were owed at the end */
	uint64_t buckets[BUCKETS];
	char request[1024];
	size_t request_len;
	uint32_t routes, hosts; /* 0: always the same request */
	uint64_t random;
	int epoll;
} load;

static void fail(const char *what)
{
	fprintf(stderr, "http_load: %s%s%s\n", what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- times ------------------------------------------------------------------------------ */

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t top = 63u - (uint32_t)__builtin_clzll(ns | 1);

	if (top < FINE_BITS)
		return (uint32_t)ns;
	return ((top - FINE_BITS + 1) << FINE_BITS) +
	       (uint32_t)((ns >> (top - FINE_BITS)) & ((1u << FINE_BITS) - 1));
}

/* The least time that falls into a bucket. */
static uint64_t bucket_ns(uint32_t bucket)
{
	uint32_t power = bucket >> FINE_BITS;
	uint64_t fine = bucket & ((1u << FINE_BITS) - 1);

	return power ? (fine | (1u << FINE_BITS)) << (power - 1) : fine;
}

static double quantile_us(double share)
{
	uint64_t want = (uint64_t)(share * (double)load.times), seen = 0;

	for (uint32_t i = 0; i < BUCKETS; i++) {
		seen += load.buckets[i];
		if (seen > want)
			return (double)bucket_ns(i) / 1000;
	}
	return (double)load.worst_ns / 1000;
}

static void time_count(uint64_t took)
{
	load.times++;
	load.buckets[bucket_of(took)]++;
	if (took > load.worst_ns)
		load.worst_ns = took;
}

/* --- a connection ----------------------------------------------------------------------- */

static void client_connect(struct client *c)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLET, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	/* Blocking: on loopback it takes a handshake in memory, and a full backlog should be seen.
	 */
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&load.to, sizeof(load.to)) < 0)
		fail("connecting");
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &want) < 0)
		fail("epoll_ctl");
}

static void write_request(const char *path, const char *host)
{
	load.request_len = (size_t)snprintf(load.request, sizeof(load.request),
					    "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host,
					    load.close ? "Connection: close\r\n" : "");
}

static void write_any(void)
{
	char path[64], host[64];
	uint32_t i;

	load.random = load.random * 6364136223846793005u + 1442695040888963407u;
	i = (uint32_t)((load.random >> 32) * load.routes >> 32);
	snprintf(path, sizeof(path), "/api/v2/items-%06u", i);
	snprintf(host, sizeof(host), "host-%04u.example.com", i % load.hosts);
	write_request(path, host);
}

static void client_ask(struct client *c, uint64_t due_ns)
{
	if (load.routes > 0)
		write_any();
	c->due_ns = due_ns;
	c->busy = true;
	c->in_body = false;
	c->head_len = 0;
	if (c->fd < 0)
		client_connect(c);
	if (send(c->fd, load.request, load.request_len, MSG_NOSIGNAL) != (ssize_t)load.request_len)
		fail("sending a request");
}

static void idle_give(struct client *c)
{
	load.idle[(load.idle_first + load.idle_count++) % load.count] = c;
}

static struct client *idle_take(void)
{
	struct client *c = load.idle[load.idle_first];

	load.idle_first = (load.idle_first + 1) % load.count;
	load.idle_count--;
	return c;
}

/* The answer is whole. Asks again where the load is closed, else waits for what falls due. */
static void client_done(struct client *c)
{
	load.answers++;
	time_count(now_ns() - c->due_ns);
	c->busy = false;
	if (load.close) {
		close(c->fd);
		c->fd = -1;
	}
	if (load.rate == 0 && now_ns() < load.end_ns)
		client_ask(c, now_ns());
	else
		idle_give(c);
}

/* Returns the length of the head, 0 where it is not whole. Sets what is left of the body. */
static uint32_t head_read(struct client *c)
{
	char *end, *length;

	c->head[c->head_len] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return 0;
	length = strcasestr(c->head, "\r\ncontent-length:");
	errno = 0;
	if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
		fprintf(stderr, "%.*s\n", (int)(end - c->head), c->head);
		fail("an answer without 200 or without Content-Length");
	}
	c->body_left = strtoull(length + strlen("\r\ncontent-length:"), NULL, 10);
	c->in_body = true;
	return (uint32_t)(end + 4 - c->head);
}

/* Heads are copied and looked at, bodies are thrown away in the kernel. False: nothing more now. */
static bool client_read(struct client *c)
{
	ssize_t got;

	if (c->in_body)
		got = recv(c->fd, NULL, c->body_left < BODY_STEP ? c->body_left : BODY_STEP,
			   MSG_TRUNC | MSG_DONTWAIT);
	else
		got = recv(c->fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	errno = got < 0 ? errno : 0;
	if (got <= 0)
		fail("a connection ended before its answer");
	load.bytes += (uint64_t)got;
	if (!c->in_body) {
		uint32_t head;

		c->head_len += (uint32_t)got;
		head = head_read(c);
		if (!c->in_body)
			return c->head_len < HEAD_MAX - 1;
		got = c->head_len - head;
	}
	if ((uint64_t)got > c->body_left)
		fail("more bytes than the answer has");
	c->body_left -= (uint64_t)got;
	return true;
}

static void on_event(struct client *c)
{
	char byte;

	if (!c->busy) { /* an idle connection may only end */
		if (c->fd >= 0 && recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0) {
			errno = 0;
			fail("an idle connection was closed, or said something");
		}
		return;
	}
	while (client_read(c)) {
		if (c->in_body && c->body_left == 0) {
			client_done(c);
			return;
		}
	}
}

/* --- the run ---------------------------------------------------------------------------- */

static uint64_t due_at(uint64_t request)
{
	return load.begin_ns + (uint64_t)((double)request * 1e9 / load.rate);
}

/* Begins what is due as far as connections are free. Returns the ns until the next is due. */
static uint64_t ask_due(void)
{
	uint64_t now = now_ns(), due_ns;

	if (load.rate == 0)
		return load.end_ns > now ? load.end_ns - now : 0;
	for (;;) {
		due_ns = due_at(load.due);
		if (due_ns > now || due_ns >= load.end_ns || load.idle_count == 0)
			break;
		load.due++;
		client_ask(idle_take(), due_ns);
	}
	if (due_ns >= load.end_ns)
		due_ns = load.end_ns;
	/* Without a free connection only an answer helps. */
	return due_ns > now ? due_ns - now : 1000000;
}

static void run(struct client *clients)
{
	struct epoll_event events[EVENTS_MAX];

	for (uint32_t i = 0; i < load.count && load.rate == 0; i++)
		client_ask(&clients[i], now_ns());
	while (now_ns() < load.end_ns) {
		uint64_t wait = ask_due();
		struct timespec limit = { (time_t)(wait / 1000000000u),
					  (long)(wait % 1000000000u) };
		int n = epoll_pwait2(load.epoll, events, EVENTS_MAX, &limit, NULL);

		if (n < 0 && errno != EINTR)
			fail("epoll_pwait2");
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr);
	}
}

/* A proxy that owes answers at the end has been at least that slow. */
static void owed_count(const struct client *clients)
{
	for (uint32_t i = 0; i < load.count; i++)
		if (clients[i].busy && clients[i].due_ns < load.end_ns)
			time_count(load.end_ns - clients[i].due_ns);
	for (; due_at(load.due) < load.end_ns; load.due++)
		time_count(load.end_ns - due_at(load.due));
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
	double seconds = argc > 4 ? atof(argv[4]) : 0;
	struct client *clients;

	if (argc < 5 || argc > 7 || count == 0 || count > CONNECTIONS_MAX || seconds <= 0) {
		fprintf(stderr, "usage: http_load PORT PATH CONNECTIONS SECONDS [RATE [close]]\n");
		return 2;
	}
	load.count = count;
	load.rate = argc > 5 ? atof(argv[5]) : 0;
	load.close = argc > 6;
	load.to = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_port = htons((uint16_t)atoi(argv[1])),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	if (sscanf(argv[2], "routes:%u:%u", &load.routes, &load.hosts) == 2 && load.hosts > 0)
		load.random = now_ns();
	else
		write_request(argv[2], "bench.example");
	load.epoll = epoll_create1(0);
	clients = calloc(count, sizeof(*clients));
	load.idle = calloc(count, sizeof(struct client *));
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else waits are rounded to 50 us */
	for (uint32_t i = 0; i < count; i++) {
		clients[i].fd = -1;
		if (!load.close)
			client_connect(&clients[i]);
		if (load.rate > 0)
			idle_give(&clients[i]);
	}
	load.begin_ns = now_ns();
	load.end_ns = load.begin_ns + (uint64_t)(seconds * 1e9);
	run(clients);
	if (load.rate > 0)
		owed_count(clients);
	printf("{\"answers\": %lu, \"bytes\": %lu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": "
	       "%.1f}\n",
	       load.answers, load.bytes, quantile_us(0.5), quantile_us(0.99),
	       (double)load.worst_ns / 1000);
	return 0;
}
