#include "userspace/base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/clock.h"

enum { LINE_MAX_BYTES = 1024 };

const char *const log_level_names[] = { "error", "warning", "notice", "info", "debug", NULL };

static _Atomic int shown = LOG_INFO;
static _Atomic uint64_t lost;
static _Atomic(struct log_place *) places; /* static ones: they are never taken out */

void log_set_level(enum log_level most)
{
	atomic_store_explicit(&shown, (int)most, memory_order_relaxed);
}

bool log_is_shown(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&shown, memory_order_relaxed);
}

uint64_t log_lost(void)
{
	return atomic_load(&lost);
}

/* A line has one end, whatever was put into it. */
static int clean(char *line, int len)
{
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	return len;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[LINE_MAX_BYTES];
	va_list args;
	int used, more;

	if (!log_is_shown(level))
		return;
	used = snprintf(line, sizeof(line) - 1, "%s: ", log_level_names[level]);
	va_start(args, fmt);
	more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, fmt, args);
	va_end(args);
	if (more < 0)
		return;
	used += more;
	if ((size_t)used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	used = clean(line, used);
	if (poll(&ready, 1, 0) != 1 || write(STDERR_FILENO, line, (size_t)used) < 0)
		atomic_fetch_add(&lost, 1);
}

/* --- what is said often --------------------------------------------------------------------- */

uint64_t log_now_ms(void)
{
	return clock_monotonic_ms();
}

static void introduce(struct log_place *place, const char *fmt)
{
	if (atomic_exchange(&place->known, true))
		return;
	place->fmt = fmt;
	place->next = atomic_load(&places);
	while (!atomic_compare_exchange_weak(&places, &place->next, place))
		;
}

/* As people read it: "endpoint ... of upstream ...". */
static void without_conversions(const char *fmt, char *out, size_t room)
{
	size_t used = 0;

	for (; *fmt && used + sizeof("...") < room; fmt++) {
		if (*fmt != '%') {
			out[used++] = *fmt;
			continue;
		}
		fmt += strcspn(fmt + 1, "csdiuxXp%") + (fmt[1] != 0);
		memcpy(out + used, "...", 3);
		used += 3;
	}
	out[used] = 0;
}

static void tell(struct log_place *place)
{
	unsigned more = atomic_exchange(&place->suppressed, 0);
	char text[LINE_MAX_BYTES];

	if (!more)
		return;
	without_conversions(place->fmt, text, sizeof(text));
	log_line(LOG_WARNING, "%u more suppressed of: %s", more, text);
}

bool log_may(struct log_place *place, enum log_level level, const char *fmt, uint64_t now_ms)
{
	uint64_t began = atomic_load(&place->window_ms);

	if (!log_is_shown(level))
		return false;
	introduce(place, fmt);
	if ((!began || now_ms - began >= LOG_WINDOW_MS) &&
	    atomic_compare_exchange_strong(&place->window_ms, &began, now_ms)) {
		tell(place);
		atomic_store(&place->count, 0);
	}
	if (atomic_fetch_add(&place->count, 1) < LOG_BURST)
		return true;
	atomic_fetch_add(&place->suppressed, 1);
	return false;
}

void log_say_suppressed(bool all)
{
	uint64_t now_ms = log_now_ms();

	for (struct log_place *at = atomic_load(&places); at; at = at->next)
		if (all || now_ms - atomic_load(&at->window_ms) >= LOG_WINDOW_MS)
			tell(at);
}
