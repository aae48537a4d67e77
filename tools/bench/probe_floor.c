/* probe_floor tcp|http ENDPOINTS INTERVAL_MS: probes as a loop would that does nothing else, until
 * it is killed: a socket for each, connected, watched, asked (http), closed by a reset; nobody is
 * judged, and what fails is forgotten. All that are due in TICK_MS begin at once. For health.py,
 * whose endpoints are 10.64.0.1:9000 and on. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 40, FIRST = 0x0a400001, PORT = 9000, BATCH = 512, PER_BYTE = 250 };

static const char request[] =
	"GET / HTTP/1.1\r\nHost: 10.64.0.1:9000\r\nUser-Agent: shunt-health\r\n"
	"Accept: */*\r\nConnection: close\r\n\r\n";

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void begin(int epoll, uint32_t number)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(FIRST + number % PER_BYTE + number / PER_BYTE * 256),
	};
	struct linger reset = { .l_onoff = 1 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	event.data.fd = fd;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		perror("probe_floor");
		exit(1);
	}
}

static void go_on(const struct epoll_event *event, bool asks)
{
	char answer[64];
	int fd = event->data.fd;

	if (asks && !(event->events & (EPOLLIN | EPOLLERR))) {
		(void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
		return;
	}
	if (asks)
		(void)!recv(fd, answer, sizeof(answer), 0);
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t count = argc == 4 ? (uint64_t)atoi(argv[2]) : 0, begun = 0, start = now_ms(),
		 next = start;
	uint64_t interval_ms = argc == 4 ? (uint64_t)atoi(argv[3]) : 0;
	bool asks = argc == 4 && strcmp(argv[1], "http") == 0;
	struct rlimit files = { 65536, 65536 };
	int epoll = epoll_create1(0);

	if (!count || !interval_ms || epoll < 0) {
		fprintf(stderr, "tcp|http ENDPOINTS INTERVAL_MS\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	for (;;) {
		struct epoll_event events[BATCH];
		uint64_t now = now_ms();
		int n;

		for (; now >= next; next += TICK_MS)
			while (begun < (next - start) * count / interval_ms)
				begin(epoll, (uint32_t)(begun++ % count));
		n = epoll_wait(epoll, events, BATCH, (int)(next - now));
		for (int i = 0; i < n; i++)
			go_on(&events[i], asks);
	}
}
