#include "userspace/splice/fence.h"

#include <pthread.h>

#include "userspace/base/grace.h"
#include "userspace/base/must.h"

struct fence {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint64_t begun, done, wanted;
	bool ending;
};

static void *run(void *context)
{
	struct fence *f = context;

	pthread_mutex_lock(&f->lock);
	while (!f->ending) {
		if (f->wanted <= f->done) {
			pthread_cond_wait(&f->wake, &f->lock);
			continue;
		}
		f->begun = f->done + 1;
		pthread_mutex_unlock(&f->lock);
		grace_wait();
		pthread_mutex_lock(&f->lock);
		f->done = f->begun;
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct fence *fence_create(void)
{
	struct fence *f = must_alloc(sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	MUST(pthread_create(&f->thread, NULL, run, f) == 0);
	return f;
}

void fence_destroy(struct fence *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->ending = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

uint64_t fence_request(struct fence *f)
{
	uint64_t ticket;

	pthread_mutex_lock(&f->lock);
	/* One that runs already may have looked at a processor before now. */
	ticket = (f->begun > f->done ? f->begun : f->done) + 1;
	if (f->wanted < ticket)
		f->wanted = ticket;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	return ticket;
}

bool fence_is_past(struct fence *f, uint64_t ticket)
{
	bool past;

	pthread_mutex_lock(&f->lock);
	past = f->done >= ticket;
	pthread_mutex_unlock(&f->lock);
	return past;
}
