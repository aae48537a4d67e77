/* splice_hold ADDRESS PORT COUNT SOURCE SOURCES: holds COUNT connections to splice_origin through a
 * proxy, from SOURCES addresses, SOURCE and those behind it. Says `held N` when each has had an
 * answer; for each line that it reads, all ask once more, and it says `turned N` of those that got
 * an answer. Ends with its input. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 250000, EVENTS = 256, AT_ONCE = 64, PATIENCE_S = 60 };

static struct sockaddr_in to = { .sin_family = AF_INET };
static unsigned char *answered; /* by descriptor, in this turn */
static unsigned opened, good, lost, waiting;
static int *fds, events;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(int fd)
{
	answered[fd] = 0;
	waiting++;
	if (send(fd, "E", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		answered[fd] = 1;
		waiting--;
		lost++;
	}
}

static void open_one(uint32_t source)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(source) };
	struct epoll_event e = { .events = EPOLLIN };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("splice_hold");
		exit(1);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	e.data.fd = fd;
	epoll_ctl(events, EPOLL_CTL_ADD, fd, &e);
	fds[opened++] = fd;
	ask(fd);
}

static void wait_some(int ms)
{
	struct epoll_event ready[EVENTS];
	int n = epoll_wait(events, ready, EVENTS, ms);

	for (int i = 0; i < n; i++) {
		int fd = ready[i].data.fd;
		char in[16];
		ssize_t got = recv(fd, in, sizeof(in), MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0)
			epoll_ctl(events, EPOLL_CTL_DEL, fd, NULL);
		if (answered[fd])
			continue;
		answered[fd] = 1;
		waiting--;
		good += got > 0;
		lost += got <= 0;
	}
}

static void drain(void)
{
	double end = now() + PATIENCE_S;

	while (waiting > 0 && now() < end)
		wait_some(100);
}

static void turn(void)
{
	good = lost = waiting = 0;
	for (unsigned i = 0; i < opened; i++) {
		ask(fds[i]);
		while (waiting > AT_ONCE * 8)
			wait_some(10);
	}
	drain();
	printf("turned %u\n", good);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	unsigned count = argc == 6 ? (unsigned)atoi(argv[3]) : 0;
	unsigned sources = argc == 6 ? (unsigned)atoi(argv[5]) : 0;
	struct in_addr source;
	char line[16];

	if (count < 1 || count > COUNT_MAX || sources < 1 ||
	    inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[4], &source) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	answered = calloc(COUNT_MAX, 1);
	fds = calloc(count, sizeof(fds[0]));
	events = epoll_create1(0);
	while (opened < count) {
		open_one(ntohl(source.s_addr) + opened % sources);
		while (waiting >= AT_ONCE)
			wait_some(10);
	}
	drain();
	printf("held %u\n", good);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		turn();
	return 0;
}
