#include "userspace/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return false;
}

bool err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list args;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved));
	return false;
}

bool err_at(struct err *err, struct place at, const char *fmt, ...)
{
	int used;
	va_list args;

	if (!err)
		return false;
	used = snprintf(err->text, sizeof(err->text), "%s:%u:%u: ", at.file ? at.file : "?",
			at.line, at.column);
	if (used < 0 || (size_t)used >= sizeof(err->text))
		return false;
	va_start(args, fmt);
	vsnprintf(err->text + used, sizeof(err->text) - (size_t)used, fmt, args);
	va_end(args);
	/* What a file has in it is quoted, and must not end the line or move the cursor. */
	for (char *c = err->text + used; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return false;
}
