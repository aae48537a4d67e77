/*
 * log.h - one line an event, to standard error; secrets never come here.
 *
 * Any thread; a line is one write(2), so lines of different threads do not mix. Nobody waits for a
 * reader of standard error: a line that it does not take is lost and counted.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

extern const char *const log_level_names[]; /* ends with NULL */

void log_set_level(enum log_level most); /* any time */
bool log_is_shown(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t log_lost(void); /* lines, since start */

/*
 * For what peers can cause, as often as they like: LOG_BURST lines a place and window, then only
 * how many more there were.
 */
enum { LOG_BURST = 5, LOG_WINDOW_MS = 10000 };

struct log_place {
	struct log_place *next; /* of those that ever said something */
	const char *fmt;
	atomic_bool known;
	_Atomic uint64_t window_ms; /* when it began */
	atomic_uint count;          /* of lines in it */
	atomic_uint suppressed;     /* not yet told of */
};

/* Whether a line may be said there; else it is counted. */
bool log_may(struct log_place *place, enum log_level level, const char *fmt, uint64_t now_ms);
uint64_t log_now_ms(void);
/* Tells of what was suppressed in windows that have ended, or in all of them. */
void log_say_suppressed(bool all);

#define LOG_OFTEN(level, fmt, ...)                                                                 \
	do {                                                                                       \
		static struct log_place place_;                                                    \
		if (log_may(&place_, level, fmt, log_now_ms()))                                    \
			log_line(level, fmt, ##__VA_ARGS__);                                       \
	} while (0)
