/*
 * log_sink.h - lines of several threads, written by a thread of its own to one target.
 *
 * So that no disk, pipe or syslog ever holds up a thread that has other work: a line costs it a
 * copy, and at most a hundred times a second a wake-up. What the target does not take at once is
 * kept, up to a ring a writer; more is lost and counted. Functions of the control thread unless
 * said.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/base/line_ring.h"

struct log_sink;

/* Without target and thread. */
struct log_sink *log_sink_create(void);
/* Before the start: a file is that user's, as log_target.h has it. */
bool log_sink_hand_over(struct log_sink *sink, const char *user, struct err *err);
/* Starts the thread, with the rights and signals of the caller. */
bool log_sink_start(struct log_sink *sink, struct err *err);
/* Opens another target, or the same one anew; NULL: none. Lines from now on go there, and those
 * that still wait. On failure all is as it was. Any time. */
bool log_sink_use(struct log_sink *sink, const char *where, struct err *err);
/* Writes what can be written, counts the rest as lost, ends the thread. Writers must have ended. */
void log_sink_destroy(struct log_sink *sink); /* accepts NULL */

/* A ring for one writer, which may be another thread; given back when that has ended. */
struct line_ring *log_sink_take_ring(struct log_sink *sink);
void log_sink_give_ring(struct log_sink *sink, struct line_ring *ring); /* accepts NULL */

/* Any thread. */
bool log_sink_is_used(const struct log_sink *sink);                /* else nobody reads */
void log_sink_wake(struct log_sink *sink, struct line_ring *ring); /* after line_ring_end */
uint64_t log_sink_lost(struct log_sink *sink);                     /* lines, since start */
