/*
 * warnings.h - what shuntctl check says of what is no mistake, but may not do what was meant.
 */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum { WARNINGS_MAX = 20, WARNING_BYTES = 768 };

struct warnings {
	char list[WARNINGS_MAX][WARNING_BYTES];
	uint32_t count, more;
};

__attribute__((format(printf, 2, 3))) static inline void warnings_add(struct warnings *out,
								      const char *fmt, ...)
{
	va_list args;

	if (out->count == WARNINGS_MAX) {
		out->more++;
		return;
	}
	va_start(args, fmt);
	vsnprintf(out->list[out->count++], WARNING_BYTES, fmt, args);
	va_end(args);
}
