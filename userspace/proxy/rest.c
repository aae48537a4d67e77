#include "userspace/proxy/rest.h"
#include "userspace/proxy/occupancy.h"

#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/proxy/session.h"
#include "userspace/proxy/session_store.h"
#include "userspace/proxy/source_limit.h"

enum { LOOK_MS = 50 }; /* the least time between two looks for those that rested too long */

/* What a session must know again. While it rests, its connection's idle_home leads here. */
struct rest {
	struct proxy *proxy;
	struct snapshot *snapshot;
	const struct listener *listener;
	uint64_t id;
	struct addr client, asked;
	uint32_t counted : 1;
	uint32_t handshake_us : 31; /* not yet logged */
};

/* Of one listener, by their idle_next; oldest first. */
struct rest_queue {
	struct conn *first, *last;
};

static uint64_t due_ms(const struct conn *conn)
{
	const struct rest *rest = conn->idle_home;

	return conn->idle_since_ms + rest->listener->timeouts.idle_ms;
}

static void put_in(struct conn *conn)
{
	struct rest *rest = conn->idle_home;
	struct rest_queue *queue = &rest->proxy->resting[rest->listener->index];

	conn->idle_next = NULL;
	conn->idle_prev = queue->last;
	*(queue->last ? &queue->last->idle_next : &queue->first) = conn;
	queue->last = conn;
}

static struct rest *take_out(struct conn *conn, struct rest_queue *queue)
{
	struct rest *rest = conn->idle_home;

	*(conn->idle_prev ? &conn->idle_prev->idle_next : &queue->first) = conn->idle_next;
	*(conn->idle_next ? &conn->idle_next->idle_prev : &queue->last) = conn->idle_prev;
	conn->idle_next = conn->idle_prev = NULL;
	conn->idle_home = NULL;
	return rest;
}

static struct rest_queue *queue_of(const struct conn *conn)
{
	const struct rest *rest = conn->idle_home;

	return &rest->proxy->resting[rest->listener->index];
}

static void leave(struct rest *rest, struct conn *conn)
{
	struct proxy *proxy = rest->proxy;

	conn_close(conn);
	if (rest->counted)
		source_limit_give(source_limit_shared(), &rest->client);
	occupancy_leave(rest->listener);
	proxy->session_count--;
	stat_add(&proxy->options.stats->sessions_closed, 1);
	snapshot_unref(rest->snapshot);
	free(rest);
}

static void drop(struct conn *conn, struct rest_queue *queue)
{
	leave(take_out(conn, queue), conn);
}

/* Lazy as a session's own timer: what is due later is found when it looks. */
static void look_by(struct proxy *proxy, uint64_t due)
{
	uint64_t now, after;

	if (ev_is_active(&proxy->look.timer) && proxy->look_ms <= due)
		return;
	now = loop_now_ms(proxy->options.loop);
	after = due > now + LOOK_MS ? due - now : LOOK_MS;
	proxy->look_ms = now + after;
	timer_start(&proxy->look, after);
}

static void on_look(void *context)
{
	struct proxy *proxy = context;
	uint64_t now = loop_now_ms(proxy->options.loop), next = UINT64_MAX;

	for (uint32_t i = 0; i < proxy->snapshot->model->listener_count; i++) {
		struct rest_queue *queue = &proxy->resting[i];

		while (queue->first && due_ms(queue->first) <= now)
			drop(queue->first, queue);
		if (queue->first && due_ms(queue->first) < next)
			next = due_ms(queue->first);
	}
	if (next != UINT64_MAX)
		look_by(proxy, next);
}

/* Room for one more: a model may have no listeners. */
static struct rest_queue *queues_create(const struct snapshot *snapshot)
{
	return must_alloc((snapshot->model->listener_count + 1) * sizeof(struct rest_queue));
}

void rest_init(struct proxy *proxy)
{
	proxy->resting = queues_create(proxy->snapshot);
	timer_init(&proxy->look, proxy->options.loop, on_look, proxy);
}

void rest_fini(struct proxy *proxy)
{
	timer_stop(&proxy->look);
	free(proxy->resting);
}

struct rest *rest_create(void)
{
	return calloc(1, sizeof(struct rest));
}

bool rest_may(const struct session *s)
{
	const struct conn *client = s->ends[CLIENT];

	return s->state == SESSION_READING && !s->shed && !s->readable[CLIENT] && !client->eof &&
	       !client->wants && buf_len(&s->in[CLIENT]) == 0 && buf_len(&s->out[CLIENT]) == 0 &&
	       loop_now_ms(s->proxy->options.loop) < s->deadline_ms;
}

/* All that the session knew and the next one must. */
static void note(const struct session *s)
{
	*s->rest = (struct rest){ .proxy = s->proxy,
				  .snapshot = s->snapshot,
				  .listener = s->listener,
				  .id = s->id,
				  .client = s->client,
				  .asked = s->asked,
				  .counted = s->counted,
				  .handshake_us = s->handshake_us & INT32_MAX };
}

/* The client speaks again, or has gone. What it says is no progress before it is looked at. */
static void on_ready(void *context, int events)
{
	struct conn *conn = context;
	uint64_t due = due_ms(conn), now;
	struct rest_queue *queue = queue_of(conn);
	struct rest *rest = conn->idle_home;
	struct session *s = session_store_take(rest->proxy);

	if (!s) {
		stat_add(&rest->proxy->options.stats->sessions_shed, 1);
		drop(conn, queue);
		return;
	}
	now = loop_now_ms(rest->proxy->options.loop);
	s->rest = take_out(conn, queue);
	s->snapshot = rest->snapshot;
	s->listener = rest->listener;
	s->id = rest->id;
	s->client = rest->client;
	s->asked = rest->asked;
	s->counted = rest->counted;
	s->handshake_us = rest->handshake_us;
	s->idle_from_us = conn->idle_since_ms * 1000; /* to a few milliseconds */
	s->ends[CLIENT] = conn;
	s->state = SESSION_READING;
	exchange_expect(s);
	session_deadline(s, due > now ? due - now : 0);
	session_listen(s, CLIENT);
	s->readable[CLIENT] = (events & WATCH_READ) != 0;
	session_run(s);
}

void rest_begin(struct session *s)
{
	struct conn *conn = s->ends[CLIENT];

	MUST(!s->ends[SERVER] && s->snapshot == s->proxy->snapshot);
	note(s);
	conn->idle_home = s->rest;
	conn->idle_since_ms = s->deadline_ms - s->listener->timeouts.idle_ms;
	put_in(conn);
	look_by(s->proxy, s->deadline_ms);
	conn_rest(conn);
	conn_listen(conn, on_ready, conn);
	watch_set(&conn->watch, WATCH_READ);
	session_store_give(s);
}

void rest_end(struct session *s)
{
	note(s);
	leave(s->rest, s->ends[CLIENT]);
}

/* A listener's successor takes all of its clients over, in their order. */
static void hand_down(struct proxy *proxy, struct rest_queue *from, const struct listener *to)
{
	while (from->first) {
		struct conn *conn = from->first;
		struct rest *rest;

		if (!to) {
			drop(conn, from);
			continue;
		}
		rest = take_out(conn, from);
		snapshot_unref(rest->snapshot);
		rest->snapshot = snapshot_ref(proxy->snapshot);
		rest->listener = to;
		conn->idle_home = rest;
		put_in(conn);
	}
}

void rest_renew(struct proxy *proxy, const struct snapshot *before)
{
	struct rest_queue *old = proxy->resting;

	proxy->resting = queues_create(proxy->snapshot);
	for (uint32_t i = 0; i < before->model->listener_count; i++)
		hand_down(proxy, &old[i], session_successor(proxy->snapshot, before->listeners[i]));
	free(old);
	look_by(proxy, 0); /* times may have become shorter */
}

void rest_cut(struct proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->snapshot->model->listener_count; i++)
		while (proxy->resting[i].first)
			drop(proxy->resting[i].first, &proxy->resting[i]);
}
