/*
 * udp_pour ADDRESS PORT SECONDS FLOWS - small datagrams from that many sockets, as fast as one
 * processor can; says how many it gave to the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	FLOWS_MAX = 1024,
	PAYLOAD = 18
}; /* frames of 60 bytes, the shortest there are */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_flow(const char *address, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((in_port_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("udp_pour");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static char payload[PAYLOAD] = "shunt";
	static struct mmsghdr batch[BATCH];
	static int fds[FLOWS_MAX];
	struct iovec piece = { payload, sizeof(payload) };
	unsigned flows = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	unsigned long long sent = 0;
	double end;

	if (flows == 0 || flows > FLOWS_MAX) {
		fputs("usage: udp_pour ADDRESS PORT SECONDS FLOWS\n", stderr);
		return 2;
	}
	for (unsigned i = 0; i < flows; i++)
		fds[i] = open_flow(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
	for (int i = 0; i < BATCH; i++)
		batch[i].msg_hdr = (struct msghdr){ .msg_iov = &piece, .msg_iovlen = 1 };
	end = now() + strtod(argv[3], NULL);
	for (unsigned turn = 0; now() < end; turn++) {
		int n = sendmmsg(fds[turn % flows], batch, BATCH, 0);

		if (n > 0)
			sent += (unsigned)n;
		else if (errno != EAGAIN && errno != ENOBUFS)
			perror("udp_pour"), exit(1);
	}
	printf("%llu\n", sent);
	return 0;
}
