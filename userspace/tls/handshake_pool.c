#include "userspace/tls/handshake_pool.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { THREADS_MOST = 8, NICE = 5 };

enum job_state { JOB_IDLE, JOB_QUEUED, JOB_RUNNING, JOB_POSTED };

struct handshake_job {
	struct post post;
	struct handshake_job *next, *prev; /* in the queue */
	enum job_state state;              /* under the pool's lock */
	bool orphan;                       /* nobody waits for the post: it frees */
	SSL *ssl;
	struct loop *loop;
	void (*on_done)(void *context);
	void *context;
	int error, saved_errno;
};

/* Of the process; a queue holds no more than all workers have handshakes. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t wanted, done;
	struct handshake_job *first, *last;
	bool has_threads;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .wanted = PTHREAD_COND_INITIALIZER,
	   .done = PTHREAD_COND_INITIALIZER };

static void take_out(struct handshake_job *job)
{
	*(job->prev ? &job->prev->next : &pool.first) = job->next;
	*(job->next ? &job->next->prev : &pool.last) = job->prev;
	job->next = job->prev = NULL;
}

/* OpenSSL keeps its errors by thread: what they mean must be asked here. */
static void step(struct handshake_job *job)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(job->ssl);
	job->error = SSL_get_error(job->ssl, result);
	job->saved_errno = errno;
	ERR_clear_error();
}

static void *work(void *context)
{
	(void)context;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* best effort */
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct handshake_job *job = pool.first;

		if (!job) {
			pthread_cond_wait(&pool.wanted, &pool.lock);
			continue;
		}
		take_out(job);
		job->state = JOB_RUNNING;
		pthread_mutex_unlock(&pool.lock);
		step(job);
		pthread_mutex_lock(&pool.lock);
		job->state = JOB_POSTED;
		/* Under the lock: whoever sees POSTED may end the loop, which then runs the post.
		 */
		loop_post(job->loop, &job->post);
		pthread_cond_broadcast(&pool.done);
	}
	return NULL;
}

/* At the first job, when privileges are dropped; the threads last as long as the process. */
static void start(void)
{
	cpu_set_t cpus;
	int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	for (int i = 0; i < count && i < THREADS_MOST; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, NULL) != 0)
			break;
		pthread_setname_np(thread, "handshakes");
		pthread_detach(thread);
		pool.has_threads = true;
	}
}

static void on_post(struct post *post)
{
	struct handshake_job *job = CONTAINER_OF(post, struct handshake_job, post);

	if (job->orphan) {
		free(job);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	job->state = JOB_IDLE;
	pthread_mutex_unlock(&pool.lock);
	job->on_done(job->context);
}

struct handshake_job *handshake_job_create(SSL *ssl, struct loop *loop,
					   void (*on_done)(void *context), void *context)
{
	struct handshake_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->post.on_post = on_post;
	job->ssl = ssl;
	job->loop = loop;
	job->on_done = on_done;
	job->context = context;
	return job;
}

void handshake_job_destroy(struct handshake_job *job)
{
	bool posted;

	if (!job)
		return;
	pthread_mutex_lock(&pool.lock);
	if (job->state == JOB_QUEUED) {
		take_out(job);
		job->state = JOB_IDLE;
	}
	while (job->state == JOB_RUNNING)
		pthread_cond_wait(&pool.done, &pool.lock);
	posted = job->state == JOB_POSTED;
	pthread_mutex_unlock(&pool.lock);
	if (posted)
		job->orphan = true; /* posts of this loop are run by this thread, or after it */
	else
		free(job);
}

bool handshake_job_give(struct handshake_job *job)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	if (!pool.has_threads)
		return false;
	pthread_mutex_lock(&pool.lock);
	MUST(job->state == JOB_IDLE);
	job->state = JOB_QUEUED;
	job->prev = pool.last;
	*(pool.last ? &pool.last->next : &pool.first) = job;
	pool.last = job;
	pthread_cond_signal(&pool.wanted);
	pthread_mutex_unlock(&pool.lock);
	return true;
}

int handshake_job_result(const struct handshake_job *job, int *out_errno)
{
	*out_errno = job->saved_errno;
	return job->error;
}
