/* Segments of our own on the wire, as the end that gets them expects; caught on the loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/packet.h"
#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/splice/segment.h"

enum { WAIT_MS = 90000, VIP_PORT = 443, CLIENT_PORT = 4000, OUR_PORT = 20001, SERVER_PORT = 8443 };

/* The loopback's frames, from before anything is sent. */
static int sniff(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	at.sll_ifindex = (int)if_nametoindex("lo");
	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The TCP header of the next frame that is for this port; others are answers to it. */
static struct tcphdr catch_frame(int fd, uint16_t port, uint8_t *frame, size_t *out_len)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	for (;;) {
		struct tcphdr tcp;
		struct ethhdr eth;

		CHECK_INT(poll(&poll_fd, 1, WAIT_MS), 1);
		*out_len = (size_t)recv(fd, frame, PACKET_BYTES_MAX, 0);
		memcpy(&eth, frame, sizeof(eth));
		memcpy(&tcp, frame + sizeof(eth) + (eth.h_proto == htons(ETH_P_IP) ? 20 : 40),
		       sizeof(tcp));
		if (tcp.dest == htons(port))
			return tcp;
	}
}

static struct flow_key key_of(const char *from, uint16_t sport, const char *to, uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport), .dport = htons(dport), .proto = 6 };
	struct addr src, dst;

	CHECK(addr_parse_ip(span_of(from), &src) && addr_parse_ip(span_of(to), &dst));
	memcpy(key.src, src.ip, sizeof(key.src));
	memcpy(key.dst, dst.ip, sizeof(key.dst));
	return key;
}

/*
 * Client's bytes go out 1000 further on at the endpoint's side; the endpoint's 5000 further back
 * at the client's. Each end has acknowledged what the other one's direction says.
 */
static struct splice splice_between(const char *vip, const char *client, const char *ours,
				    const char *server)
{
	struct splice sp = { .state = SPLICE_SPLICED };

	sp.dir[0] = (struct splice_dir){
		.out = key_of(ours, OUR_PORT, server, SERVER_PORT),
		.seq_delta = 1000,
		.max_ack = 0x10, /* the client waits for this: in its own view of our numbers */
		.window = 700,
	};
	sp.dir[1] = (struct splice_dir){
		.out = key_of(vip, VIP_PORT, client, CLIENT_PORT),
		.seq_delta = (uint32_t)-5000,
		.max_ack = 0x20,
		.window = 65535,
	};
	return sp;
}

static const void *address_in(const uint8_t *frame, bool v4, bool dest)
{
	const uint8_t *ip = frame + sizeof(struct ethhdr);

	return ip + (v4 ? 12 + 4 * dest : 8 + 16 * dest);
}

TEST(a_segment_has_the_numbers_that_its_receiver_expects)
{
	static const struct {
		const char *name, *src, *dst; /* of the leg that carries it */
		int to;
		enum segment_kind kind;
		uint16_t sport, dport, window;
		uint32_t seq, ack;
	} rows[] = {
		{ "an ACK to the client", "203.0.113.10", "127.0.0.1", 0, SEGMENT_ACK, VIP_PORT,
		  CLIENT_PORT, 65535, 0x10, 0x20 - 1000u },
		{ "an RST to the client", "203.0.113.10", "127.0.0.1", 0, SEGMENT_RST, VIP_PORT,
		  CLIENT_PORT, 65535, 0x10, 0x20 - 1000u },
		{ "an ACK to the endpoint", "127.0.0.9", "127.0.0.2", 1, SEGMENT_ACK, OUR_PORT,
		  SERVER_PORT, 700, 0x20, 0x10 + 5000 },
		{ "an RST to the endpoint", "127.0.0.9", "127.0.0.2", 1, SEGMENT_RST, OUR_PORT,
		  SERVER_PORT, 700, 0x20, 0x10 + 5000 },
		{ "an ACK over IPv6", "2001:db8::10", "::1", 0, SEGMENT_ACK, VIP_PORT, CLIENT_PORT,
		  65535, 0x10, 0x20 - 1000u },
		{ "an RST over IPv6", "2001:db8::10", "::1", 0, SEGMENT_RST, VIP_PORT, CLIENT_PORT,
		  65535, 0x10, 0x20 - 1000u },
	};

	if (!socket_namespace())
		TEST_SKIP("a network namespace needs root");
	FOR_ROWS (row, rows) {
		bool v4 = !strchr(row->src, ':');
		struct splice sp = splice_between(
			row->to ? "203.0.113.10" : row->src, row->to ? "127.0.0.1" : row->dst,
			v4 ? "127.0.0.9" : "::1", v4 ? "127.0.0.2" : "::1");
		struct flow_key key = key_of(row->src, 0, row->dst, 0);
		uint8_t frame[PACKET_BYTES_MAX] = { 0 };
		struct tcphdr tcp;
		int fd = sniff();
		size_t len;

		segment_send(&sp, row->to, row->kind);
		tcp = catch_frame(fd, row->dport, frame, &len);
		close(fd);
		CHECK_INT(len, sizeof(struct ethhdr) + (v4 ? 20 : 40) + sizeof(tcp));
		CHECK(packet_sums_are_right(frame, len));
		CHECK_BYTES(address_in(frame, v4, false), v4 ? 4 : 16, &key.src[v4 ? 3 : 0],
			    v4 ? 4 : 16);
		CHECK_BYTES(address_in(frame, v4, true), v4 ? 4 : 16, &key.dst[v4 ? 3 : 0],
			    v4 ? 4 : 16);
		CHECK_INT(ntohs(tcp.source), row->sport);
		CHECK_INT(ntohl(tcp.seq), row->seq);
		CHECK_INT(ntohl(tcp.ack_seq), row->ack);
		CHECK_INT(ntohs(tcp.window), row->window);
		CHECK_INT(tcp.ack, 1);
		CHECK_INT(tcp.rst, row->kind == SEGMENT_RST);
		CHECK_INT(tcp.syn | tcp.fin | tcp.psh | tcp.urg, 0);
		CHECK_INT(tcp.doff, 5);
	}
}

/* RFC 7323, 2.2: an end reads a window in the unit that our socket announced to it. */
TEST(a_window_is_told_in_the_unit_that_its_receiver_reckons_with)
{
	static const struct {
		const char *name;
		uint8_t ws_in, ws_out;
		uint32_t window;
		uint16_t want;
	} rows[] = {
		{ "no scale on either leg", 0, 0, 700, 700 },
		{ "the same on both", 7, 7, 700, 700 },
		{ "the endpoint's unit is larger", 7, 4, 700, 5600 },
		{ "the endpoint's unit is smaller", 4, 7, 700, 87 },
		{ "less than one of the client's units", 0, 14, 16383, 0 },
		{ "more than the client's units can say", 14, 0, 700, 65535 },
		{ "largest scales and window", 14, 14, 65535, 65535 },
	};

	if (!socket_namespace())
		TEST_SKIP("a network namespace needs root");
	FOR_ROWS (row, rows) {
		struct splice sp =
			splice_between("203.0.113.10", "127.0.0.1", "127.0.0.9", "127.0.0.2");
		uint8_t frame[PACKET_BYTES_MAX] = { 0 };
		int fd = sniff();
		size_t len;

		sp.dir[1].window = row->window;
		sp.dir[1].ws_in = row->ws_in;
		sp.dir[1].ws_out = row->ws_out;
		segment_send(&sp, 0, SEGMENT_ACK);
		CHECK_INT(ntohs(catch_frame(fd, CLIENT_PORT, frame, &len).window), row->want);
		CHECK(packet_sums_are_right(frame, len));
		close(fd);
	}
}

/* The kernel's own opinion of our numbers: a live connection takes our RST, and only the right one.
 */
TEST(a_socket_takes_a_reset_with_the_right_numbers_for_its_peers)
{
	struct splice sp = splice_between("203.0.113.10", "127.0.0.1", "127.0.0.1", "127.0.0.1");
	struct pollfd poll_fd = { .events = POLLIN };
	struct tcphdr tcp;
	uint8_t frame[PACKET_BYTES_MAX] = { 0 };
	int sniffer, listening, client;
	char byte;
	size_t len;

	if (!socket_namespace())
		TEST_SKIP("a network namespace needs root");
	sniffer = sniff();
	listening = socket_listen("127.0.0.1", 0);
	client = socket_connect("127.0.0.1", socket_port(listening));
	tcp = catch_frame(sniffer, socket_port(client), frame, &len); /* SYN and ACK */
	CHECK_INT(tcp.syn, 1);
	sp.dir[1].out =
		key_of("127.0.0.1", socket_port(listening), "127.0.0.1", socket_port(client));
	sp.dir[0].max_ack = ntohl(tcp.seq) + 1;
	poll_fd.fd = client;
	segment_send(&sp, 0, SEGMENT_RST);
	CHECK_INT(poll(&poll_fd, 1, WAIT_MS), 1);
	CHECK_INT(recv(client, &byte, 1, 0), -1);
	CHECK_INT(errno, ECONNRESET);
	close(client);
	close(listening);
	close(sniffer);
}
