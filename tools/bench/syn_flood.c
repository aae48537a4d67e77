/* syn_flood DEV GATEWAY_MAC VIP PORT RATE SECONDS: SYNs to a vip, from sources in 198.18.0.0/15
 * (RFC 2544) that nobody has, as many a second as said, or as it can. Prints how many left. For
 * namespaces that a bench has made: see flood.py. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 8192, BATCH = 64, RATE_MAX = 5000000, SECONDS_MAX = 30, PAUSE_NS = 50000 };

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t mss[4];
} __attribute__((packed));

static struct frame frames[FRAMES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t sum(const void *bytes, size_t len, uint32_t s)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		s += (uint32_t)at[i] << 8 | at[i + 1];
	return s;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~(s + (s >> 16)));
}

static void make(struct frame *f, const uint8_t own[6], const uint8_t gateway[6], uint32_t vip,
		 uint16_t port)
{
	static const uint8_t mss[4] = { 2, 4, 5, 0xb4 };
	const size_t tcp_len = sizeof(f->tcp) + sizeof(f->mss);

	memcpy(f->eth.ether_dhost, gateway, 6);
	memcpy(f->eth.ether_shost, own, 6);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip = (struct iphdr){ .version = 4,
				.ihl = 5,
				.tot_len = htons((uint16_t)(sizeof(f->ip) + tcp_len)),
				.frag_off = htons(0x4000),
				.ttl = 64,
				.protocol = IPPROTO_TCP,
				.saddr = htonl(0xc6120000u | ((uint32_t)random() & 0x1ffff)),
				.daddr = vip };
	f->ip.check = fold(sum(&f->ip, sizeof(f->ip), 0));
	f->tcp = (struct tcphdr){ .source = htons((uint16_t)(1024 + random() % 60000)),
				  .dest = htons(port),
				  .seq = (uint32_t)random(),
				  .doff = tcp_len / 4,
				  .syn = 1,
				  .window = 0xffff };
	memcpy(f->mss, mss, sizeof(mss));
	f->tcp.check =
		fold(sum(&f->tcp, tcp_len, sum(&f->ip.saddr, 8, IPPROTO_TCP + (uint32_t)tcp_len)));
}

static int open_device(const char *dev, uint8_t own[6])
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(dev) };
	socklen_t len = sizeof(at);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		perror(dev);
		exit(1);
	}
	memcpy(own, at.sll_addr, 6);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return fd;
}

/* Returns how many the device took. */
static uint64_t send_batch(int fd, uint64_t first)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	int sent;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ &frames[(first + (uint64_t)i) % FRAMES],
					   sizeof(frames[0]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(fd, messages, BATCH, 0);
	return sent > 0 ? (uint64_t)sent : 0;
}

int main(int argc, char **argv)
{
	uint8_t own[6], gateway[6];
	uint64_t rate, begin, tried = 0, sent = 0, past, end;
	int fd;

	if (argc != 7 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &gateway[0], &gateway[1],
				&gateway[2], &gateway[3], &gateway[4], &gateway[5]) != 6) {
		fprintf(stderr, "usage: syn_flood DEV GATEWAY_MAC VIP PORT RATE SECONDS\n");
		return 2;
	}
	rate = strtoull(argv[5], NULL, 10);
	end = strtoull(argv[6], NULL, 10);
	if (rate < 1 || rate > RATE_MAX || end < 1 || end > SECONDS_MAX)
		return 2;
	fd = open_device(argv[1], own);
	for (int i = 0; i < FRAMES; i++)
		make(&frames[i], own, gateway, inet_addr(argv[3]), (uint16_t)atoi(argv[4]));
	begin = now_ns();
	while ((past = now_ns() - begin) < end * 1000000000u) {
		if (tried >= rate * (past / 1000) / 1000000) {
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
			continue;
		}
		sent += send_batch(fd, tried);
		tried += BATCH;
	}
	printf("%llu\n", (unsigned long long)sent);
	return 0;
}
