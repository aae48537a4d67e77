#include "tests/harness/socket_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/net/netlink.h"

bool socket_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	static bool made;
	int fd;

	if (made)
		return true;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	CHECK_INT(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	made = true;
	return true;
}

void socket_local_route(const char *address)
{
	struct netlink *nl = netlink_open(NULL);
	struct addr ip;
	struct err err = { "" };

	CHECK(nl && addr_parse_ip(span_of(address), &ip));
	if (!netlink_local_route(nl, &ip, true, &err))
		CHECK_STR(err.text, "");
	netlink_close(nl);
}

static socklen_t sockaddr_of(const char *address, uint16_t port, struct sockaddr_storage *out)
{
	struct addr ip;

	CHECK(addr_parse_ip(span_of(address), &ip));
	ip.port = htons(port);
	return addr_to_sockaddr(&ip, out);
}

int socket_listen(const char *address, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = sockaddr_of(address, port, &at);
	int one = 1, fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)); /* also for IPv6 */
	CHECK_INT(bind(fd, (struct sockaddr *)&at, len), 0);
	CHECK_INT(listen(fd, 64), 0);
	return fd;
}

uint16_t socket_port(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct addr ip;

	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	CHECK(addr_from_sockaddr((struct sockaddr *)&at, &ip));
	return ntohs(ip.port);
}

int socket_connect(const char *address, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = sockaddr_of(address, port, &at);
	int saved, fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&at, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void socket_carry(int from, int to, uint32_t len)
{
	char bytes[4096] = { 0 };

	for (uint32_t sent = 0, got = 0; got < len;) {
		if (sent < len) {
			uint32_t left = len - sent;
			ssize_t n = send(from, bytes, left < sizeof(bytes) ? left : sizeof(bytes),
					 MSG_NOSIGNAL);

			CHECK(n > 0);
			sent += (uint32_t)n;
		}
		while (got < sent) {
			ssize_t n = recv(to, bytes, sizeof(bytes), 0);

			CHECK(n > 0);
			got += (uint32_t)n;
		}
	}
}
