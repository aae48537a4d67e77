#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/net/listener.h"

static struct listener_socket_options at(const char *text)
{
	struct listener_socket_options options = { .max_segment = 0 };

	CHECK(addr_parse(span_of(text), &options.address));
	return options;
}

/* A port that was free a moment ago; another test may take it, so tests ask for one each. */
static struct listener_socket_options free_place(int *out_fd)
{
	struct listener_socket_options options = at("127.0.0.1:1");
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, "127.0.0.1", &any.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	CHECK(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&any, &len) == 0);
	options.address.port = any.sin_port;
	*out_fd = fd; /* bound, not listening: keeps the port from others */
	return options;
}

static int connect_to(const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	CHECK(connect(fd, (struct sockaddr *)&ss, len) == 0);
	return fd;
}

struct seen {
	struct loop *loop;
	int accepted, errors, want;
	int asked, refused_first; /* how often; so often with no */
	uint32_t tag;
	struct addr peer;
	int no_delay;
	bool non_blocking;
};

static bool may_accept(void *context, uint32_t tag)
{
	struct seen *seen = context;

	(void)tag;
	return seen->asked++ >= seen->refused_first;
}

static void on_accept(void *context, int fd, uint32_t tag, const struct addr *peer)
{
	struct seen *seen = context;
	socklen_t len = sizeof(seen->no_delay);

	seen->tag = tag;
	seen->peer = *peer;
	getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &seen->no_delay, &len);
	seen->non_blocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
	close(fd);
	if (++seen->accepted == seen->want)
		loop_stop(seen->loop);
}

static void on_accept_error(void *context)
{
	struct seen *seen = context;

	seen->errors++;
}

TEST(several_sockets_share_an_address)
{
	int hold, first, second;
	struct listener_socket_options options = free_place(&hold);
	struct err err;

	CHECK(listener_socket_open(&options, &first, &err));
	CHECK(listener_socket_open(&options, &second, &err));
	close(first);
	close(second);
	close(hold);
}

TEST(an_address_where_another_listens_is_refused_with_advice)
{
	int hold, first;
	struct listener_socket_options options = free_place(&hold);
	struct err err = { "" };
	char want[256];

	CHECK(listener_socket_open(&options, &first, &err));
	CHECK(!listener_socket_probe(&options, &err));
	snprintf(want, sizeof(want),
		 "cannot listen on %s: another process does; find it with "
		 "\"ss -ltnp\" and stop it, or change the port",
		 addr_print(&options.address).text);
	CHECK_STR(err.text, want);
	close(first);
	close(hold);
}

TEST(a_foreign_address_needs_free_bind)
{
	struct listener_socket_options options = at("192.0.2.77:8080");
	struct err err = { "" };
	int fd = -1;

	CHECK(!listener_socket_open(&options, &fd, &err));
	CHECK_INT(fd, -1);
	CHECK(strstr(err.text, "no interface has this address") != NULL);
	options.free_bind = true;
	CHECK(listener_socket_open(&options, &fd, &err));
	close(fd);
}

TEST(the_largest_segment_is_set)
{
	int hold, fd, mss = 0;
	struct listener_socket_options options = free_place(&hold);
	socklen_t len = sizeof(mss);
	struct err err;

	options.max_segment = 1000;
	CHECK(listener_socket_open(&options, &fd, &err));
	getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
	CHECK_INT(mss, 1000);
	close(fd);
	close(hold);
}

TEST(connections_are_accepted_with_the_present_tag)
{
	int hold, fd, clients[3];
	struct listener_socket_options options = free_place(&hold);
	struct seen seen = { .loop = loop_create(), .want = 3 };
	struct listener_hooks hooks = { may_accept, on_accept, on_accept_error, &seen };
	struct listener_watch *watch;
	struct err err;

	CHECK(listener_socket_open(&options, &fd, &err));
	watch = listener_watch_create(seen.loop, fd, 4, &hooks);
	listener_watch_retag(watch, 9);
	for (int i = 0; i < 3; i++)
		clients[i] = connect_to(&options.address);
	loop_run(seen.loop);
	CHECK_INT(seen.accepted, 3);
	CHECK_INT(seen.tag, 9);
	CHECK_INT(ntohl(seen.peer.ip[3]), 0x7f000001);
	CHECK_INT(seen.no_delay, 1);
	CHECK(seen.non_blocking);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	listener_watch_destroy(watch);
	loop_destroy(seen.loop);
	close(hold);
}

TEST(what_waits_in_the_queue_is_accepted_before_closing)
{
	int hold, fd, client;
	struct listener_socket_options options = free_place(&hold);
	struct seen seen = { .loop = loop_create(), .want = 1 };
	struct listener_hooks hooks = { may_accept, on_accept, on_accept_error, &seen };
	struct listener_watch *watch;
	struct err err;

	CHECK(listener_socket_open(&options, &fd, &err));
	watch = listener_watch_create(seen.loop, fd, 4, &hooks);
	client = connect_to(&options.address);
	listener_watch_flush(watch); /* the loop has not run */
	CHECK_INT(seen.accepted, 1);
	listener_watch_destroy(watch);
	loop_destroy(seen.loop);
	close(client);
	close(hold);
}

/* It is asked once a rest: a loop that spins would ask thousands of times. */
TEST(while_there_is_no_room_connections_wait_in_the_queue)
{
	int hold, fd, client;
	struct listener_socket_options options = free_place(&hold);
	struct seen seen = { .loop = loop_create(), .want = 1, .refused_first = 3 };
	struct listener_hooks hooks = { may_accept, on_accept, on_accept_error, &seen };
	struct listener_watch *watch;
	struct err err;

	CHECK(listener_socket_open(&options, &fd, &err));
	watch = listener_watch_create(seen.loop, fd, 4, &hooks);
	client = connect_to(&options.address);
	loop_run(seen.loop);
	CHECK_INT(seen.accepted, 1);
	CHECK_INT(seen.asked, 5); /* the last time for a second connection */
	CHECK_INT(seen.errors, 0);
	listener_watch_destroy(watch);
	loop_destroy(seen.loop);
	close(client);
	close(hold);
}

/* The watch must rest, or the loop would spin; afterwards the connection is still there. */
TEST(without_descriptors_the_listener_rests_and_comes_back)
{
	int hold, fd, client, used;
	struct listener_socket_options options = free_place(&hold);
	struct seen seen = { .loop = loop_create(), .want = 1 };
	struct listener_hooks hooks = { may_accept, on_accept, on_accept_error, &seen };
	struct listener_watch *watch;
	struct rlimit before, few;
	struct err err;

	CHECK(listener_socket_open(&options, &fd, &err));
	watch = listener_watch_create(seen.loop, fd, 4, &hooks);
	client = connect_to(&options.address);
	getrlimit(RLIMIT_NOFILE, &before);
	used = dup(client);
	close(used);
	few = (struct rlimit){ .rlim_cur = (rlim_t)used, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	listener_watch_flush(watch);
	setrlimit(RLIMIT_NOFILE, &before);
	CHECK_INT(seen.errors, 1);
	CHECK_INT(seen.accepted, 0);
	loop_run(seen.loop); /* until it was accepted */
	CHECK_INT(seen.accepted, 1);
	listener_watch_destroy(watch);
	loop_destroy(seen.loop);
	close(client);
	close(hold);
}
