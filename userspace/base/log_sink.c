#include "userspace/base/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/log_target.h"
#include "userspace/base/must.h"

enum {
	NAP_MS = 10,      /* after a write, for others to come together */
	REFUSED_MS = 100, /* until a target that took nothing is tried again */
	PASSES_MAX = 64,  /* of writes, then it is looked whether there is something else to do */
};

/* What the thread does; a writer wakes it where nobody else will soon enough. */
enum { AWAKE, NAPPING, ASLEEP };

struct place_of_ring {
	struct line_ring ring;
	struct place_of_ring *next;
	bool taken;
};

struct log_sink {
	_Atomic(struct place_of_ring *) rings; /* grows at its front, shrinks never */
	_Atomic int state;
	atomic_bool used, stopping;
	_Atomic uint64_t lost;
	int wake;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;    /* of what follows, and of taken */
	struct log_target *next; /* to be used from now on */
	bool changed;
	/* the thread's */
	struct log_target *target;
	struct line_ring *halved; /* its first bytes are the rest of a line */
	int error;                /* of the target, as was said */
};

struct log_sink *log_sink_create(void)
{
	struct log_sink *sink = must_alloc(sizeof(*sink));

	sink->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	MUST(sink->wake >= 0);
	pthread_mutex_init(&sink->lock, NULL);
	return sink;
}

static void wake(struct log_sink *sink)
{
	uint64_t one = 1;

	if (write(sink->wake, &one, sizeof(one)) < 0)
		return; /* it is full: the thread will wake */
}

void log_sink_wake(struct log_sink *sink, struct line_ring *ring)
{
	int state;

	atomic_thread_fence(memory_order_seq_cst); /* the line is seen, or that it sleeps */
	state = atomic_load_explicit(&sink->state, memory_order_relaxed);
	if (state == AWAKE || (state == NAPPING && !line_ring_is_half_full(ring)))
		return;
	if (atomic_compare_exchange_strong(&sink->state, &state, AWAKE))
		wake(sink);
}

/* --- the thread ----------------------------------------------------------------------------- */

static uint64_t count_lines(struct span lines)
{
	uint64_t count = 0;

	for (size_t i = 0; i < lines.len; i++)
		count += lines.at[i] == '\n';
	return count;
}

/* The rest of a line whose beginning went elsewhere is of no use to anybody. */
static void drop_half(struct log_sink *sink)
{
	struct span lines;

	if (!sink->halved)
		return;
	lines = line_ring_peek(sink->halved);
	line_ring_drop(sink->halved,
		       (uint32_t)((const char *)memchr(lines.at, '\n', lines.len) + 1 - lines.at));
	atomic_fetch_add(&sink->lost, 1);
	sink->halved = NULL;
}

/* As many lines as the target takes. False: it takes no more now. */
static bool drain_ring(struct log_sink *sink, struct line_ring *ring, bool *out_moved)
{
	for (int i = 0; i < PASSES_MAX; i++) {
		struct span lines = line_ring_peek(ring);
		uint64_t lost = 0;
		size_t n;

		if (lines.len == 0)
			return true;
		n = log_target_write(sink->target, lines, &lost);
		atomic_fetch_add(&sink->lost, lost);
		if (n == 0)
			return false;
		*out_moved = true;
		sink->halved = lines.at[n - 1] == '\n' ? NULL : ring;
		line_ring_drop(ring, (uint32_t)n);
	}
	return true;
}

/* A line that is half written is finished before another begins. False: no more goes now. */
static bool drain(struct log_sink *sink, bool *out_moved)
{
	struct place_of_ring *at = atomic_load_explicit(&sink->rings, memory_order_acquire);

	if (sink->halved && !drain_ring(sink, sink->halved, out_moved))
		return false;
	for (; at && !sink->halved; at = at->next)
		if (!drain_ring(sink, &at->ring, out_moved))
			return false;
	return !sink->halved;
}

static void lose_all(struct log_sink *sink)
{
	struct place_of_ring *at = atomic_load_explicit(&sink->rings, memory_order_acquire);

	for (; at; at = at->next)
		for (struct span lines; (lines = line_ring_peek(&at->ring)).len > 0;) {
			atomic_fetch_add(&sink->lost, count_lines(lines));
			line_ring_drop(&at->ring, (uint32_t)lines.len);
		}
	sink->halved = NULL;
}

/* What waits goes to the new target; where there is none any more, to the old one or nowhere. */
static void turn_over(struct log_sink *sink)
{
	struct log_target *before = sink->target, *next;
	bool changed, moved;

	pthread_mutex_lock(&sink->lock);
	changed = sink->changed;
	next = sink->next;
	sink->next = NULL;
	sink->changed = false;
	pthread_mutex_unlock(&sink->lock);
	if (!changed)
		return;
	if (before && !next) {
		drain(sink, &moved);
		lose_all(sink);
	}
	sink->target = next;
	log_target_close(before);
	drop_half(sink);
	sink->error = 0;
}

static void say_error(struct log_sink *sink)
{
	int error = log_target_error(sink->target);

	if (error && error != sink->error)
		log_line(LOG_ERROR,
			 "the access log takes nothing: %s; lines are kept for a while, then lost",
			 strerror(error));
	else if (!error && sink->error)
		log_line(LOG_NOTICE, "the access log takes lines again");
	sink->error = error;
}

static void wait_for(struct log_sink *sink, int state, int ms, int target_fd)
{
	struct pollfd fds[2] = { { .fd = sink->wake, .events = POLLIN },
				 { .fd = target_fd, .events = POLLOUT } };
	uint64_t count;

	atomic_store(&sink->state, state);
	atomic_thread_fence(memory_order_seq_cst);
	for (struct place_of_ring *at = atomic_load(&sink->rings); at && state == ASLEEP;
	     at = at->next)
		if (line_ring_peek(&at->ring).len > 0 && sink->target)
			ms = 0;
	poll(fds, 2, ms);
	atomic_store(&sink->state, AWAKE);
	if (read(sink->wake, &count, sizeof(count)) < 0)
		return; /* nobody called */
}

static void *thread_run(void *context)
{
	struct log_sink *sink = context;

	for (;;) {
		bool stopping = atomic_load(&sink->stopping), moved = false, all = true;

		turn_over(sink);
		if (sink->target)
			all = drain(sink, &moved);
		if (stopping)
			break;
		if (!all && sink->target) {
			say_error(sink);
			wait_for(sink, AWAKE, REFUSED_MS, log_target_fd(sink->target));
			continue;
		}
		if (moved && sink->error)
			say_error(sink);
		wait_for(sink, moved ? NAPPING : ASLEEP, moved ? NAP_MS : -1, -1);
	}
	lose_all(sink);
	return NULL;
}

/* --- the control thread --------------------------------------------------------------------- */

bool log_sink_start(struct log_sink *sink, struct err *err)
{
	errno = pthread_create(&sink->thread, NULL, thread_run, sink);
	if (errno)
		return err_sys(err, "cannot start the thread of the access log");
	pthread_setname_np(sink->thread, "log");
	sink->started = true;
	return true;
}

bool log_sink_hand_over(struct log_sink *sink, const char *user, struct err *err)
{
	MUST(!sink->started);
	return !sink->next || log_target_hand_over(sink->next, user, err);
}

bool log_sink_use(struct log_sink *sink, const char *where, struct err *err)
{
	struct log_target *target = where ? log_target_open(where, err) : NULL;

	if (where && !target)
		return false;
	pthread_mutex_lock(&sink->lock);
	log_target_close(sink->next); /* one that came to nothing */
	sink->next = target;
	sink->changed = true;
	pthread_mutex_unlock(&sink->lock);
	atomic_store(&sink->used, where != NULL);
	wake(sink);
	return true;
}

void log_sink_destroy(struct log_sink *sink)
{
	struct place_of_ring *next;

	if (!sink)
		return;
	atomic_store(&sink->stopping, true);
	wake(sink);
	if (sink->started)
		pthread_join(sink->thread, NULL);
	for (struct place_of_ring *at = atomic_load(&sink->rings); at; at = next) {
		next = at->next;
		free(at);
	}
	log_target_close(sink->next);
	log_target_close(sink->target);
	pthread_mutex_destroy(&sink->lock);
	close(sink->wake);
	free(sink);
}

struct line_ring *log_sink_take_ring(struct log_sink *sink)
{
	struct place_of_ring *at;

	pthread_mutex_lock(&sink->lock);
	for (at = atomic_load(&sink->rings); at && at->taken; at = at->next)
		;
	if (!at) {
		at = must_alloc(sizeof(*at)); /* as much of it as is written to, in truth */
		at->next = atomic_load(&sink->rings);
		atomic_store_explicit(&sink->rings, at, memory_order_release);
	}
	at->taken = true;
	pthread_mutex_unlock(&sink->lock);
	return &at->ring;
}

void log_sink_give_ring(struct log_sink *sink, struct line_ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_lock(&sink->lock);
	CONTAINER_OF(ring, struct place_of_ring, ring)->taken = false;
	pthread_mutex_unlock(&sink->lock);
}

bool log_sink_is_used(const struct log_sink *sink)
{
	return atomic_load_explicit(&sink->used, memory_order_relaxed);
}

uint64_t log_sink_lost(struct log_sink *sink)
{
	uint64_t lost = atomic_load(&sink->lost);

	for (struct place_of_ring *at = atomic_load(&sink->rings); at; at = at->next)
		lost += atomic_load_explicit(&at->ring.lost, memory_order_relaxed);
	return lost;
}
