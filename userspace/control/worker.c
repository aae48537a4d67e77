#include "userspace/control/worker.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/net/listener.h"
#include "userspace/proxy/proxy.h"

enum { DRAIN_LOOK_MS = 20 };

struct worker {
	struct worker_options options;
	struct loop *loop;
	struct proxy *proxy; /* NULL until the first worker_set arrives */
	struct listener_watch **listeners;
	uint32_t listener_count;
	struct stats stats;
	struct timer drain_look;
	uint64_t drain_until_ms;
	struct post ended;
	pthread_t thread;
	struct post ping;
	atomic_bool pinged; /* and not answered */
	bool started;
	atomic_bool silent; /* being destroyed: on_end would come too late */
	atomic_bool over;   /* the loop runs no more: late messages are only freed */
};

struct message {
	struct post post;
	struct worker *worker;
	struct snapshot *snapshot;
	struct proxy_ceilings ceilings;
	uint32_t drain_ms;
	bool patiently;
	uint32_t count;
	struct worker_socket sockets[];
};

static void on_accept(void *context, int fd, uint32_t listener_index, const struct addr *peer)
{
	struct worker *w = context;

	proxy_accept(w->proxy, fd, listener_index, peer);
}

static bool may_accept(void *context, uint32_t listener_index)
{
	struct worker *w = context;

	return proxy_may_accept(w->proxy, listener_index);
}

static void on_accept_error(void *context)
{
	struct worker *w = context;

	stat_add(&w->stats.accept_errors, 1);
	LOG_OFTEN(LOG_ERROR, "worker %u cannot accept a connection: %s", w->options.number,
		  strerror(errno));
}

static struct listener_watch *listener_take(struct worker *w, int fd)
{
	for (uint32_t i = 0; i < w->listener_count; i++) {
		struct listener_watch *l = w->listeners[i];

		if (l && listener_watch_fd(l) == fd) {
			w->listeners[i] = NULL;
			return l;
		}
	}
	return NULL;
}

/* Connections that wait in a queue would be reset by closing it, so they are served first. */
static void listeners_close(struct worker *w)
{
	for (uint32_t i = 0; i < w->listener_count; i++) {
		if (w->listeners[i])
			listener_watch_flush(w->listeners[i]);
		listener_watch_destroy(w->listeners[i]);
	}
	free(w->listeners);
	w->listeners = NULL;
	w->listener_count = 0;
}

/* A worker that never ran still owns the sockets that it was sent. */
static void message_drop(struct message *m)
{
	for (uint32_t i = 0; i < m->count && !m->worker->started; i++)
		close(m->sockets[i].fd);
	snapshot_unref(m->snapshot);
	free(m);
}

static void on_set(struct post *post)
{
	struct message *m = CONTAINER_OF(post, struct message, post);
	struct worker *w = m->worker;
	struct listener_watch **next;
	struct listener_hooks hooks = { may_accept, on_accept, on_accept_error, w };

	if (w->over) {
		message_drop(m);
		return;
	}
	next = must_alloc(m->count * sizeof(*next));
	for (uint32_t i = 0; i < m->count; i++)
		next[i] = listener_take(w, m->sockets[i].fd);
	listeners_close(w); /* those that are gone, still by the old snapshot */
	if (w->proxy) {
		proxy_set_snapshot(w->proxy, m->snapshot);
		proxy_limit(w->proxy, &m->ceilings);
	} else {
		w->proxy = proxy_create(&(struct proxy_options){ .loop = w->loop,
								 .worker = w->options.number,
								 .log = w->options.log,
								 .splicer = w->options.splicer,
								 .stats = &w->stats,
								 .ceilings = m->ceilings },
					m->snapshot);
	}
	for (uint32_t i = 0; i < m->count; i++) {
		uint32_t index = m->sockets[i].listener_index;

		if (next[i])
			listener_watch_retag(next[i], index);
		else
			next[i] = listener_watch_create(w->loop, m->sockets[i].fd, index, &hooks);
	}
	w->listeners = next;
	w->listener_count = m->count;
	snapshot_unref(m->snapshot);
	free(m);
}

static void on_drain_look(void *context)
{
	struct worker *w = context;

	if (!w->proxy || proxy_sessions(w->proxy) == 0) {
		loop_stop(w->loop);
		return;
	}
	if (loop_now_ms(w->loop) >= w->drain_until_ms) {
		proxy_cut(w->proxy);
		loop_stop(w->loop);
		return;
	}
	timer_start(&w->drain_look, DRAIN_LOOK_MS);
}

/* A second message with a shorter time takes effect at once. */
static void on_drain(struct post *post)
{
	struct message *m = CONTAINER_OF(post, struct message, post);
	struct worker *w = m->worker;

	if (w->over) {
		free(m);
		return;
	}
	listeners_close(w);
	if (w->proxy)
		(m->patiently ? proxy_drain_patiently : proxy_drain)(w->proxy);
	w->drain_until_ms = loop_now_ms(w->loop) + m->drain_ms;
	free(m);
	on_drain_look(w);
}

/*
 * The socket lives on elsewhere, so epoll may tell of it once more under its old number; libev sees
 * that the number is nobody's, or another's, and makes its set anew.
 */
static void on_let_go(struct post *post)
{
	struct message *m = CONTAINER_OF(post, struct message, post);

	for (uint32_t i = 0; i < m->count && !m->worker->over; i++)
		listener_watch_destroy(listener_take(m->worker, m->sockets[i].fd));
	free(m);
}

static void on_ping(struct post *post)
{
	atomic_store(&CONTAINER_OF(post, struct worker, ping)->pinged, false);
}

/* --- questions ---------------------------------------------------------------------------- */

struct question {
	struct post post;
	struct worker *worker;
	struct worker_call call;
	sem_t done;
	atomic_bool ran;  /* in order with what run wrote, also for who does not know semaphores */
	atomic_uint refs; /* who asks, and the worker */
};

static void question_unref(struct question *q)
{
	if (atomic_fetch_sub(&q->refs, 1) != 1)
		return;
	q->call.release(q->call.context);
	sem_destroy(&q->done);
	free(q);
}

static void on_question(struct post *post)
{
	struct question *q = CONTAINER_OF(post, struct question, post);

	if (!q->worker->over) {
		q->call.run(q->call.context, q->worker->proxy);
		atomic_store(&q->ran, true);
		sem_post(&q->done);
	}
	question_unref(q);
}

bool worker_call(struct worker *w, const struct worker_call *call, uint32_t patience_ms)
{
	struct question *q;
	struct timespec until;
	bool done;

	if (atomic_load(&w->over)) { /* nobody would answer until it is destroyed */
		call->release(call->context);
		return false;
	}
	q = must_alloc(sizeof(*q));
	q->post.on_post = on_question;
	q->worker = w;
	q->call = *call;
	atomic_init(&q->refs, 2);
	sem_init(&q->done, 0, 0);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(patience_ms / 1000);
	until.tv_nsec += (long)(patience_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	loop_post(w->loop, &q->post);
	while ((done = sem_clockwait(&q->done, CLOCK_MONOTONIC, &until) == 0) == false &&
	       errno == EINTR)
		;
	done = done && atomic_load(&q->ran);
	question_unref(q);
	return done;
}

static void on_ended(struct post *post)
{
	struct worker *w = CONTAINER_OF(post, struct worker, ended);

	w->options.on_end(w->options.context);
}

static void *thread_run(void *context)
{
	struct worker *w = context;

	loop_run(w->loop);
	w->over = true;
	timer_stop(&w->drain_look);
	if (w->proxy)
		proxy_destroy(w->proxy);
	w->proxy = NULL;
	if (!atomic_load(&w->silent))
		loop_post(w->options.control, &w->ended);
	return NULL;
}

struct worker *worker_create(const struct worker_options *options)
{
	struct worker *w = must_alloc(sizeof(*w));

	w->options = *options;
	w->loop = loop_create();
	w->ended.on_post = on_ended;
	w->ping.on_post = on_ping;
	timer_init(&w->drain_look, w->loop, on_drain_look, w);
	return w;
}

void worker_set(struct worker *w, struct snapshot *snapshot, const struct proxy_ceilings *ceilings,
		const struct worker_socket *sockets, uint32_t count)
{
	struct message *m = must_alloc(sizeof(*m) + count * sizeof(*sockets));

	m->post.on_post = on_set;
	m->worker = w;
	m->snapshot = snapshot_ref(snapshot);
	m->ceilings = *ceilings;
	m->count = count;
	if (count)
		memcpy(m->sockets, sockets, count * sizeof(*sockets));
	loop_post(w->loop, &m->post);
}

bool worker_start(struct worker *w, struct err *err)
{
	char name[16];

	errno = pthread_create(&w->thread, NULL, thread_run, w);
	if (errno)
		return err_sys(err, "cannot start worker %u", w->options.number);
	snprintf(name, sizeof(name), "worker-%u", w->options.number % 1000);
	pthread_setname_np(w->thread, name);
	w->started = true;
	return true;
}

void worker_let_go(struct worker *w, const struct worker_socket *sockets, uint32_t count)
{
	struct message *m = must_alloc(sizeof(*m) + count * sizeof(*sockets));

	m->post.on_post = on_let_go;
	m->worker = w;
	m->count = count;
	if (count)
		memcpy(m->sockets, sockets, count * sizeof(*sockets));
	loop_post(w->loop, &m->post);
}

static void drain(struct worker *w, uint32_t drain_ms, bool patiently)
{
	struct message *m = must_alloc(sizeof(*m));

	m->post.on_post = on_drain;
	m->worker = w;
	m->drain_ms = drain_ms;
	m->patiently = patiently;
	loop_post(w->loop, &m->post);
}

void worker_drain(struct worker *w, uint32_t drain_ms)
{
	drain(w, drain_ms, false);
}

void worker_drain_patiently(struct worker *w, uint32_t drain_ms)
{
	drain(w, drain_ms, true);
}

bool worker_is_well(struct worker *w)
{
	if (atomic_load(&w->over))
		return true;
	if (atomic_load(&w->pinged))
		return false;
	atomic_store(&w->pinged, true);
	loop_post(w->loop, &w->ping);
	return true;
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	atomic_store(&w->silent, true);
	if (w->started) {
		worker_drain(w, 0); /* no effect where it has ended */
		pthread_join(w->thread, NULL);
	}
	w->over = true;
	loop_destroy(w->loop); /* runs messages that came too late */
	free(w);
}

const struct stats *worker_stats(const struct worker *w)
{
	return &w->stats;
}
