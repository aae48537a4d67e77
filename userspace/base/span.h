/*
 * span.h - borrowed bytes: a pointer and a length, never owned, not ended by NUL.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

#define SPAN(literal) ((struct span){ literal, sizeof(literal) - 1 })
#define SPAN_ARG(s)   (int)(s).len, (s).at /* for "%.*s" */

static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline struct span span_make(const void *at, size_t len)
{
	return (struct span){ at, len };
}

static inline bool span_is(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline char span_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Without regard to the case of ASCII letters; strncasecmp() would end at a NUL. */
static inline bool span_is_nocase(struct span a, struct span b)
{
	size_t i = 0;

	while (i < a.len && a.len == b.len && span_lower(a.at[i]) == span_lower(b.at[i]))
		i++;
	return i == a.len && a.len == b.len;
}

static inline bool span_has_prefix(struct span s, struct span prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

/* Drops n bytes from the front; n must not exceed the length. */
static inline struct span span_after(struct span s, size_t n)
{
	return (struct span){ s.at + n, s.len - n };
}
