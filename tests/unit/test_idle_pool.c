/* Idle connections: the newest first, limits, and peers that close or speak out of turn. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/fake_clock.h"
#include "tests/harness/test.h"
#include "userspace/upstream/idle_pool.h"

enum { PAIRS = 8, AGE_MS = 60000 };

struct fixture {
	uint32_t per_endpoint;
	struct loop *loop;
	struct idle_pool *pool;
	struct timer limit;
	int peers[PAIRS], count;
};

static struct addr address(const char *text)
{
	struct addr a;

	CHECK(addr_parse(span_of(text), &a));
	return a;
}

static void on_limit(void *context)
{
	struct fixture *f = context;

	loop_stop(f->loop);
}

static void setup(struct fixture *f, uint32_t total, uint32_t per_endpoint)
{
	*f = (struct fixture){ .loop = loop_create(), .per_endpoint = per_endpoint };
	f->pool = idle_pool_create(f->loop, (struct idle_limits){ total, AGE_MS });
	timer_init(&f->limit, f->loop, on_limit, f);
}

static void teardown(struct fixture *f)
{
	idle_pool_destroy(f->pool);
	timer_stop(&f->limit);
	while (f->count > 0)
		close(f->peers[--f->count]);
	loop_destroy(f->loop);
}

/* A connection "to" that address; its other end is the test's. */
static struct conn *conn_to(struct fixture *f, const char *to)
{
	struct addr a = address(to);
	int fds[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	f->peers[f->count++] = fds[1];
	return conn_create(f->loop, fds[0], &a);
}

static struct conn *take(struct fixture *f, const char *to)
{
	struct addr a = address(to);

	return idle_pool_take(f->pool, &a, 0);
}

/* Whether our end of it was closed. */
static bool is_closed(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

/* One turn and what it brings; the pool has nothing that would stop it. */
static void turn(struct fixture *f)
{
	timer_start(&f->limit, 0);
	loop_run(f->loop);
}

TEST(the_newest_of_an_endpoint_comes_first)
{
	struct fixture f;
	struct conn *a, *b, *other;

	setup(&f, 8, 8);
	a = conn_to(&f, "10.0.0.1:80");
	other = conn_to(&f, "10.0.0.1:81");
	b = conn_to(&f, "10.0.0.1:80");
	idle_pool_give(f.pool, a, f.per_endpoint);
	idle_pool_give(f.pool, other, f.per_endpoint);
	idle_pool_give(f.pool, b, f.per_endpoint);
	CHECK(take(&f, "10.0.0.1:80") == b);
	CHECK(take(&f, "10.0.0.1:80") == a);
	CHECK(take(&f, "10.0.0.1:80") == NULL);
	CHECK(take(&f, "10.0.0.2:81") == NULL);
	CHECK(take(&f, "10.0.0.1:81") == other);
	conn_close(a);
	conn_close(b);
	conn_close(other);
	teardown(&f);
}

TEST(at_the_limit_of_an_endpoint_the_oldest_goes)
{
	struct fixture f;
	struct conn *conns[3];

	setup(&f, 8, 2);
	for (int i = 0; i < 3; i++) {
		conns[i] = conn_to(&f, "10.0.0.1:80");
		idle_pool_give(f.pool, conns[i], f.per_endpoint);
	}
	CHECK(is_closed(f.peers[0]));
	CHECK(!is_closed(f.peers[1]) && !is_closed(f.peers[2]));
	teardown(&f);
	CHECK_INT(f.count, 0);
}

TEST(at_the_limit_of_all_the_new_one_goes)
{
	struct fixture f;

	setup(&f, 1, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.2:80"), f.per_endpoint);
	CHECK(!is_closed(f.peers[0]));
	CHECK(is_closed(f.peers[1]));
	teardown(&f);
}

TEST(a_limit_of_none_keeps_none)
{
	struct fixture f;

	setup(&f, 8, 0);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	CHECK(is_closed(f.peers[0]));
	teardown(&f);
}

TEST(a_peer_that_closes_is_forgotten)
{
	struct fixture f;

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	shutdown(f.peers[0], SHUT_WR);
	turn(&f);
	CHECK(take(&f, "10.0.0.1:80") == NULL);
	CHECK(is_closed(f.peers[0]));
	teardown(&f);
}

TEST(a_peer_that_speaks_out_of_turn_is_closed)
{
	struct fixture f;

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	CHECK_INT(send(f.peers[0], "HTTP/1.1 200 OK\r\n", 17, 0), 17);
	turn(&f);
	CHECK(take(&f, "10.0.0.1:80") == NULL);
	teardown(&f);
}

static bool is_second(const struct addr *to, const void *context)
{
	return addr_is(to, context);
}

TEST(endpoints_that_nobody_wants_any_more_are_sifted_out)
{
	struct fixture f;
	struct addr wanted = address("10.0.0.2:80");
	struct conn *kept;

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	kept = conn_to(&f, "10.0.0.2:80");
	idle_pool_give(f.pool, kept, f.per_endpoint);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	idle_pool_sift(f.pool, is_second, &wanted);
	CHECK(is_closed(f.peers[0]) && is_closed(f.peers[2]));
	CHECK(take(&f, "10.0.0.2:80") == kept);
	conn_close(kept);
	teardown(&f);
}

TEST(who_was_idle_for_too_long_is_closed)
{
	static const struct {
		const char *name;
		uint64_t first_ms, second_ms; /* how long each is idle */
		bool first_closed, second_closed;
	} rows[] = {
		{ "neither", AGE_MS - 1000, 5000, false, false },
		{ "only the older one", AGE_MS + 1000, AGE_MS - 1000, true, false },
		{ "both", AGE_MS + 9000, AGE_MS + 1000, true, true },
	};

	FOR_ROWS (row, rows) {
		struct fixture f;

		setup(&f, 8, 8);
		idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
		fake_clock_advance(row->first_ms - row->second_ms);
		idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
		fake_clock_advance(row->second_ms);
		turn(&f);
		CHECK_INT(is_closed(f.peers[0]), row->first_closed);
		CHECK_INT(is_closed(f.peers[1]), row->second_closed);
		teardown(&f);
	}
}

struct later {
	struct fixture *f;
	struct timer timer;
};

static void on_later(void *context)
{
	struct later *later = context;

	CHECK(!is_closed(later->f->peers[0]));
	fake_clock_advance(AGE_MS);
	timer_start(&later->f->limit, 5000); /* due, too, in the next turn */
}

TEST(the_sweep_goes_on_while_there_is_somebody_to_close)
{
	struct fixture f;
	struct later later = { .f = &f };

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	timer_init(&later.timer, f.loop, on_later, &later);
	timer_start(&later.timer, 2000);
	fake_clock_advance(3000); /* a sweep that finds nobody old enough */
	loop_run(f.loop);
	CHECK(is_closed(f.peers[0]));
	teardown(&f);
}

TEST(what_the_peer_says_after_the_connection_was_taken_is_for_the_taker)
{
	struct fixture f;
	struct conn *conn;
	char byte;

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"), f.per_endpoint);
	conn = take(&f, "10.0.0.1:80");
	CHECK(conn);
	CHECK_INT(send(f.peers[0], "x", 1, 0), 1);
	turn(&f);
	CHECK(!is_closed(f.peers[0]));
	CHECK_INT(recv(conn->fd, &byte, 1, 0), 1);
	conn_close(conn);
	teardown(&f);
}

/* So many endpoints that some share whatever the pool sorts them by. */
TEST(each_of_many_endpoints_gets_its_own_connection)
{
	enum { MANY = 1500, FDS = MANY + 100 };
	struct addr to = address("10.0.0.1:1");
	struct rlimit before, more;
	struct fixture f;

	getrlimit(RLIMIT_NOFILE, &before);
	more = before;
	if (more.rlim_max < FDS)
		TEST_SKIP("it needs 1600 descriptors");
	if (more.rlim_cur < FDS)
		more.rlim_cur = FDS;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &more), 0);
	setup(&f, MANY, 1);
	conn_close(conn_to(&f, "10.0.0.1:1"));
	for (uint32_t i = 0; i < MANY; i++) {
		int fd = dup(f.peers[0]);

		CHECK(fd >= 0);
		to.port = htons((uint16_t)(i + 1));
		idle_pool_give(f.pool, conn_create(f.loop, fd, &to), f.per_endpoint);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		struct conn *conn;

		to.port = htons((uint16_t)(i + 1));
		conn = idle_pool_take(f.pool, &to, 0);
		CHECK(conn);
		CHECK(addr_is(&conn->peer, &to));
		conn_close(conn);
	}
	teardown(&f);
	setrlimit(RLIMIT_NOFILE, &before);
}
