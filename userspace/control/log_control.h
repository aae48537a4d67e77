/*
 * log_control.h - the daemon's log and the access log, as the configuration wants them.
 *
 * Knows which word of arguments and configuration counts, and what a reload changes. Control thread
 * only.
 */
#pragma once
#include "userspace/base/log_sink.h"
#include "userspace/control/arguments.h"
#include "userspace/model/model.h"
#include "userspace/net/loop.h"

struct log_control;

/* Opens the access log, whose lines wait until the start. NULL and *err on failure. */
struct log_control *log_control_create(struct loop *loop, const struct arguments *arguments,
				       const struct log_config *config, struct err *err);
bool log_control_hand_over(struct log_control *control, const char *user, struct err *err);
bool log_control_start(struct log_control *control, struct err *err); /* with rights dropped */
/* After a reload. What cannot be opened stays as it was, which is said. */
void log_control_follow(struct log_control *control, const struct log_config *config);
void log_control_reopen(struct log_control *control); /* after rotation */
struct log_sink *log_control_sink(struct log_control *control);
uint64_t log_control_lost(struct log_control *control); /* lines, since start */
void log_control_destroy(struct log_control *control);  /* workers must have ended; accepts NULL */
