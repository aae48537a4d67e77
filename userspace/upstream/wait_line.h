/*
 * wait_line.h - exchanges that wait until one of their upstream's endpoints has room.
 *
 * One line for each upstream in each worker, first come first served. Whoever makes room calls one
 * of the workers whose lines wait, by turns. Knows neither sessions nor endpoints: a waiter tries
 * for itself. Belongs to one worker; the calls between workers are all that is shared.
 */
#pragma once
#include "userspace/net/loop.h"
#include "userspace/upstream/tally.h"

struct wait_lines;
struct wait_line;

struct waiter {
	struct waiter *next, *prev;
	struct wait_line *line; /* NULL: it waits for nothing */
	bool picky;             /* not every place is for it: it holds nobody up behind it */
	/* Its turn. True: it has left the line, whatever came of it; else nothing has changed. */
	bool (*on_turn)(struct waiter *waiter);
};

enum {
	WAIT_LOOK_MS = 50 /* for room that nobody told of, such as an endpoint that is fit again */
};

/* on_call: somebody waits, here or elsewhere, and may want room. */
struct wait_lines *wait_lines_create(struct loop *loop, void (*on_call)(void *context),
				     void *context);
void wait_lines_destroy(struct wait_lines *lines); /* nobody may wait; accepts NULL */

/* False where as many wait already, in all workers. The caller keeps upstream while it waits. */
bool wait_lines_join(struct wait_lines *lines, struct tally *upstream, uint32_t size,
		     struct waiter *waiter);
void wait_lines_quit(struct waiter *waiter); /* also one that does not wait */
/* Endpoints may have come that those who wait here do not know: they hold nobody up any more. */
void wait_lines_outdate(struct wait_lines *lines);
/* Somebody waits, here or in another worker. */
bool wait_lines_is_busy(const struct tally *upstream);
/* And would take any place: who comes now is behind them. */
bool wait_lines_is_ahead(const struct tally *upstream);
/* There may be room: those who wait are called, once all that is under way here is done. */
void wait_lines_freed(struct tally *upstream);
/* All workers hear of it: one of them may have what it does not need itself. */
void wait_lines_ask(void);
