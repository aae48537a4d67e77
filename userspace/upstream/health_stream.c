#include "userspace/upstream/health_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/upstream/health_socket.h"

enum {
	KEPT_MAX = 256, /* more are needed only while many endpoints are silent */
	BATCH = 512,
	/* What comes meanwhile is left to the next turn, and so are time-outs. */
	BATCHES_MAX = 8,
};

struct health_stream {
	struct health_streams *streams;
	struct health_stream *next; /* of those that are kept */
	int fd;
	struct health_way way;
	void (*on_ready)(void *context, bool failed); /* NULL: nobody uses it */
	void *context;
};

struct health_streams {
	struct loop *loop;
	int epoll;
	struct watch watch;
	uint32_t open, most; /* sockets, the kept ones too */
	uint32_t kept_count;
	struct health_stream *kept;
	/* Closed while events of theirs may still be in a batch. */
	struct health_stream *gone;
	bool in_batch;
};

static void free_gone(struct health_streams *streams)
{
	while (streams->gone) {
		struct health_stream *s = streams->gone;

		streams->gone = s->next;
		free(s);
	}
}

static void tell(const struct epoll_event *event)
{
	struct health_stream *s = event->data.ptr;

	if (s->on_ready)
		s->on_ready(s->context, event->events & (EPOLLERR | EPOLLHUP));
}

/* To the last: no probe's time shall be up while its answer is here. Those that were reset in one
 * batch are told in the next, for nobody. */
static void on_watch(void *context, int ready)
{
	struct health_streams *streams = context;
	struct epoll_event events[BATCH];

	(void)ready;
	streams->in_batch = true;
	for (int i = 0; i < BATCHES_MAX; i++) {
		int n = epoll_wait(streams->epoll, events, BATCH, 0);

		if (n <= 0)
			break;
		for (int k = 0; k < n; k++)
			tell(&events[k]);
	}
	streams->in_batch = false;
	free_gone(streams);
}

struct health_streams *health_streams_create(struct loop *loop, uint32_t most)
{
	struct health_streams *streams = must_alloc(sizeof(*streams));

	streams->loop = loop;
	streams->most = most;
	streams->epoll = epoll_create1(EPOLL_CLOEXEC);
	MUST(streams->epoll >= 0);
	watch_init(&streams->watch, loop, streams->epoll, on_watch, streams);
	watch_set(&streams->watch, WATCH_READ);
	return streams;
}

void health_streams_destroy(struct health_streams *streams)
{
	if (!streams)
		return;
	while (streams->kept) {
		struct health_stream *s = streams->kept;

		streams->kept = s->next;
		close(s->fd);
		free(s);
	}
	watch_fini(&streams->watch);
	close(streams->epoll);
	free(streams);
}

struct loop *health_streams_loop(const struct health_streams *streams)
{
	return streams->loop;
}

/* What a socket keeps for good: its family, and the address and device that it is bound to. */
static bool fits(const struct health_stream *s, const struct health_way *way)
{
	return s->way.tunnel == way->tunnel && s->way.ifindex == way->ifindex &&
	       addr_is_ip(&s->way.source, &way->source) &&
	       addr_is_v4(&s->way.to) == addr_is_v4(&way->to);
}

/* The next one, nearly always: most ways are alike. */
static struct health_stream *take_kept(struct health_streams *streams, const struct health_way *way)
{
	struct health_stream **at = &streams->kept, *s;

	while (*at && !fits(*at, way))
		at = &(*at)->next;
	s = *at;
	if (!s)
		return NULL;
	*at = s->next;
	streams->kept_count--;
	return s;
}

static void discard(struct health_stream *s)
{
	struct health_streams *streams = s->streams;

	close(s->fd);
	streams->open--;
	s->on_ready = NULL;
	s->next = streams->gone;
	streams->gone = s;
	if (!streams->in_batch)
		free_gone(streams);
}

/* For a way that none of those that are kept fits. */
static void make_room(struct health_streams *streams)
{
	struct health_stream *s = streams->kept;

	if (!s || streams->open < streams->most)
		return;
	streams->kept = s->next;
	streams->kept_count--;
	discard(s);
}

static struct health_stream *open_new(struct health_streams *streams, const struct health_way *way,
				      struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct health_stream *s;
	int fd;

	make_room(streams);
	fd = health_socket_open(way, SOCK_STREAM, err);
	if (fd < 0)
		return NULL;
	s = must_alloc(sizeof(*s));
	s->streams = streams;
	s->fd = fd;
	event.data.ptr = s;
	if (epoll_ctl(streams->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
		streams->open++;
		return s;
	}
	err_sys(err, "cannot watch a socket");
	close(fd);
	free(s);
	return NULL;
}

struct health_stream *health_stream_open(struct health_streams *streams,
					 const struct health_way *way,
					 void (*on_ready)(void *context, bool failed),
					 void *context, struct err *err)
{
	struct health_stream *s = take_kept(streams, way);

	if (s && !health_socket_again(s->fd, way, err)) {
		discard(s);
		return NULL;
	}
	if (!s)
		s = open_new(streams, way, err);
	if (!s)
		return NULL;
	s->way = *way;
	s->on_ready = on_ready;
	s->context = context;
	return s;
}

int health_stream_fd(const struct health_stream *s)
{
	return s->fd;
}

int health_stream_error(const struct health_stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/*
 * The kernel forgets what a socket was when it is connected again, that it was reset as well, but
 * for its sequence numbers, which go on; the port is chosen anew.
 */
void health_stream_close(struct health_stream *s, enum health_ending ending)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct health_streams *streams = s->streams;
	bool reset = ending != HEALTH_ENDS && connect(s->fd, &nobody, sizeof(nobody)) == 0;

	if (!reset || ending != HEALTH_ENDS_AGAIN || streams->kept_count == KEPT_MAX) {
		discard(s);
		return;
	}
	s->on_ready = NULL;
	s->next = streams->kept;
	streams->kept = s;
	streams->kept_count++;
}
