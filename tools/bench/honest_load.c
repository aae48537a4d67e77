/* honest_load VIP PORT RATE SECONDS: begins so many connections a second, asks for / on each, and
 * says of how many an answer came within DEADLINE_MS. Prints JSON: tried, answered, and the times
 * of those in ms, median and 99th of a hundred. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TRIES_MAX = 20000, DEADLINE_MS = 3000, EVENTS = 64 };

static struct
try {
	int fd;
	double began_ms;
}
tries[TRIES_MAX];

static double times_ms[TRIES_MAX];
static uint32_t tried, over, answered;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void finish(struct try *t, int good)
{
	if (t->fd < 0)
		return;
	close(t->fd);
	t->fd = -1;
	over++;
	if (good)
		times_ms[answered++] = now_ms() - t->began_ms;
}

static void begin(int events, const struct sockaddr_in *to)
{
	struct try *t = &tries[tried];
	struct epoll_event want = { .events = EPOLLOUT, .data.ptr = t };

	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	t->began_ms = now_ms();
	tried++;
	if (t->fd < 0) {
		perror("socket");
		exit(1);
	}
	epoll_ctl(events, EPOLL_CTL_ADD, t->fd, &want);
	if (connect(t->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		finish(t, 0);
}

static void on_ready(int events, struct try *t, uint32_t what)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	struct epoll_event want = { .events = EPOLLIN, .data.ptr = t };
	char answer[512];

	if (t->fd < 0)
		return;
	if (what & EPOLLOUT && !(what & EPOLLERR)) {
		if (write(t->fd, request, sizeof(request) - 1) < 0)
			finish(t, 0);
		else
			epoll_ctl(events, EPOLL_CTL_MOD, t->fd, &want);
		return;
	}
	finish(t, read(t->fd, answer, sizeof(answer)) > 8 && memcmp(answer, "HTTP/1.1", 8) == 0);
}

static void wait_some(int events)
{
	struct epoll_event ready[EVENTS];
	int n = epoll_wait(events, ready, EVENTS, 1);

	for (int i = 0; i < n; i++)
		on_ready(events, ready[i].data.ptr, ready[i].events);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(void)
{
	qsort(times_ms, answered, sizeof(times_ms[0]), by_size);
	printf("{\"tried\": %u, \"answered\": %u, \"median\": %.2f, \"late\": %.2f}\n", tried,
	       answered, answered ? times_ms[answered / 2] : 0,
	       answered ? times_ms[answered - 1 - answered / 100] : 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct rlimit files = { TRIES_MAX + 64, TRIES_MAX + 64 };
	double began = now_ms(), rate, seconds;
	uint32_t wanted, oldest = 0;
	int events = epoll_create1(0);

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	rate = atof(argv[3]);
	seconds = atof(argv[4]);
	if (rate * seconds > TRIES_MAX)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	wanted = (uint32_t)(rate * seconds);
	while (over < wanted) {
		while (tried < wanted && tried < (now_ms() - began) / 1e3 * rate)
			begin(events, &to);
		wait_some(events);
		for (; oldest < tried &&
		       (tries[oldest].fd < 0 || now_ms() - tries[oldest].began_ms > DEADLINE_MS);
		     oldest++)
			finish(&tries[oldest], 0);
	}
	print();
	return 0;
}
