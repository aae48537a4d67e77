/* What sk_query says of live sockets, held against TCP_REPAIR and TCP_INFO. */
#include "tests/harness/packet.h"
#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bpf/abi/splice.h"
#include "sk_query.skel.h"

struct fixture {
	struct sk_query *program;
	char root[64], group[96], home[256]; /* mount of cgroup v2, ours, where we come from */
	int listener, client, server;
};

static void write_pid(const char *folder)
{
	char path[512], pid[16];
	int fd, len = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(write(fd, pid, (size_t)len), len);
	close(fd);
}

/* The path after "0::" is ours in cgroup v2. */
static void find_home(struct fixture *f)
{
	FILE *file = fopen("/proc/self/cgroup", "r");
	char line[192] = "";

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) && strncmp(line, "0::", 3) != 0)
		;
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	snprintf(f->home, sizeof(f->home), "%s%s", f->root, line + 3);
}

static struct fixture *live; /* what is to be undone, also where a check has failed */

static void undo(void)
{
	if (!live)
		return;
	write_pid(live->home);
	sk_query__destroy(live->program);
	rmdir(live->group);
	umount(live->root);
	rmdir(live->root);
	live = NULL;
}

static bool setup(struct fixture *f)
{
	int dir;

	undo(); /* of a test before that has failed */
	memset(f, 0, sizeof(*f));
	if (!socket_namespace())
		return false;
	strcpy(f->root, "/tmp/test_sk_query.XXXXXX");
	CHECK(mkdtemp(f->root) != NULL);
	CHECK_INT(mount("none", f->root, "cgroup2", 0, NULL), 0);
	find_home(f);
	live = f;
	atexit(undo);
	snprintf(f->group, sizeof(f->group), "%s/test-%d", f->root, (int)getpid());
	CHECK_INT(mkdir(f->group, 0755), 0);
	f->program = sk_query__open_and_load();
	CHECK(f->program != NULL);
	dir = open(f->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(bpf_prog_attach(bpf_program__fd(f->program->progs.sk_query), dir,
				  BPF_CGROUP_GETSOCKOPT, 0),
		  0);
	close(dir);
	write_pid(f->group);
	return true;
}

/* Sockets are of the cgroup in which they were made. */
static void connect_pair(struct fixture *f, const char *address)
{
	int clamp = 65535;

	f->listener = socket_listen(address, 0);
	/* So the ends announce different window scales. */
	CHECK_INT(setsockopt(f->listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof(clamp)), 0);
	f->client = socket_connect(address, socket_port(f->listener));
	CHECK(f->client >= 0);
	f->server = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(f->server >= 0);
}

static void close_pair(struct fixture *f)
{
	close(f->client);
	close(f->server);
	close(f->listener);
}

#define NEED_GROUP(f)                                                                              \
	do {                                                                                       \
		if (!setup(f))                                                                     \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static struct sk_state query(int fd)
{
	struct sk_state st;
	socklen_t len = sizeof(st);

	memset(&st, 0xee, sizeof(st));
	CHECK_INT(getsockopt(fd, SK_QUERY_LEVEL, SK_QUERY_STATE, &st, &len), 0);
	CHECK_INT(len, sizeof(st));
	return st;
}

static uint32_t repair_seq(int fd, int queue)
{
	int on = 1, off = -1; /* leaves without a probe */
	uint32_t seq;
	socklen_t len = sizeof(seq);

	CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), 0);
	CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len), 0);
	CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	return seq;
}

static uint32_t repair_window(int fd)
{
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);
	int on = 1, off = -1;

	CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len), 0);
	CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	return window.rcv_wnd;
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info;
}

static void check_numbers(int fd)
{
	struct sk_state st = query(fd);

	CHECK_INT(st.write_seq, repair_seq(fd, TCP_SEND_QUEUE));
	CHECK_INT(st.rcv_nxt, repair_seq(fd, TCP_RECV_QUEUE));
	CHECK_INT(st.rcv_wnd, repair_window(fd));
}

static void check_options(int fd)
{
	struct sk_state st = query(fd);
	struct tcp_info info = info_of(fd);

	CHECK_INT(st.tcp_state, info.tcpi_state);
	CHECK_INT(st.mss, info.tcpi_snd_mss);
	CHECK_INT(st.snd_wscale, info.tcpi_snd_wscale);
	CHECK_INT(st.rcv_wscale, info.tcpi_rcv_wscale);
	CHECK_INT(!!(st.flags & SK_TIMESTAMPS), !!(info.tcpi_options & TCPI_OPT_TIMESTAMPS));
	CHECK_INT(!!(st.flags & SK_SACK), !!(info.tcpi_options & TCPI_OPT_SACK));
	CHECK_INT(!!(st.flags & SK_WSCALE), !!(info.tcpi_options & TCPI_OPT_WSCALE));
	CHECK_INT(!!(st.flags & SK_ECN), !!(info.tcpi_options & TCPI_OPT_ECN));
	CHECK_INT(st.flags & SK_OUT_OF_ORDER, 0);
}

static void check_progress(struct fixture *f)
{
	struct sk_state before = query(f->client), there = query(f->server), now;
	char bytes[10] = { 0 };

	CHECK_INT(before.snd_una, before.write_seq); /* all acknowledged */
	CHECK_INT(there.rcv_nxt, before.write_seq);
	CHECK_INT(there.copied_seq, there.rcv_nxt);
	CHECK_INT(send(f->client, bytes, sizeof(bytes), 0), 10);
	CHECK_INT(recv(f->server, bytes, 4, 0), 4); /* has come; six wait */
	now = query(f->server);
	CHECK_INT(now.rcv_nxt - there.rcv_nxt, 10);
	CHECK_INT(now.copied_seq - there.copied_seq, 4);
	now = query(f->client);
	CHECK_INT(now.write_seq - before.write_seq, 10);
	CHECK_INT(now.snd_nxt - before.snd_nxt, 10);
	CHECK_INT(recv(f->server, bytes, 6, 0), 6);
}

/* What an end would stamp now is at or a little beyond what the other has last seen of it. */
static void check_clock(struct fixture *f)
{
	uint32_t ours = query(f->client).ts_now, seen = query(f->server).ts_recent;

	CHECK(ours - seen < 60000u); /* not of another epoch or unit; a busy machine is slow */
}

/* Of this process's network namespace; a sysctl takes a value only in one write at its start. */
static void sysctl_set(const char *name, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

TEST(numbers_and_options_are_those_of_the_kernel)
{
	enum { ALL = SK_TIMESTAMPS | SK_SACK | SK_WSCALE };
	static const struct {
		const char *name, *address;
		const char *sysctl, *value, *usual;
		uint32_t flags;
	} rows[] = {
		{ "IPv4", "127.0.0.1", "tcp_ecn", "2", "2", ALL },
		{ "IPv6", "::1", "tcp_ecn", "2", "2", ALL },
		{ "without timestamps", "127.0.0.1", "tcp_timestamps", "0", "1",
		  ALL & ~SK_TIMESTAMPS },
		{ "without SACK", "127.0.0.1", "tcp_sack", "0", "1", ALL & ~SK_SACK },
		{ "without window scale", "127.0.0.1", "tcp_window_scaling", "0", "1",
		  ALL & ~SK_WSCALE },
		{ "with ECN", "127.0.0.1", "tcp_ecn", "1", "2", ALL | SK_ECN },
	};
	static struct fixture f;

	NEED_GROUP(&f);
	FOR_ROWS (row, rows) {
		sysctl_set(row->sysctl, row->value);
		connect_pair(&f, row->address);
		CHECK_INT(query(f.client).flags, row->flags);
		CHECK_INT(query(f.server).flags, row->flags);
		if (row->flags & SK_WSCALE)
			CHECK(query(f.client).snd_wscale != query(f.client).rcv_wscale);
		socket_carry(f.client, f.server, 100000);
		socket_carry(f.server, f.client, 33333);
		check_progress(&f);
		check_numbers(f.client);
		check_numbers(f.server);
		check_options(f.client);
		check_options(f.server);
		if (row->flags & SK_TIMESTAMPS)
			check_clock(&f);
		close_pair(&f);
		sysctl_set(row->sysctl, row->usual);
	}
	undo();
}

/* A filter that keeps nothing: from now on the socket hears no segment. */
static void deafen(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };

	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
}

TEST(what_is_sent_and_what_is_acknowledged_are_told_apart)
{
	static struct fixture f;
	static char bytes[16384];
	struct sk_state st;
	int size = 200000, queued, unsent;

	NEED_GROUP(&f);
	connect_pair(&f, "127.0.0.1");
	CHECK_INT(setsockopt(f.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	deafen(f.server);
	while (send(f.client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		; /* up to the send buffer, which is more than the window */
	st = query(f.client);
	CHECK_INT(ioctl(f.client, SIOCOUTQ, &queued), 0);
	CHECK_INT(ioctl(f.client, SIOCOUTQNSD, &unsent), 0);
	CHECK(unsent > 0 && queued > unsent);
	CHECK_INT(st.write_seq - st.snd_una, queued);
	CHECK_INT(st.write_seq - st.snd_nxt, unsent);
	CHECK_INT(st.write_seq, repair_seq(f.client, TCP_SEND_QUEUE));
	close_pair(&f);
	undo();
}

/* One byte from the client that leaves a gap of 100 before it. */
static void send_beyond_gap(struct fixture *f)
{
	struct sk_state st = query(f->server);
	struct packet p = TCP4(.src = "127.0.0.1", .dst = "127.0.0.1",
			       .sport = socket_port(f->client), .dport = socket_port(f->server),
			       .seq = st.rcv_nxt + 100, .ack = st.snd_nxt, .payload = "x");
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint8_t frame[PACKET_BYTES_MAX];
	size_t len = packet_build(&p, frame) - ETH_HLEN;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	CHECK(fd >= 0);
	CHECK_INT(sendto(fd, frame + ETH_HLEN, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	close(fd);
}

TEST(a_gap_in_what_was_received_is_told)
{
	static struct fixture f;
	time_t limit = time(NULL) + 10;
	uint32_t rcv_nxt;

	NEED_GROUP(&f);
	connect_pair(&f, "127.0.0.1");
	rcv_nxt = query(f.server).rcv_nxt;
	CHECK_INT(query(f.server).flags & SK_OUT_OF_ORDER, 0);
	send_beyond_gap(&f);
	while (!(query(f.server).flags & SK_OUT_OF_ORDER) && time(NULL) < limit)
		sched_yield();
	CHECK_INT(query(f.server).flags & SK_OUT_OF_ORDER, SK_OUT_OF_ORDER);
	CHECK_INT(query(f.server).rcv_nxt, rcv_nxt);
	CHECK_INT(query(f.client).flags & SK_OUT_OF_ORDER, 0);
	close_pair(&f);
	undo();
}

TEST(other_calls_go_to_the_kernel_untouched)
{
	static struct fixture f;
	struct sk_state st;
	socklen_t len = sizeof(st);
	int udp, on = 1, big[64];

	NEED_GROUP(&f);
	connect_pair(&f, "127.0.0.1");
	CHECK(getsockopt(f.client, SK_QUERY_LEVEL, SK_QUERY_STATE + 1, &st, &len) < 0);
	len = sizeof(st) - 1;
	CHECK(getsockopt(f.client, SK_QUERY_LEVEL, SK_QUERY_STATE, &st, &len) < 0);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = sizeof(st);
	CHECK(getsockopt(udp, SK_QUERY_LEVEL, SK_QUERY_STATE, &st, &len) < 0);
	CHECK_INT(setsockopt(f.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	len = sizeof(big);
	CHECK_INT(getsockopt(f.client, IPPROTO_TCP, SK_QUERY_STATE /* TCP_NODELAY */, big, &len),
		  0);
	CHECK_INT(len, sizeof(int));
	CHECK_INT(big[0], 1);
	len = sizeof(big);
	CHECK_INT(getsockopt(f.client, SOL_SOCKET, SO_TYPE, big, &len), 0);
	CHECK_INT(big[0], SOCK_STREAM);
	len = sizeof(big); /* more than is needed: the answer says how much it is */
	CHECK_INT(getsockopt(f.client, SK_QUERY_LEVEL, SK_QUERY_STATE, big, &len), 0);
	CHECK_INT(len, sizeof(st));
	close(udp);
	close_pair(&f);
	undo();
}
