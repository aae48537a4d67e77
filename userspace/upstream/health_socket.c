#include "userspace/upstream/health_socket.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TCP_HEADER = 20, ICMP_HEADER = 8, SEGMENT_LEAST = 88 };

static uint32_t ip_header(bool v4)
{
	return v4 ? 20 : 40;
}

static bool is_given(const struct addr *a)
{
	static const struct addr none;

	return !addr_is_ip(a, &none);
}

static bool take_mark(int fd, const struct health_way *way)
{
	return !way->tunnel ||
	       setsockopt(fd, SOL_SOCKET, SO_MARK, &way->mark, sizeof(way->mark)) == 0;
}

/* Bound to a device, since the vip is an address of this machine: else it would answer itself. */
static bool take_way(int fd, const struct health_way *way)
{
	int ifindex = (int)way->ifindex;

	return !way->tunnel || (take_mark(fd, way) && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX,
								 &ifindex, sizeof(ifindex)) == 0);
}

static bool bind_source(int fd, const struct addr *source, bool v4)
{
	struct sockaddr_storage at;
	struct addr from = *source;
	int one = 1;

	if (!is_given(source) || addr_is_v4(source) != v4)
		return true;
	from.port = 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&at, addr_to_sockaddr(&from, &at)) == 0;
}

/* Both ends send what fits the tunnel, as clients are told to. */
static void fit_segments(int fd, const struct health_way *way)
{
	uint32_t heads = ip_header(addr_is_v4(&way->to)) + TCP_HEADER;
	int most = (int)(way->mtu > heads + SEGMENT_LEAST ? way->mtu - heads : SEGMENT_LEAST);

	if (way->tunnel)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &most, sizeof(most));
}

/*
 * A handshake's last ACK goes with what is said first. Where nothing is said there is none: the
 * endpoint's kernel has answered, which is all that was asked, and its program never hears of it.
 */
static void save_ack(int fd)
{
	int seconds = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
}

int health_socket_open(const struct health_way *way, int type, struct err *err)
{
	bool v4 = addr_is_v4(&way->to);
	struct sockaddr_storage at;
	socklen_t at_len = addr_to_sockaddr(&way->to, &at);
	int fd = socket(at.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		err_sys(err, "no socket");
		return -1;
	}
	if (type == SOCK_STREAM) {
		save_ack(fd);
		fit_segments(fd, way);
	}
	if (take_way(fd, way) && bind_source(fd, &way->source, v4) &&
	    (connect(fd, (struct sockaddr *)&at, at_len) == 0 || errno == EINPROGRESS))
		return fd;
	err_sys(err, "cannot connect");
	close(fd);
	return -1;
}

bool health_socket_again(int fd, const struct health_way *way, struct err *err)
{
	struct sockaddr_storage at;
	socklen_t at_len = addr_to_sockaddr(&way->to, &at);

	fit_segments(fd, way);
	if (take_mark(fd, way) &&
	    (connect(fd, (struct sockaddr *)&at, at_len) == 0 || errno == EINPROGRESS))
		return true;
	return err_sys(err, "cannot connect");
}

static void do_not_fragment(int fd, bool v4)
{
	int how = v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE, one = 1;

	if (v4) {
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how));
		return;
	}
	setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how));
	setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &one, sizeof(one));
}

/* RFC 1071; the kernel fills ICMPv6's in itself. */
static uint16_t checksum(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	if (len & 1)
		sum += (uint32_t)at[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static bool send_echo(int fd, bool v4, uint32_t bytes, uint16_t id)
{
	uint8_t message[HEALTH_ECHO_MAX] = { v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
	uint32_t len = bytes - ip_header(v4);
	uint16_t sum;

	if (bytes < ip_header(v4) + ICMP_HEADER || len > sizeof(message))
		len = ICMP_HEADER;
	message[4] = (uint8_t)(id >> 8);
	message[5] = (uint8_t)id;
	sum = v4 ? checksum(message, len) : 0;
	memcpy(message + 2, &sum, sizeof(sum));
	return send(fd, message, len, 0) == (ssize_t)len;
}

/* Of all ICMPv6 only this; there is nothing like it in IPv4's headers. */
static void hear_answers_only(int fd)
{
	struct icmp6_filter filter;

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

int health_echo_open(const struct health_way *way, bool outer, uint32_t bytes, uint16_t id,
		     struct err *err)
{
	struct addr to = outer ? way->host : way->to;
	bool v4 = addr_is_v4(&to);
	struct sockaddr_storage at;
	socklen_t at_len;
	int fd;

	to.port = 0;
	at_len = addr_to_sockaddr(&to, &at);
	fd = socket(at.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0) {
		err_sys(err, "no socket for echo requests");
		return -1;
	}
	if (!v4)
		hear_answers_only(fd);
	do_not_fragment(fd, v4);
	if ((outer || take_way(fd, way)) && bind_source(fd, &way->source, v4) &&
	    connect(fd, (struct sockaddr *)&at, at_len) == 0 && send_echo(fd, v4, bytes, id))
		return fd;
	err_sys(err, "cannot send an echo request");
	close(fd);
	return -1;
}

int health_echo_heard(int fd, bool v4, uint16_t id)
{
	uint8_t got[HEALTH_ECHO_MAX];
	ssize_t len;

	while ((len = recv(fd, got, sizeof(got), 0)) > 0) {
		const uint8_t *icmp = got + (v4 ? (got[0] & 15) * 4 : 0);

		if (icmp + ICMP_HEADER <= got + len &&
		    icmp[0] == (v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
		    (icmp[4] << 8 | icmp[5]) == id)
			return 1;
	}
	return 0;
}
