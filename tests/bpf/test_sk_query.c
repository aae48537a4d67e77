/* What sk_query says of live sockets, held against TCP_REPAIR and TCP_INFO. */
#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
	f->listener = socket_listen(address, 0);
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

/* Each end's own clock is what the other has seen of it last; no time passes on it by itself here.
 */
static void check_clock(struct fixture *f)
{
	uint32_t ours = query(f->client).ts_now, seen = query(f->server).ts_recent;

	CHECK(ours - seen < 60000u); /* not of another epoch or unit; a busy machine is slow */
}

TEST(numbers_and_options_are_those_of_the_kernel)
{
	static const struct {
		const char *name, *address;
		const char *sysctl, *value;
	} rows[] = {
		{ "IPv4", "127.0.0.1", NULL, NULL },
		{ "IPv6", "::1", NULL, NULL },
		{ "without timestamps", "127.0.0.1", "tcp_timestamps", "0" },
		{ "without SACK", "127.0.0.1", "tcp_sack", "0" },
		{ "without window scale", "127.0.0.1", "tcp_window_scaling", "0" },
		{ "with ECN", "127.0.0.1", "tcp_ecn", "1" },
	};
	static struct fixture f;

	NEED_GROUP(&f);
	FOR_ROWS (row, rows) {
		char path[96], before[16] = "";
		FILE *file;

		if (row->sysctl) {
			snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", row->sysctl);
			file = fopen(path, "r+");
			CHECK(file != NULL && fgets(before, sizeof(before), file) != NULL);
			fputs(row->value, file);
			fclose(file);
		}
		connect_pair(&f, row->address);
		socket_carry(f.client, f.server, 100000);
		socket_carry(f.server, f.client, 33333);
		check_progress(&f);
		check_numbers(f.client);
		check_numbers(f.server);
		check_options(f.client);
		check_options(f.server);
		if (query(f.client).flags & SK_TIMESTAMPS)
			check_clock(&f);
		close_pair(&f);
		if (row->sysctl) {
			file = fopen(path, "w");
			CHECK(file != NULL);
			fputs(before, file);
			fclose(file);
		}
	}
	undo();
}

TEST(other_calls_go_to_the_kernel_untouched)
{
	static struct fixture f;
	struct sk_state st;
	socklen_t len = sizeof(st);
	int udp, value;

	NEED_GROUP(&f);
	connect_pair(&f, "127.0.0.1");
	CHECK(getsockopt(f.client, SK_QUERY_LEVEL, SK_QUERY_STATE + 1, &st, &len) < 0);
	len = sizeof(st) - 1;
	CHECK(getsockopt(f.client, SK_QUERY_LEVEL, SK_QUERY_STATE, &st, &len) < 0);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = sizeof(st);
	CHECK(getsockopt(udp, SK_QUERY_LEVEL, SK_QUERY_STATE, &st, &len) < 0);
	len = sizeof(value);
	CHECK_INT(getsockopt(f.client, SOL_SOCKET, SO_TYPE, &value, &len), 0);
	CHECK_INT(value, SOCK_STREAM);
	close(udp);
	close_pair(&f);
	undo();
}
