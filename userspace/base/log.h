/*
 * log.h - one line an event, to standard error; secrets never come here.
 *
 * Any thread; a line is one write(2), so lines of different threads do not mix.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level most);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
