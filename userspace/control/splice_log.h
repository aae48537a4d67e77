/*
 * splice_log.h - a line of the access log for each full splice that has ended.
 *
 * The session's own line was written when the kernel took it over; this one has what went past us
 * since, and belongs to it by the session's number. Belongs to the control thread.
 */
#pragma once
#include "userspace/base/log_sink.h"
#include "userspace/snapshot/snapshot.h"
#include "userspace/splice/splicer.h"

struct splice_log;

struct splice_log *splice_log_create(struct log_sink *sink, struct snapshot *snapshot);
void splice_log_destroy(struct splice_log *log); /* accepts NULL */
/* Names of listeners are looked up there from now on. */
void splice_log_follow(struct splice_log *log, struct snapshot *snapshot);
void splice_log_write(struct splice_log *log, const struct splice_end *end);
