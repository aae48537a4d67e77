#include "userspace/net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/base/must.h"

struct conn *conn_create(struct loop *loop, int fd, const struct addr *peer)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->fd = fd;
	conn->peer = *peer;
	watch_init(&conn->watch, loop, fd, NULL, NULL);
	return conn;
}

static bool bind_source(int fd, const struct addr *source)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(source, &ss);
	int on = 1;

	/* A port of our own choice may be in use towards another endpoint. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!source->port)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&ss, len) == 0;
}

static bool enter_tunnel(int fd, const struct conn_tunnel *tunnel)
{
	int ifindex = (int)tunnel->ifindex;

	return setsockopt(fd, SOL_SOCKET, SO_MARK, &tunnel->mark, sizeof(tunnel->mark)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) == 0;
}

struct conn *conn_connect(struct loop *loop, const struct addr *to,
			  const struct connect_options *options)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *conn;
	int saved, on = 1;

	if (fd < 0)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (options->max_segment)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &options->max_segment,
			   sizeof(options->max_segment));
	if (options->tunnel && !enter_tunnel(fd, options->tunnel))
		goto close_fd;
	if (options->source && !bind_source(fd, options->source))
		goto close_fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		goto close_fd;
	conn = conn_create(loop, fd, to);
	if (!conn) {
		errno = ENOMEM;
		return NULL;
	}
	conn->connecting = true;
	if (options->tunnel) {
		conn->tunnel = must_alloc(sizeof(*conn->tunnel));
		*conn->tunnel = *options->tunnel;
	}
	return conn;

close_fd:
	saved = errno;
	close(fd);
	errno = saved;
	return NULL;
}

const struct addr *conn_local(struct conn *conn)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (conn->local.port == 0 && getsockname(conn->fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr((struct sockaddr *)&ss, &conn->local);
	return &conn->local;
}

/* The socket's queue is empty, so all of it goes or the connection is of no use. */
static int send_prelude(struct conn *conn)
{
	if (conn->prelude && send(conn->fd, conn->prelude, conn->prelude_len, MSG_NOSIGNAL) !=
				     (ssize_t)conn->prelude_len)
		return ECONNABORTED;
	free(conn->prelude);
	conn->prelude = NULL;
	return 0;
}

int conn_connected(struct conn *conn)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(int);
	int error = 0;

	if (!conn->connecting)
		return 0;
	if (conn->wants) /* TCP stands: the handshake goes on */
		return conn_handshake(conn);
	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	if (error)
		return error;
	len = sizeof(ss);
	if (getpeername(conn->fd, (struct sockaddr *)&ss, &len) < 0)
		return EINPROGRESS;
	error = send_prelude(conn);
	return error ? error : conn_handshake(conn);
}

int conn_handshake(struct conn *conn)
{
	int error = conn->ops ? conn->ops->handshake(conn) : 0;

	conn->connecting = error == EAGAIN;
	return conn->connecting ? EINPROGRESS : error;
}

/* Tickets of TLS 1.3 come when they like, and are no bytes of the peer's. */
bool conn_is_quiet(struct conn *conn)
{
	char byte;

	if (conn->ops)
		return conn->ops->read(conn, &byte, 1) < 0 && errno == EAGAIN;
	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

struct conn_sight conn_look(const struct conn *conn)
{
	struct pollfd now = { .fd = conn->fd, .events = POLLIN | POLLRDHUP };

	if (poll(&now, 1, 0) < 0)
		return (struct conn_sight){ 0 };
	return (struct conn_sight){ .spoken = now.revents & POLLIN,
				    .finished = conn->eof || now.revents & POLLRDHUP,
				    .gone = now.revents & (POLLERR | POLLHUP) };
}

void conn_listen(struct conn *conn, void (*on_ready)(void *context, int events), void *context)
{
	conn->watch.on_ready = on_ready;
	conn->watch.context = context;
}

static ssize_t receive(struct conn *conn, char *at, uint32_t room)
{
	ssize_t n;

	do
		n = conn->ops ? conn->ops->read(conn, at, room) : recv(conn->fd, at, room, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

enum conn_result conn_read(struct conn *conn, struct buf *to, struct block_pool *pool)
{
	uint32_t room;
	ssize_t n;
	char *at;

	if (conn->eof)
		return CONN_EOF;
	at = buf_room(to, pool, &room);
	if (!at)
		return CONN_FULL;
	n = receive(conn, at, room);
	if (n > 0) {
		buf_added(to, (uint32_t)n);
		conn->got += (uint64_t)n;
		conn->drained = !conn->ops && (uint32_t)n < room;
		return CONN_OK;
	}
	buf_consume(to, pool, 0); /* gives an unused block back */
	conn->drained = true;
	if (n == 0) {
		conn->eof = true;
		return CONN_EOF;
	}
	if (errno == EAGAIN)
		return CONN_AGAIN;
	conn->broken = true;
	return CONN_ERROR;
}

enum conn_result conn_write(struct conn *conn, struct buf *from, struct block_pool *pool)
{
	while (buf_len(from) > 0) {
		struct span data = buf_data(from);
		ssize_t n = conn->ops ? conn->ops->write(conn, data.at, data.len)
				      : send(conn->fd, data.at, data.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? CONN_AGAIN : CONN_ERROR;
		conn->put += (uint64_t)n;
		buf_consume(from, pool, (uint32_t)n);
	}
	return CONN_OK;
}

void conn_rest(struct conn *conn)
{
	if (conn->ops)
		conn->ops->rest(conn);
}

void conn_shut(struct conn *conn)
{
	if (conn->shut)
		return;
	conn->shut = true;
	if (conn->ops)
		conn->ops->finish(conn);
	shutdown(conn->fd, SHUT_WR);
}

void conn_reset(struct conn *conn)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void conn_reset_not(struct conn *conn)
{
	struct linger never = { .l_onoff = 0 };

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &never, sizeof(never));
}

void conn_close(struct conn *conn)
{
	if (!conn)
		return;
	MUST(!conn->idle_home);
	watch_fini(&conn->watch);
	if (conn->ops)
		conn->ops->free(conn);
	free(conn->tunnel);
	free(conn->prelude);
	close(conn->fd);
	if (conn->on_closed)
		conn->on_closed(conn->closed_context);
	if (conn->on_gone)
		conn->on_gone(conn->gone_context);
	free(conn);
}
