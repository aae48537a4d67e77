/* One socket serves many probes, and nothing of one is left for the next. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/upstream/health_stream.h"

enum { ROUNDS = 20, PATIENCE_MS = 20000 };

struct asker {
	struct loop *loop;
	struct health_streams *streams;
	struct health_stream *stream;
	struct timer patience;
	int told;
	bool failed;
};

static int listen_at(struct addr *out_at)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(listen(fd, 100), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	CHECK(addr_from_sockaddr((struct sockaddr *)&at, out_at));
	return fd;
}

static void on_ready(void *context, bool failed)
{
	struct asker *a = context;

	a->told++;
	a->failed = failed;
	loop_stop(a->loop);
}

static void on_patience(void *context)
{
	loop_stop(((struct asker *)context)->loop);
}

static void asker_init(struct asker *a)
{
	*a = (struct asker){ .loop = loop_create() };
	a->streams = health_streams_create(a->loop, 2);
	timer_init(&a->patience, a->loop, on_patience, a);
}

static void asker_fini(struct asker *a)
{
	timer_stop(&a->patience);
	health_streams_destroy(a->streams);
	loop_destroy(a->loop);
}

/* Until it is told something; its socket. */
static int ask(struct asker *a, const struct addr *to, const char *source)
{
	struct health_way way = { .to = *to, .host = *to };
	struct err err = { "" };

	if (source)
		CHECK(addr_parse_ip(span_of(source), &way.source));
	a->told = 0;
	a->stream = health_stream_open(a->streams, &way, on_ready, a, &err);
	CHECK_STR(err.text, "");
	timer_start(&a->patience, PATIENCE_MS);
	loop_again(a->loop);
	loop_run(a->loop);
	CHECK_INT(a->told, 1);
	return health_stream_fd(a->stream);
}

static int count_files(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void check_source(int fd, const char *want)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	char text[INET_ADDRSTRLEN];

	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	CHECK_STR(inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text)), want);
}

TEST(a_socket_that_was_reset_serves_the_next_as_if_it_was_new)
{
	struct addr at[2];
	int listeners[2] = { listen_at(&at[0]), listen_at(&at[1]) }, first = -1;
	struct asker a;

	asker_init(&a);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = ask(&a, &at[i % 2], NULL);

		if (i == 0)
			first = fd;
		CHECK_INT(fd, first);
		CHECK(!a.failed);
		CHECK_INT(health_stream_error(a.stream), 0);
		CHECK_INT(recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
		CHECK_INT(errno, EAGAIN);
		CHECK_INT(send(fd, "x", 1, MSG_NOSIGNAL), 1);
		health_stream_close(a.stream, HEALTH_ENDS_AGAIN);
	}
	asker_fini(&a);
	close(listeners[0]);
	close(listeners[1]);
}

TEST(a_port_that_is_closed_is_told_and_nobody_after_it_suffers)
{
	struct addr open_at, closed_at;
	int listener = listen_at(&open_at);
	struct asker a;

	close(listen_at(&closed_at));
	asker_init(&a);
	for (int i = 0; i < ROUNDS; i++) {
		ask(&a, &closed_at, NULL);
		CHECK(a.failed);
		CHECK_INT(health_stream_error(a.stream), ECONNREFUSED);
		health_stream_close(a.stream, HEALTH_ENDS_RESET);
		ask(&a, &open_at, NULL);
		CHECK(!a.failed);
		health_stream_close(a.stream, HEALTH_ENDS_AGAIN);
	}
	asker_fini(&a);
	close(listener);
}

TEST(a_source_stays_with_those_that_want_it)
{
	struct addr at;
	int listener = listen_at(&at), files;
	struct asker a;

	asker_init(&a);
	files = count_files();
	for (int i = 0; i < ROUNDS; i++) {
		static const char *const sources[] = { NULL, "127.0.0.2", "127.0.0.3" };
		const char *source = sources[i * 7 % 3];

		check_source(ask(&a, &at, source), source ? source : "127.0.0.1");
		CHECK(!a.failed);
		health_stream_close(a.stream, HEALTH_ENDS_AGAIN);
		/* Of three kinds of which two may be open: an unused one makes room. */
		CHECK(count_files() <= files + 2);
	}
	asker_fini(&a);
	close(listener);
}

/* Told of the first, both go: what is told of the second is for nobody. */
static struct health_stream *pair[2];
static int pair_told;

static void on_pair(void *context, bool failed)
{
	struct asker *a = context;

	CHECK(!failed);
	pair_told++;
	health_stream_close(pair[0], HEALTH_ENDS);
	health_stream_close(pair[1], HEALTH_ENDS);
	loop_stop(a->loop);
}

TEST(who_is_closed_by_another_of_the_same_turn_is_told_nothing)
{
	struct err err = { "" };
	struct addr at;
	int listener = listen_at(&at);
	struct health_way way = { .to = at, .host = at };
	struct asker a;

	asker_init(&a);
	for (int i = 0; i < 2; i++)
		pair[i] = health_stream_open(a.streams, &way, on_pair, &a, &err);
	CHECK_STR(err.text, "");
	timer_start(&a.patience, PATIENCE_MS);
	loop_run(a.loop);
	CHECK_INT(pair_told, 1);
	asker_fini(&a);
	close(listener);
}
