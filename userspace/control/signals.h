/*
 * signals.h - what the process is told by signals, on the control thread's loop.
 *
 * TERM, INT, HUP, USR1 and USR2 are blocked from creation on, for all threads that begin later;
 * PIPE is ignored.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/net/loop.h"

struct signals;

struct signals *signals_create(struct loop *loop, void (*on_signal)(void *context, int number),
			       void *context, struct err *err);
void signals_destroy(struct signals *signals); /* accepts NULL; they stay blocked */
