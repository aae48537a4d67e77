#include "userspace/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static enum log_level shown = LOG_INFO;

void log_set_level(enum log_level most)
{
	shown = most;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
	char line[LINE_MAX_BYTES];
	va_list args;
	int used, more;

	if (level > shown)
		return;
	used = snprintf(line, sizeof(line) - 1, "%s: ", names[level]);
	va_start(args, fmt);
	more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, fmt, args);
	va_end(args);
	if (more < 0)
		return;
	used += more;
	if ((size_t)used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return; /* nobody is left to be told */
}
