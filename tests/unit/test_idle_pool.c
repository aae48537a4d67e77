/* Idle connections: the newest first, limits, and peers that close or speak out of turn. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/upstream/idle_pool.h"

enum { PAIRS = 8, AGE_MS = 60000 };

struct fixture {
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
	*f = (struct fixture){ .loop = loop_create() };
	f->pool = idle_pool_create(f->loop, (struct idle_limits){ total, per_endpoint, AGE_MS });
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
	timer_start(&f->limit, 20);
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
	idle_pool_give(f.pool, a);
	idle_pool_give(f.pool, other);
	idle_pool_give(f.pool, b);
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
		idle_pool_give(f.pool, conns[i]);
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
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.2:80"));
	CHECK(!is_closed(f.peers[0]));
	CHECK(is_closed(f.peers[1]));
	teardown(&f);
}

TEST(a_limit_of_none_keeps_none)
{
	struct fixture f;

	setup(&f, 8, 0);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
	CHECK(is_closed(f.peers[0]));
	teardown(&f);
}

TEST(a_peer_that_closes_is_forgotten)
{
	struct fixture f;

	setup(&f, 8, 8);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
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
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
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
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
	kept = conn_to(&f, "10.0.0.2:80");
	idle_pool_give(f.pool, kept);
	idle_pool_give(f.pool, conn_to(&f, "10.0.0.1:80"));
	idle_pool_sift(f.pool, is_second, &wanted);
	CHECK(is_closed(f.peers[0]) && is_closed(f.peers[2]));
	CHECK(take(&f, "10.0.0.2:80") == kept);
	conn_close(kept);
	teardown(&f);
}
