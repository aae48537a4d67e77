/* One connection: what moves, what waits, how it ends. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/net/conn.h"

struct fixture {
	struct loop *loop;
	struct block_pool pool;
	struct conn *conn;
	int peer;
};

static void setup(struct fixture *f)
{
	struct addr a;
	int fds[2];

	*f = (struct fixture){ .loop = loop_create() };
	block_pool_init(&f->pool, 4);
	CHECK(addr_parse(SPAN("10.0.0.1:80"), &a));
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	f->peer = fds[1];
	f->conn = conn_create(f->loop, fds[0], &a);
}

static void teardown(struct fixture *f)
{
	conn_close(f->conn);
	if (f->peer >= 0)
		close(f->peer);
	block_pool_fini(&f->pool);
	loop_destroy(f->loop);
}

TEST(bytes_are_read_until_none_are_there_and_counted)
{
	struct fixture f;
	struct buf in = { 0 };

	setup(&f);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_AGAIN);
	CHECK_INT(buf_len(&in), 0);
	CHECK_INT(f.pool.taken, 0); /* nothing is held while nothing is there */
	CHECK_INT(send(f.peer, "hello", 5, 0), 5);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_OK);
	CHECK(f.conn->drained);
	CHECK_SPAN(buf_data(&in), SPAN("hello"));
	CHECK_INT(f.conn->got, 5);
	buf_clear(&in, &f.pool);
	teardown(&f);
}

TEST(a_full_buffer_is_said_and_nothing_is_lost)
{
	static char bytes[3 * BLOCK_BYTES];
	struct fixture f;
	struct buf in = { 0 };
	ssize_t sent;

	setup(&f);
	sent = send(f.peer, bytes, sizeof(bytes), 0);
	CHECK(sent > BLOCK_BYTES);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_OK);
	CHECK_INT(buf_len(&in), BLOCK_BYTES);
	CHECK(!f.conn->drained);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_FULL);
	while (f.conn->got < (uint64_t)sent) {
		buf_consume(&in, &f.pool, buf_len(&in));
		CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_OK);
	}
	buf_clear(&in, &f.pool);
	teardown(&f);
}

TEST(what_a_peer_does_not_read_waits)
{
	struct fixture f;
	struct buf out = { 0 };
	char bytes[4096];
	enum conn_result got = CONN_OK;

	setup(&f);
	memset(bytes, 'x', sizeof(bytes));
	while (got == CONN_OK) {
		CHECK(buf_append(&out, &f.pool, span_make(bytes, sizeof(bytes))));
		got = conn_write(f.conn, &out, &f.pool);
	}
	CHECK_INT(got, CONN_AGAIN);
	CHECK(buf_len(&out) > 0 && buf_len(&out) <= sizeof(bytes));
	while (recv(f.peer, bytes, sizeof(bytes), 0) > 0)
		;
	CHECK_INT(conn_write(f.conn, &out, &f.pool), CONN_OK);
	CHECK_INT(buf_len(&out), 0);
	CHECK_INT(f.pool.taken, 0);
	teardown(&f);
}

TEST(an_end_is_said_once_it_is_reached_and_again)
{
	struct fixture f;
	struct buf in = { 0 };

	setup(&f);
	CHECK_INT(send(f.peer, "x", 1, 0), 1);
	shutdown(f.peer, SHUT_WR);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_OK);
	buf_consume(&in, &f.pool, 1);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_EOF);
	CHECK_INT(conn_read(f.conn, &in, &f.pool), CONN_EOF);
	CHECK(f.conn->eof);
	CHECK_INT(f.pool.taken, 0); /* nothing is held for what cannot come */
	buf_clear(&in, &f.pool);
	teardown(&f);
}

TEST(finishing_is_seen_by_the_peer_once_all_was_read)
{
	struct fixture f;
	struct buf out = { 0 };
	char bytes[8];

	setup(&f);
	CHECK(buf_append(&out, &f.pool, SPAN("bye")));
	CHECK_INT(conn_write(f.conn, &out, &f.pool), CONN_OK);
	CHECK_INT(f.conn->put, 3);
	conn_shut(f.conn);
	conn_shut(f.conn); /* no effect */
	CHECK_INT(recv(f.peer, bytes, sizeof(bytes), 0), 3);
	CHECK_INT(recv(f.peer, bytes, sizeof(bytes), 0), 0);
	teardown(&f);
}

TEST(a_peer_that_is_gone_is_an_error_and_no_signal)
{
	struct fixture f;
	struct buf out = { 0 };

	setup(&f);
	close(f.peer);
	f.peer = -1;
	CHECK(buf_append(&out, &f.pool, SPAN("x")));
	CHECK_INT(conn_write(f.conn, &out, &f.pool), CONN_ERROR);
	buf_clear(&out, &f.pool);
	teardown(&f);
}

static void on_writable(void *context, int events)
{
	(void)events;
	loop_stop(context);
}

/* Connects to 127.0.0.1 on the port of fd; conn_connected's answer. */
static int connect_to(struct loop *loop, int port, struct conn **out_conn)
{
	struct addr to, source;
	struct connect_options how = { .source = &source };

	CHECK(addr_parse_ip(SPAN("127.0.0.1"), &to) && addr_parse_ip(SPAN("127.0.0.2"), &source));
	to.port = htons((uint16_t)port);
	*out_conn = conn_connect(loop, &to, &how);
	CHECK(*out_conn != NULL);
	CHECK((*out_conn)->connecting);
	conn_listen(*out_conn, on_writable, loop);
	watch_set(&(*out_conn)->watch, WATCH_WRITE);
	loop_run(loop);
	return conn_connected(*out_conn);
}

static int listen_on_loopback(int *out_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(bind(fd, (struct sockaddr *)&at, len), 0);
	CHECK_INT(listen(fd, 1), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*out_port = ntohs(at.sin_port);
	return fd;
}

TEST(a_connection_comes_from_the_address_that_was_asked_for)
{
	struct loop *loop = loop_create();
	struct conn *conn;
	int port, fd = listen_on_loopback(&port);

	CHECK_INT(connect_to(loop, port, &conn), 0);
	CHECK(!conn->connecting);
	CHECK_INT(ntohl(conn_local(conn)->ip[3]), 0x7f000002);
	conn_close(conn);
	close(fd);
	loop_destroy(loop);
}

TEST(a_connection_that_is_refused_says_so)
{
	struct loop *loop = loop_create();
	struct conn *conn;
	int port, fd = listen_on_loopback(&port);

	close(fd);
	CHECK_INT(connect_to(loop, port, &conn), ECONNREFUSED);
	conn_close(conn);
	loop_destroy(loop);
}

/* Accepts the connection that stands; blocking reads end as soon as it ends. */
static int accept_from(int fd)
{
	int peer = accept(fd, NULL, NULL);

	CHECK(peer >= 0);
	return peer;
}

TEST(a_close_is_an_end_for_the_peer_and_a_reset_an_error)
{
	static const struct {
		const char *name;
		bool reset;
		ssize_t got;
	} rows[] = { { "closed", false, 0 }, { "reset", true, -1 } };

	FOR_ROWS (row, rows) {
		struct loop *loop = loop_create();
		struct conn *conn;
		int port, peer, fd = listen_on_loopback(&port);
		char byte;

		CHECK_INT(connect_to(loop, port, &conn), 0);
		peer = accept_from(fd);
		if (row->reset)
			conn_reset(conn);
		conn_close(conn);
		CHECK_INT(recv(peer, &byte, 1, 0), row->got);
		CHECK(!row->reset || errno == ECONNRESET);
		close(peer);
		close(fd);
		loop_destroy(loop);
	}
}

TEST(a_reset_by_the_peer_is_an_error_behind_what_it_sent)
{
	struct linger now = { .l_onoff = 1 };
	struct loop *loop = loop_create();
	struct block_pool pool;
	struct buf in = { 0 };
	struct conn *conn;
	int port, peer, fd = listen_on_loopback(&port);

	block_pool_init(&pool, 1);
	CHECK_INT(connect_to(loop, port, &conn), 0);
	peer = accept_from(fd);
	CHECK_INT(send(peer, "x", 1, 0), 1);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	CHECK_INT(conn_read(conn, &in, &pool), CONN_OK);
	buf_consume(&in, &pool, 1);
	CHECK_INT(conn_read(conn, &in, &pool), CONN_ERROR);
	CHECK_INT(conn->got, 1);
	CHECK(!conn->eof); /* it did not finish, it broke off */
	CHECK_INT(pool.taken, 0);
	conn_close(conn);
	block_pool_fini(&pool);
	close(fd);
	loop_destroy(loop);
}

/* The other direction goes on: the peer has finished, we have not. */
TEST(after_the_peer_has_finished_we_may_still_write)
{
	struct loop *loop = loop_create();
	struct block_pool pool;
	struct buf in = { 0 }, out = { 0 };
	struct conn *conn;
	int port, peer, fd = listen_on_loopback(&port);
	char bytes[8];

	block_pool_init(&pool, 2);
	CHECK_INT(connect_to(loop, port, &conn), 0);
	peer = accept_from(fd);
	CHECK_INT(shutdown(peer, SHUT_WR), 0);
	CHECK_INT(conn_read(conn, &in, &pool), CONN_EOF);
	CHECK(buf_append(&out, &pool, SPAN("late")));
	CHECK_INT(conn_write(conn, &out, &pool), CONN_OK);
	conn_shut(conn);
	CHECK_INT(recv(peer, bytes, sizeof(bytes), MSG_WAITALL), 4);
	CHECK_BYTES(bytes, 4, "late", 4);
	conn_close(conn);
	conn_close(NULL);
	close(peer);
	block_pool_fini(&pool);
	close(fd);
	loop_destroy(loop);
}
