#include "userspace/net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum {
	ACCEPT_BATCH = 32, /* then other connections get their turn */
	FLUSH_MAX = 65536, /* no queue is longer than net.core.somaxconn, which is below */
	BACKLOG = 4096,    /* the kernel cuts it to net.core.somaxconn */
	/* What a client does not read waits at its endpoint, not in megabytes of socket buffer. */
	UNSENT_MAX = 256 * 1024,
	FULL_PAUSE_MS = 100, /* out of descriptors: they come back when sessions end */
	WAIT_MS = 10,        /* at a ceiling of our own */
};

struct listener_watch {
	struct watch watch;
	struct timer pause;
	int fd;
	uint32_t tag;
	struct listener_hooks hooks;
};

static bool explain_bind(const struct listener_socket_options *options, struct err *err)
{
	struct addr_text at = addr_print(&options->address);

	switch (errno) {
	case EADDRINUSE:
		return err_set(err,
			       "cannot listen on %s: another process does; find it with "
			       "\"ss -ltnp\" and stop it, or change the port",
			       at.text);
	case EADDRNOTAVAIL:
		return err_set(
			err,
			"cannot listen on %s: no interface has this address; add it "
			"(ip address add), or name node.devices so that the fast path brings it",
			at.text);
	case EACCES:
		return err_set(err,
			       "cannot listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE; "
			       "start as root, or take a higher port",
			       at.text);
	default:
		return err_sys(err, "cannot listen on %s", at.text);
	}
}

static bool set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static bool bind_socket(int fd, const struct listener_socket_options *options)
{
	struct sockaddr_storage at;
	socklen_t len = addr_to_sockaddr(&options->address, &at);

	if (at.ss_family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		return false;
	if (options->free_bind && at.ss_family == AF_INET6 &&
	    !set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1))
		return false;
	if (options->free_bind && at.ss_family == AF_INET &&
	    !set_option(fd, IPPROTO_IP, IP_FREEBIND, 1))
		return false;
	return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	       bind(fd, (struct sockaddr *)&at, len) == 0;
}

static int socket_for(const struct listener_socket_options *options)
{
	return socket(addr_is_v4(&options->address) ? AF_INET : AF_INET6,
		      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/*
 * With SO_REUSEPORT alone a second daemon of the same user would silently get half of the
 * connections; a socket without it finds that out.
 */
bool listener_socket_probe(const struct listener_socket_options *options, struct err *err)
{
	int fd = socket_for(options);
	bool ok;

	if (fd < 0)
		return err_sys(err, "cannot make a socket for %s",
			       addr_print(&options->address).text);
	ok = bind_socket(fd, options) || explain_bind(options, err);
	close(fd);
	return ok;
}

bool listener_socket_open(const struct listener_socket_options *options, int *out_fd,
			  struct err *err)
{
	int fd = socket_for(options);

	if (fd < 0)
		return err_sys(err, "cannot make a socket for %s",
			       addr_print(&options->address).text);
	if (!set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) || !bind_socket(fd, options))
		goto explain;
	if (options->max_segment &&
	    !set_option(fd, IPPROTO_TCP, TCP_MAXSEG, (int)options->max_segment))
		goto explain;
	if (listen(fd, BACKLOG) < 0)
		goto explain;
	*out_fd = fd;
	return true;
explain:
	explain_bind(options, err);
	close(fd);
	return false;
}

void listener_socket_limit(int fd, uint32_t max_segment)
{
	set_option(fd, IPPROTO_TCP, TCP_MAXSEG, (int)max_segment);
}

/* What a peer did before we accepted is no error of the listener (accept(2), "Error handling"). */
static bool is_of_peer(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN ||
	       error == EHOSTDOWN || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == ENOPROTOOPT || error == ENONET || error == EOPNOTSUPP || error == EPERM;
}

/* The socket stays readable, so the watch would spin. */
static void rest(struct listener_watch *l, uint64_t ms)
{
	watch_set(&l->watch, 0);
	timer_start(&l->pause, ms);
}

/* False where nothing more can be had now. */
static bool accept_one(struct listener_watch *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct addr peer = { 0 };

	if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (fd < 0) {
		bool of_peer = is_of_peer(errno);

		l->hooks.on_accept_error(l->hooks.context);
		if (of_peer)
			return true;
		rest(l, FULL_PAUSE_MS); /* EMFILE, ENFILE, ENOMEM */
		return false;
	}
	addr_from_sockaddr((struct sockaddr *)&ss, &peer);
	l->hooks.on_accept(l->hooks.context, fd, l->tag, &peer);
	return true;
}

static void on_ready(void *context, int events)
{
	struct listener_watch *l = context;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (!l->hooks.may_accept(l->hooks.context, l->tag)) {
			rest(l, WAIT_MS);
			return;
		}
		if (!accept_one(l))
			return;
	}
}

static void on_pause_over(void *context)
{
	struct listener_watch *l = context;

	watch_set(&l->watch, WATCH_READ);
}

struct listener_watch *listener_watch_create(struct loop *loop, int fd, uint32_t tag,
					     const struct listener_hooks *hooks)
{
	struct listener_watch *l = must_alloc(sizeof(*l));

	l->fd = fd;
	l->tag = tag;
	l->hooks = *hooks;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* what is accepted inherits both */
	set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
	watch_init(&l->watch, loop, fd, on_ready, l);
	timer_init(&l->pause, loop, on_pause_over, l);
	watch_set(&l->watch, WATCH_READ);
	return l;
}

void listener_watch_retag(struct listener_watch *l, uint32_t tag)
{
	l->tag = tag;
}

int listener_watch_fd(const struct listener_watch *l)
{
	return l->fd;
}

void listener_watch_flush(struct listener_watch *l)
{
	for (int i = 0; i < FLUSH_MAX && accept_one(l); i++)
		;
}

void listener_watch_destroy(struct listener_watch *l)
{
	if (!l)
		return;
	watch_fini(&l->watch);
	timer_stop(&l->pause);
	close(l->fd);
	free(l);
}
