/* The loop: order, restarts, and work that other threads send. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/net/loop.h"

struct trace {
	struct loop *loop;
	char text[64];
	struct timer timers[3];
	struct defer defers[2];
	int runs;
};

static void note(struct trace *t, const char *what)
{
	strncat(t->text, what, sizeof(t->text) - strlen(t->text) - 1);
}

static void on_defer(void *context)
{
	note(context, "d");
}

static void on_first(void *context)
{
	struct trace *t = context;

	note(t, "1");
	loop_defer(t->loop, &t->defers[0]);
	loop_defer(t->loop, &t->defers[0]); /* once is enough */
	loop_defer(t->loop, &t->defers[1]);
	loop_defer_cancel(t->loop, &t->defers[1]);
}

static void on_second(void *context)
{
	struct trace *t = context;

	note(t, "2");
	if (++t->runs < 2)
		timer_start(&t->timers[1], 1); /* itself again */
	else
		loop_stop(t->loop);
}

static void on_never(void *context)
{
	note(context, "never");
}

TEST(timers_fire_in_order_once_and_deferred_work_after_them)
{
	struct trace t = { .loop = loop_create() };

	for (int i = 0; i < 2; i++)
		t.defers[i] = (struct defer){ .on_defer = on_defer, .context = &t };
	timer_init(&t.timers[0], t.loop, on_first, &t);
	timer_init(&t.timers[1], t.loop, on_second, &t);
	timer_init(&t.timers[2], t.loop, on_never, &t);
	timer_start(&t.timers[0], 50);
	timer_start(&t.timers[0], 1); /* restarted: sooner */
	timer_start(&t.timers[1], 30);
	timer_start(&t.timers[2], 5);
	timer_stop(&t.timers[2]);
	loop_run(t.loop);
	CHECK_STR(t.text, "1d22");
	loop_destroy(t.loop);
}

enum { POSTS = 1000, THREADS = 4 };

struct letter {
	struct post post; /* first */
	struct inbox *inbox;
	uint32_t thread, number;
};

struct inbox {
	struct loop *loop;
	uint32_t next[THREADS], total, wrong;
};

struct sender {
	struct inbox *inbox;
	uint32_t thread;
};

static void on_letter(struct post *post)
{
	struct letter *l = (struct letter *)post;
	struct inbox *inbox = l->inbox;

	inbox->wrong += l->number != inbox->next[l->thread]++;
	free(l);
	if (++inbox->total == POSTS * THREADS)
		loop_stop(inbox->loop);
}

static void *send_letters(void *context)
{
	struct sender *s = context;

	for (uint32_t i = 0; i < POSTS; i++) {
		struct letter *l = calloc(1, sizeof(*l));

		*l = (struct letter){ { NULL, on_letter }, s->inbox, s->thread, i };
		loop_post(s->inbox->loop, &l->post);
	}
	return NULL;
}

TEST(posts_of_other_threads_arrive_each_once_and_in_order)
{
	struct inbox inbox = { .loop = loop_create() };
	struct sender senders[THREADS];
	pthread_t threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){ &inbox, i };
		CHECK_INT(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
	}
	loop_run(inbox.loop);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(inbox.total, POSTS * THREADS);
	CHECK_INT(inbox.wrong, 0);
	loop_destroy(inbox.loop);
}

struct pipe_end {
	struct loop *loop;
	struct watch watch;
	int fd;
	char got[8];
};

static void on_pipe(void *context, int events)
{
	struct pipe_end *p = context;

	CHECK_INT(events, WATCH_READ);
	CHECK_INT(read(p->fd, p->got, sizeof(p->got)), 2);
	watch_fini(&p->watch); /* its own watcher, in its own callback */
	loop_stop(p->loop);
}

TEST(a_watch_may_end_itself_in_its_callback)
{
	struct pipe_end p = { .loop = loop_create() };
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	p.fd = fds[0];
	watch_init(&p.watch, p.loop, p.fd, on_pipe, &p);
	watch_set(&p.watch, WATCH_READ);
	CHECK_INT(write(fds[1], "ab", 2), 2);
	loop_run(p.loop);
	CHECK_BYTES(p.got, 2, "ab", 2);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(p.loop);
}

TEST(a_loop_that_was_stopped_before_it_ran_does_not_run)
{
	struct loop *loop = loop_create();

	loop_stop(loop);
	loop_run(loop);
	loop_destroy(loop);
}
