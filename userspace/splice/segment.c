#include "userspace/splice/segment.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/addr.h"

static uint32_t sum_add(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

/* RFC 9293, 3.1, over the pseudo-header of either family; the addresses' last words differ. */
static uint16_t checksum(const struct flow_key *key, bool v4, const struct tcphdr *tcp)
{
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);

	sum = sum_add(sum, v4 ? &key->src[3] : key->src, v4 ? 4 : 16);
	sum = sum_add(sum, v4 ? &key->dst[3] : key->dst, v4 ? 4 : 16);
	sum = sum_add(sum, tcp, sizeof(*tcp));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int socket_from(const struct addr *from)
{
	struct sockaddr_storage ss;
	struct addr ip = *from;
	int on = 1, fd;
	socklen_t len;

	ip.port = 0;
	len = addr_to_sockaddr(&ip, &ss);
	fd = socket(ss.ss_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -1;
	/* A vip is on no interface, and once it is configured no more, in no local route either:
	 * free bind alone would bind but not send. */
	if (ss.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	close(fd);
	return -1;
}

/*
 * Y's window as X reads it: each end counts in the unit that it was told in the handshake (RFC
 * 7323, 2.2), Y's packets in Y's own, ours to X in that of our socket. The same sum as the
 * programs' for every packet that they forward.
 */
static uint16_t window_to_x(const struct splice_dir *y)
{
	uint32_t window = y->window << (y->ws_in & 15) >> (y->ws_out & 15);

	return (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX);
}

static void send_with(const struct splice *sp, int to, enum segment_kind kind, uint32_t seq)
{
	const struct splice_dir *x = &sp->dir[to], *y = &sp->dir[!to];
	const struct flow_key *key = &y->out; /* as packets leave towards X */
	struct addr from = { .port = key->sport }, dest = { 0 };
	struct tcphdr tcp = {
		.source = key->sport,
		.dest = key->dport,
		/* No more than Y has really received: what went past us may have been lost behind
		 * us. */
		.seq = htonl(seq),
		.ack_seq = htonl(y->max_ack - x->seq_delta),
		.doff = sizeof(tcp) / 4,
		.ack = 1,
		.rst = kind == SEGMENT_RST,
		.window = htons(window_to_x(y)),
	};
	struct sockaddr_storage ss;
	socklen_t len;
	bool v4;
	int fd;

	memcpy(from.ip, key->src, sizeof(from.ip));
	memcpy(dest.ip, key->dst, sizeof(dest.ip));
	v4 = addr_is_v4(&dest);
	len = addr_to_sockaddr(&dest, &ss); /* raw sockets want port 0 */
	tcp.check = checksum(key, v4, &tcp);
	fd = socket_from(&from);
	if (fd < 0)
		return;
	if (sendto(fd, &tcp, sizeof(tcp), 0, (struct sockaddr *)&ss, len) < 0) {
		/* lost, as it may be on the wire */
	}
	close(fd);
}

/* What X waits for. */
void segment_send(const struct splice *sp, int to, enum segment_kind kind)
{
	send_with(sp, to, kind, sp->dir[to].max_ack);
}

void segment_reset(const struct splice *sp, int to)
{
	const struct splice_dir *x = &sp->dir[to], *y = &sp->dir[!to];
	uint32_t sent = y->max_seq + y->seq_delta;

	send_with(sp, to, SEGMENT_RST, x->max_ack);
	if ((int32_t)(sent - x->max_ack) > 0)
		send_with(sp, to, SEGMENT_RST, sent);
}
