/* Loops that are stopped, by whom and before what. */
#include <pthread.h>

#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/net/loop.h"

static void *run_loop(void *context)
{
	loop_run(context);
	return NULL;
}

TEST(another_thread_may_stop_a_loop_before_or_after_it_runs)
{
	struct loop *loop = loop_create();
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, run_loop, loop), 0);
	loop_stop(loop);
	CHECK_INT(pthread_join(thread, NULL), 0);
	loop_destroy(loop);
}

TEST(a_loop_that_was_stopped_does_not_run_again)
{
	struct loop *loop = loop_create();

	loop_stop(loop);
	loop_run(loop);
	loop_run(loop);
	loop_destroy(loop);
}

struct stopper {
	struct post post;
	struct loop *loop;
	int count;
};

static void on_stop_again(struct post *post)
{
	struct stopper *s = CONTAINER_OF(post, struct stopper, post);

	s->count++;
	loop_stop(s->loop);
}

TEST(a_loop_may_run_once_more_where_that_is_said)
{
	struct stopper s = { .loop = loop_create() };

	s.post.on_post = on_stop_again;
	loop_stop(s.loop);
	loop_run(s.loop);
	CHECK_INT(s.count, 0);
	loop_again(s.loop);
	loop_post(s.loop, &s.post);
	loop_run(s.loop);
	CHECK_INT(s.count, 1);
	loop_destroy(s.loop);
}
