/*
 * loop.h - libev behind watch, timer, defer and post.
 *
 * A loop belongs to one thread; only loop_post and loop_stop may be called by others. Callbacks may
 * stop, start or free any watcher, their own included. What is ready is told before timers that are
 * due: a loop that was kept from running takes nobody for late.
 */
#pragma once
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

struct watch {
	ev_io io;
	struct loop *loop;
	uint32_t round; /* of the loop's, in which it was heard last */
	void (*on_ready)(void *context, int events);
	void *context;
};

struct timer {
	ev_timer timer;
	struct loop *loop;
	void (*on_timer)(void *context);
	void *context;
};

/* Work for the end of the present turn, after all callbacks that are due. Intrusive, runs once. */
struct defer {
	struct defer *next;
	bool queued;
	void (*on_defer)(void *context);
	void *context;
};

/* Work sent by any thread; the sender allocates, on_post frees. */
struct post {
	struct post *next;
	void (*on_post)(struct post *post);
};

struct loop *loop_create(void); /* aborts without memory; at start only */
void loop_destroy(struct loop *loop);
void loop_run(struct loop *loop);              /* until loop_stop, also one of before */
void loop_stop(struct loop *loop);             /* any thread; takes effect at the end of a turn */
void loop_again(struct loop *loop);            /* what was stopped may run once more */
uint64_t loop_now_ms(const struct loop *loop); /* monotonic, of this turn */
void loop_post(struct loop *loop, struct post *post);    /* any thread; in order of posting */
void loop_defer(struct loop *loop, struct defer *defer); /* no effect where already queued */
void loop_defer_cancel(struct loop *loop, struct defer *defer);

/* Starts with no events; fd is borrowed and must outlive the watch. */
void watch_init(struct watch *w, struct loop *loop, int fd,
		void (*on_ready)(void *context, int events), void *context);
void watch_set(struct watch *w, int events); /* 0: none; cheap where nothing changes */
void watch_fini(struct watch *w);

void timer_init(struct timer *t, struct loop *loop, void (*on_timer)(void *context), void *context);
void timer_start(struct timer *t, uint64_t after_ms); /* restarts; once */
void timer_stop(struct timer *t);
