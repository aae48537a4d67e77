#include "userspace/upstream/wait_line.h"

#include <pthread.h>
#include <stdlib.h>

#include "userspace/base/must.h"

enum { WORKERS = 64 /* bits of tally.lines */ };

struct wait_line {
	struct wait_line *next;
	struct wait_lines *all;
	struct tally *upstream;
	struct waiter *first, *last;
};

struct wait_lines {
	struct loop *loop;
	uint32_t seat; /* of callers; WORKERS: none was free, then it looks for room by itself */
	struct wait_line *first; /* of few upstreams at once: those that are full */
	struct timer look;
	void (*on_call)(void *context);
	void *context;
};

/* How others reach a worker. Outlives its lines, as a call may be on its way when they end. */
struct caller {
	struct post post;
	/* Under the lock, which only those take who call: */
	bool called;              /* post is on its way */
	struct wait_lines *lines; /* NULL: none */
};

static struct caller callers[WORKERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct wait_line *find(const struct wait_lines *lines, const struct tally *upstream)
{
	struct wait_line *line = lines->first;

	while (line && line->upstream != upstream)
		line = line->next;
	return line;
}

/* Under the lock. */
static void call(struct caller *caller)
{
	if (!caller->lines || caller->called)
		return;
	caller->called = true;
	loop_post(caller->lines->loop, &caller->post);
}

void wait_lines_ask(void)
{
	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < WORKERS; i++)
		call(&callers[i]);
	pthread_mutex_unlock(&lock);
}

/* All who have a line: the next one may have nobody who can use what there is. */
static void call_each(uint64_t waiting)
{
	pthread_mutex_lock(&lock);
	for (; waiting; waiting &= waiting - 1)
		call(&callers[__builtin_ctzll(waiting)]);
	pthread_mutex_unlock(&lock);
}

/* The next worker that has a line, after the one that was called last; by turns. */
static void call_next(struct tally *upstream)
{
	uint64_t waiting = atomic_load(&upstream->lines);
	uint32_t from = (atomic_load(&upstream->turn) + 1) % WORKERS, next;

	if (!waiting)
		return;
	if (atomic_load(&upstream->picky) > 0) {
		call_each(waiting);
		return;
	}
	waiting = from ? waiting >> from | waiting << (WORKERS - from) : waiting;
	next = (from + (uint32_t)__builtin_ctzll(waiting)) % WORKERS;
	atomic_store(&upstream->turn, next);
	pthread_mutex_lock(&lock);
	call(&callers[next]);
	pthread_mutex_unlock(&lock);
}

/* True: somebody has left the line, which may be no more. */
static bool serve_one(struct wait_line *line)
{
	for (struct waiter *w = line->first; w; w = w->next) {
		if (w->on_turn(w))
			return true;
		if (!w->picky)
			return false;
	}
	return false;
}

/* As long as there is room for anybody. What is left for others is passed on. */
static void serve(struct wait_lines *lines, struct tally *upstream)
{
	struct wait_line *line;

	while ((line = find(lines, upstream)))
		if (!serve_one(line))
			return;
	if (wait_lines_is_busy(upstream))
		call_next(upstream);
}

static void serve_all(struct wait_lines *lines)
{
	struct tally *upstreams[WORKERS];
	uint32_t count = 0;

	/* Lines come and go while they are served; more than these have their turn at the next
	 * look. */
	for (struct wait_line *line = lines->first; line && count < WORKERS; line = line->next)
		upstreams[count++] = tally_ref(line->upstream);
	for (uint32_t i = 0; i < count; i++) {
		serve(lines, upstreams[i]);
		tally_give(upstreams[i]);
	}
	if (lines->first && !ev_is_active(&lines->look.timer))
		timer_start(&lines->look, WAIT_LOOK_MS);
}

static void on_look(void *context)
{
	serve_all(context);
}

static void on_call(struct post *post)
{
	struct caller *caller = (struct caller *)post; /* its first member */
	struct wait_lines *lines;

	pthread_mutex_lock(&lock);
	lines = caller->lines; /* of this thread: nobody takes the seat while it is called */
	caller->called = false;
	pthread_mutex_unlock(&lock);
	if (!lines)
		return;
	lines->on_call(lines->context);
	serve_all(lines);
}

struct wait_lines *wait_lines_create(struct loop *loop, void (*on_called)(void *context),
				     void *context)
{
	struct wait_lines *lines = must_alloc(sizeof(*lines));

	lines->loop = loop;
	lines->on_call = on_called;
	lines->context = context;
	timer_init(&lines->look, loop, on_look, lines);
	pthread_mutex_lock(&lock);
	while (lines->seat < WORKERS && (callers[lines->seat].lines || callers[lines->seat].called))
		lines->seat++;
	if (lines->seat < WORKERS) {
		callers[lines->seat].post.on_post = on_call;
		callers[lines->seat].lines = lines;
	}
	pthread_mutex_unlock(&lock);
	return lines;
}

void wait_lines_destroy(struct wait_lines *lines)
{
	if (!lines)
		return;
	MUST(!lines->first);
	timer_stop(&lines->look);
	pthread_mutex_lock(&lock);
	if (lines->seat < WORKERS)
		callers[lines->seat].lines = NULL;
	pthread_mutex_unlock(&lock);
	free(lines);
}

static uint64_t bit_of(const struct wait_lines *lines)
{
	return lines->seat < WORKERS ? (uint64_t)1 << lines->seat : 0;
}

static struct wait_line *open_line(struct wait_lines *lines, struct tally *upstream)
{
	struct wait_line *line = find(lines, upstream);

	if (line)
		return line;
	line = must_alloc(sizeof(*line));
	line->all = lines;
	line->upstream = tally_ref(upstream);
	line->next = lines->first;
	lines->first = line;
	atomic_fetch_or(&upstream->lines, bit_of(lines));
	return line;
}

static void close_line(struct wait_line *line)
{
	struct wait_line **at = &line->all->first;

	while (*at != line)
		at = &(*at)->next;
	*at = line->next;
	atomic_fetch_and(&line->upstream->lines, ~bit_of(line->all));
	tally_give(line->upstream);
	free(line);
}

bool wait_lines_join(struct wait_lines *lines, struct tally *upstream, uint32_t size,
		     struct waiter *waiter)
{
	struct wait_line *line;

	MUST(!waiter->line);
	if (!tally_enter(&upstream->waiting, size))
		return false;
	atomic_fetch_add(&upstream->picky, waiter->picky);
	line = open_line(lines, upstream);
	waiter->line = line;
	waiter->next = NULL;
	waiter->prev = line->last;
	*(line->last ? &line->last->next : &line->first) = waiter;
	line->last = waiter;
	if (!ev_is_active(&lines->look.timer))
		timer_start(&lines->look, WAIT_LOOK_MS);
	return true;
}

void wait_lines_quit(struct waiter *waiter)
{
	struct wait_line *line = waiter->line;

	if (!line)
		return;
	*(waiter->prev ? &waiter->prev->next : &line->first) = waiter->next;
	*(waiter->next ? &waiter->next->prev : &line->last) = waiter->prev;
	waiter->line = NULL;
	if (waiter->picky)
		tally_leave(&line->upstream->picky);
	tally_leave(&line->upstream->waiting);
	if (!line->first)
		close_line(line);
}

void wait_lines_outdate(struct wait_lines *lines)
{
	for (struct wait_line *line = lines->first; line; line = line->next)
		for (struct waiter *w = line->first; w; w = w->next) {
			atomic_fetch_add(&line->upstream->picky, !w->picky);
			w->picky = true;
		}
}

bool wait_lines_is_busy(const struct tally *upstream)
{
	return atomic_load(&upstream->waiting) > 0;
}

bool wait_lines_is_ahead(const struct tally *upstream)
{
	return atomic_load(&upstream->waiting) > atomic_load(&upstream->picky);
}

void wait_lines_freed(struct tally *upstream)
{
	if (wait_lines_is_busy(upstream))
		call_next(upstream);
}
