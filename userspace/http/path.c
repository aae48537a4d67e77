#include "userspace/http/path.h"

#include "userspace/http/field.h"

/* A path while it is written; at[start] is the slash before the present segment. */
struct draft {
	struct path_rules rules;
	char *at;
	size_t cap, len, start;
};

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static bool put(struct draft *d, char c)
{
	if (d->len == d->cap)
		return false;
	d->at[d->len++] = c;
	return true;
}

/* 1 or 2 for a dot segment, 0 for others, -1 for one that only some servers take for one. */
static int dots_in(struct span segment)
{
	size_t n = 0;

	while (n < 2 && n < segment.len && segment.at[n] == '.')
		n++;
	if (n == segment.len)
		return (int)n;
	return n > 0 && segment.at[n] == ';' ? -1 : 0;
}

/* The same of a segment that has "%2F": some servers take what is between for segments. */
static int dots_between(struct span segment)
{
	const char *slash;
	bool many = false;

	while ((slash = memmem(segment.at, segment.len, "%2F", 3))) {
		if (dots_in(span_make(segment.at, (size_t)(slash - segment.at))) != 0)
			return -1;
		segment = span_after(segment, (size_t)(slash - segment.at) + 3);
		many = true;
	}
	return many && dots_in(segment) != 0 ? -1 : dots_in(segment);
}

/* What the rules make of a segment that is written; false where they refuse it. */
static bool end_segment(struct draft *d, bool is_last)
{
	int dots = 0;

	if (d->rules.dots != PATH_DOTS_KEEP)
		dots = dots_between(span_make(d->at + d->start + 1, d->len - d->start - 1));
	if (dots == 0)
		return true;
	/* A climb above the root may mean anything. */
	if (dots < 0 || d->rules.dots == PATH_DOTS_REFUSE || (dots == 2 && d->start == 0))
		return false;
	d->len = d->start;
	if (dots == 2) {
		/* There is a segment before this one, and it starts with a slash. */
		while (d->at[--d->len] != '/')
			;
	}
	return !is_last || put(d, '/');
}

static bool put_slash(struct draft *d)
{
	if (d->len > 0 && !end_segment(d, false))
		return false;
	d->start = d->len;
	return put(d, '/');
}

/* What an escape at the front of s stands for; false where it may not be there. */
static bool put_escape(struct draft *d, struct span s)
{
	static const char upper[] = "0123456789ABCDEF";
	unsigned c;

	if (s.len < 3 || !byte_is(s.at[1], BYTE_HEX) || !byte_is(s.at[2], BYTE_HEX))
		return false;
	c = hex_value(s.at[1]) << 4 | hex_value(s.at[2]);
	if (c == 0 || c == '\\' || (c == '/' && d->rules.slashes == PATH_SLASHES_REFUSE))
		return false;
	if (c == '/' && d->rules.slashes == PATH_SLASHES_DECODE)
		return put_slash(d);
	if (byte_is((char)c, BYTE_PLAIN))
		return put(d, (char)c);
	return put(d, '%') && put(d, upper[c >> 4]) && put(d, upper[c & 15]);
}

/* Whether there is nothing to do: most paths are like that. */
static bool is_plain(struct span path)
{
	for (size_t i = 0; i < path.len; i++) {
		char c = path.at[i];

		if (!byte_is(c, BYTE_PATH) || c == '%' ||
		    (c == '.' && i > 0 && path.at[i - 1] == '/'))
			return false;
	}
	return true;
}

bool path_normalise(struct span path, struct path_rules rules, char *out, size_t cap,
		    size_t *out_len)
{
	struct draft d = { .rules = rules, .at = out, .cap = cap };

	if (cap == 0 || path.len == 0 || (path.at[0] != '/' && !span_is(path, SPAN("*"))))
		return false;
	if (path.len <= cap && (path.at[0] == '*' || is_plain(path))) {
		memcpy(out, path.at, path.len);
		*out_len = path.len;
		return true;
	}
	while (path.len > 0) {
		bool escaped = path.at[0] == '%';
		bool good;

		if (path.at[0] == '/')
			good = put_slash(&d);
		else if (escaped)
			good = put_escape(&d, path);
		else
			good = byte_is(path.at[0], BYTE_PATH) && put(&d, path.at[0]);
		if (!good)
			return false;
		path = span_after(path, escaped ? 3 : 1);
	}
	if (!end_segment(&d, true))
		return false;
	*out_len = d.len;
	return true;
}
