/* splice_load ADDRESS PORT CONNECTIONS WARM SECONDS KIND SIZE: asks splice_origin through a proxy,
 * on each connection one thing after another. KIND: `ping` sends SIZE bytes and waits for them,
 * `get` has SIZE bytes come as an answer's body, `post` sends as many; `churn` makes a connection
 * for two pings, HOLD_MS apart. Prints `go` after WARM seconds, then counts for SECONDS, and prints
 * JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, CHUNK = 1 << 18, HEAD_MAX = 512, EVENTS = 256, HOLD_MS = 100 };
enum { TIMES_MAX = 1 << 20 };
enum kind { PING, GET, POST, CHURN };

struct connection {
	int fd;
	unsigned pings;
	unsigned long long to_send, to_read;
	int heading; /* the answer's head has not ended */
	unsigned head_len;
	char head[HEAD_MAX + 1];
	double began, due; /* due: when a churning one goes on */
};

static struct connection all[CONNECTIONS_MAX];
static char chunk[CHUNK];
static struct sockaddr_in to = { .sin_family = AF_INET };
static enum kind kind;
static unsigned long long size, done, bytes;
static int events;
static float *times_ms;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "splice_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void want(struct connection *c, int op, unsigned what)
{
	struct epoll_event e = { .events = what, .data.ptr = c };

	epoll_ctl(events, op, c->fd, &e);
}

static void send_more(struct connection *c)
{
	while (c->to_send > 0) {
		size_t n = c->to_send < CHUNK ? c->to_send : CHUNK;
		ssize_t sent = send(c->fd, chunk, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			want(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (sent < 0)
			fail("send");
		c->to_send -= (unsigned long long)sent;
		bytes += kind == POST ? (unsigned long long)sent : 0;
	}
	want(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void ask(struct connection *c)
{
	char head[128];
	int n = snprintf(head, sizeof(head),
			 "%s /%llu HTTP/1.1\r\nHost: h\r\nContent-Length: %llu\r\n\r\n",
			 kind == GET ? "GET" : "POST", size, kind == POST ? size : 0);

	c->began = now();
	if (kind == GET || kind == POST) {
		c->heading = 1;
		c->head_len = 0;
		if (send(c->fd, head, (size_t)n, MSG_NOSIGNAL) != n)
			fail("send");
	}
	c->to_send = kind == GET ? 0 : size;
	c->to_read = kind == PING || kind == CHURN ? size : 0;
	if (c->to_send)
		send_more(c);
}

static void open_one(struct connection *c)
{
	int on = 1;

	*c = (struct connection){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4 << 20 }, sizeof(int));
	want(c, EPOLL_CTL_ADD, EPOLLIN);
	ask(c);
}

static void finish(struct connection *c)
{
	times_ms[done % TIMES_MAX] = (float)((now() - c->began) * 1e3);
	done++;
	if (kind != CHURN) {
		ask(c);
	} else {
		c->pings++;
		c->due = now() + HOLD_MS / 1e3;
	}
}

/* Takes the head's bytes off the front of what came. */
static ssize_t take_head(struct connection *c, const char *at, ssize_t n)
{
	unsigned before = c->head_len, room = HEAD_MAX - before;
	unsigned take = n < room ? (unsigned)n : room;
	char *end, *length;

	memcpy(c->head + before, at, take);
	c->head_len += take;
	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return n;
	length = strcasestr(c->head, "content-length:");
	if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !length)
		fail("an answer that is not 200 with a length");
	c->to_read = strtoull(length + 15, NULL, 10);
	c->heading = 0;
	return (end + 4 - c->head) - (ssize_t)before;
}

static void on_readable(struct connection *c)
{
	static char in[CHUNK];
	ssize_t n = recv(c->fd, in, sizeof(in), MSG_DONTWAIT), head = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fail(n == 0 ? "the proxy closed" : "recv");
	if (c->heading)
		head = take_head(c, in, n);
	n -= head;
	if ((unsigned long long)n > c->to_read)
		fail("more came than was asked for");
	c->to_read -= (unsigned long long)n;
	bytes += kind == GET ? (unsigned long long)n : 0;
	if (!c->heading && c->to_read == 0)
		finish(c);
}

static void go_on(struct connection *c)
{
	c->due = 0;
	if (c->pings == 1) {
		ask(c);
		return;
	}
	close(c->fd);
	open_one(c);
}

static void run_until(double end, unsigned count)
{
	struct epoll_event ready[EVENTS];

	while (now() < end) {
		int n = epoll_wait(events, ready, EVENTS, kind == CHURN ? 1 : 20);

		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;

			if (ready[i].events & EPOLLOUT)
				send_more(c);
			if (ready[i].events & ~(unsigned)EPOLLOUT)
				on_readable(c);
		}
		for (unsigned i = 0; kind == CHURN && i < count; i++)
			if (all[i].due > 0 && now() >= all[i].due)
				go_on(&all[i]);
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void print(double seconds)
{
	unsigned long long n = done < TIMES_MAX ? done : TIMES_MAX;

	qsort(times_ms, n, sizeof(times_ms[0]), by_size);
	printf("{\"done\": %llu, \"bytes\": %llu, \"seconds\": %.4f, \"p50\": %.3f, \"p99\": "
	       "%.3f}\n",
	       done, bytes, seconds, n ? times_ms[n / 2] : 0.0,
	       n ? times_ms[n - 1 - n / 100] : 0.0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "ping", "get", "post", "churn" };
	unsigned count = argc == 8 ? (unsigned)atoi(argv[3]) : 0;
	double began;

	if (argc != 8 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || count < 1 ||
	    count > CONNECTIONS_MAX)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	while (kind < CHURN && strcmp(argv[6], kinds[kind]) != 0)
		kind++;
	size = strtoull(argv[7], NULL, 10);
	memset(chunk, 'E', sizeof(chunk));
	times_ms = calloc(TIMES_MAX, sizeof(times_ms[0]));
	events = epoll_create1(0);
	for (unsigned i = 0; i < count; i++)
		open_one(&all[i]);
	run_until(now() + atof(argv[4]), count);
	puts("go");
	fflush(stdout);
	done = bytes = 0;
	began = now();
	run_until(began + atof(argv[5]), count);
	print(now() - began);
	return 0;
}
