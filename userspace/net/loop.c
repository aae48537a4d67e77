#include "userspace/net/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "userspace/base/must.h"

enum {
	READY_PRIORITY = EV_MAXPRI - 1, /* behind the time of the turn, before all else */
	/* libev asks for 64 events first and for more after a turn that brought so many; some are
	 * not ours, or belong to what was closed in the meantime. */
	BATCH_FULL = 32,
};

struct loop {
	struct ev_loop *ev;
	ev_async wake;
	ev_prepare before_wait;
	atomic_bool stopping;
	uint64_t now_ms; /* of this turn; 0: between two */
	ev_check after_wait;
	uint32_t round; /* goes on for as many turns as time-outs are put off */
	uint32_t fresh; /* watches that were heard in this turn, and not before in this round */
	bool put_off;
	struct defer *first_defer, **last_defer;
	pthread_mutex_t posts_lock; /* held for a few instructions; posts are rare */
	struct post *first_post, **last_post;
};

static void run_posts(struct loop *loop)
{
	struct post *post;

	pthread_mutex_lock(&loop->posts_lock);
	post = loop->first_post;
	loop->first_post = NULL;
	loop->last_post = &loop->first_post;
	pthread_mutex_unlock(&loop->posts_lock);
	while (post) {
		struct post *next = post->next;

		post->on_post(post);
		post = next;
	}
}

static void on_wake(struct ev_loop *ev, ev_async *w, int events)
{
	struct loop *loop = w->data;

	(void)events;
	run_posts(loop);
	if (atomic_load(&loop->stopping))
		ev_break(ev, EVBREAK_ALL);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* vdso, no system call */
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* A turn has one time: it is asked for several times a request. */
static void on_after_wait(struct ev_loop *ev, ev_check *w, int events)
{
	struct loop *loop = w->data;

	(void)ev;
	(void)events;
	loop->now_ms = clock_ms();
	loop->round += !loop->put_off;
	loop->put_off = false;
	loop->fresh = 0;
}

/* What is deferred during the run waits for no event: it is run in the same pass. */
static void on_before_wait(struct ev_loop *ev, ev_prepare *w, int events)
{
	struct loop *loop = w->data;

	(void)ev;
	(void)events;
	while (loop->first_defer) {
		struct defer *d = loop->first_defer;

		loop->first_defer = d->next;
		if (!loop->first_defer)
			loop->last_defer = &loop->first_defer;
		d->queued = false;
		d->on_defer(d->context);
	}
	loop->now_ms = 0; /* what comes next is the wait */
}

struct loop *loop_create(void)
{
	struct loop *loop = must_alloc(sizeof(*loop));

	loop->ev = ev_loop_new(EVFLAG_NOENV);
	MUST(loop->ev);
	loop->last_defer = &loop->first_defer;
	loop->last_post = &loop->first_post;
	pthread_mutex_init(&loop->posts_lock, NULL);
	ev_async_init(&loop->wake, on_wake);
	loop->wake.data = loop;
	ev_async_start(loop->ev, &loop->wake);
	ev_prepare_init(&loop->before_wait, on_before_wait);
	loop->before_wait.data = loop;
	ev_prepare_start(loop->ev, &loop->before_wait);
	ev_check_init(&loop->after_wait, on_after_wait);
	loop->after_wait.data = loop;
	ev_set_priority(&loop->after_wait, EV_MAXPRI);
	ev_check_start(loop->ev, &loop->after_wait);
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	run_posts(loop);
	on_before_wait(loop->ev, &loop->before_wait, 0);
	ev_loop_destroy(loop->ev);
	pthread_mutex_destroy(&loop->posts_lock);
	free(loop);
}

void loop_run(struct loop *loop)
{
	if (!atomic_load(&loop->stopping))
		ev_run(loop->ev, 0);
}

void loop_again(struct loop *loop)
{
	atomic_store(&loop->stopping, false);
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	ev_async_send(loop->ev, &loop->wake);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms ? loop->now_ms : clock_ms();
}

void loop_post(struct loop *loop, struct post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->posts_lock);
	*loop->last_post = post;
	loop->last_post = &post->next;
	pthread_mutex_unlock(&loop->posts_lock);
	ev_async_send(loop->ev, &loop->wake);
}

void loop_defer(struct loop *loop, struct defer *defer)
{
	if (defer->queued)
		return;
	defer->queued = true;
	defer->next = NULL;
	*loop->last_defer = defer;
	loop->last_defer = &defer->next;
}

void loop_defer_cancel(struct loop *loop, struct defer *defer)
{
	struct defer **at = &loop->first_defer;

	if (!defer->queued)
		return;
	while (*at != defer)
		at = &(*at)->next;
	*at = defer->next;
	if (!*at)
		loop->last_defer = at;
	defer->queued = false;
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
	struct watch *w = io->data;

	(void)ev;
	if (w->round != w->loop->round) {
		w->round = w->loop->round;
		w->loop->fresh++;
	}
	w->on_ready(w->context,
		    (events & EV_READ ? WATCH_READ : 0) | (events & EV_WRITE ? WATCH_WRITE : 0));
}

void watch_init(struct watch *w, struct loop *loop, int fd,
		void (*on_ready)(void *context, int events), void *context)
{
	ev_io_init(&w->io, on_io, fd, 0);
	/* libev calls timers first. Where the loop itself was late, what a time-out waits for may
	 * be here already. */
	ev_set_priority(&w->io, READY_PRIORITY);
	w->io.data = w;
	w->loop = loop;
	w->round = loop->round; /* nothing that is due now waited for it */
	w->on_ready = on_ready;
	w->context = context;
}

void watch_set(struct watch *w, int events)
{
	int want = (events & WATCH_READ ? EV_READ : 0) | (events & WATCH_WRITE ? EV_WRITE : 0);

	if ((w->io.events & (EV_READ | EV_WRITE)) == want && (ev_is_active(&w->io) || !want))
		return;
	ev_io_stop(w->loop->ev, &w->io);
	ev_io_modify(&w->io, want);
	if (want)
		ev_io_start(w->loop->ev, &w->io);
}

void watch_fini(struct watch *w)
{
	if (w->loop)
		ev_io_stop(w->loop->ev, &w->io);
}

/*
 * Behind a full batch others may be ready, that a time-out waits for: it comes again in the next
 * turn, with the time that it had. Each watch puts it off once, so that no load can do it for good.
 */
static void on_due(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct timer *t = timer->data;

	(void)events;
	if (t->loop->fresh >= BATCH_FULL) {
		t->loop->put_off = true;
		ev_timer_start(ev, timer);
		return;
	}
	t->on_timer(t->context);
}

void timer_init(struct timer *t, struct loop *loop, void (*on_timer)(void *context), void *context)
{
	ev_timer_init(&t->timer, on_due, 0., 0.);
	t->timer.data = t;
	t->loop = loop;
	t->on_timer = on_timer;
	t->context = context;
}

void timer_start(struct timer *t, uint64_t after_ms)
{
	ev_timer_stop(t->loop->ev, &t->timer);
	ev_timer_set(&t->timer, (double)after_ms / 1000., 0.);
	ev_timer_start(t->loop->ev, &t->timer);
}

void timer_stop(struct timer *t)
{
	if (t->loop)
		ev_timer_stop(t->loop->ev, &t->timer);
}
