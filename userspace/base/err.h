/*
 * err.h - a sentence for the operator: what failed, on what, why, what to do.
 *
 * For cold code only (start, configuration, loading, reload, admin). Every err_* fills *err,
 * which may be NULL, and returns false, so that a failing function ends in `return err_set(...)`.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { ERR_TEXT_MAX = 512 };

struct err {
	char text[ERR_TEXT_MAX];
};

/* A place in a configuration file; lines and columns count from 1, line 0 means "no place". */
struct place {
	const char *file; /* borrowed; lives as long as what was parsed from it */
	uint32_t line;
	uint32_t column;
};

bool err_set(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends ": " and strerror(errno). */
bool err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "file:line:column: " in front. */
bool err_at(struct err *err, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
