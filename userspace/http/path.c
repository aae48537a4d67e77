#include "userspace/http/path.h"

#include "userspace/http/field.h"

static unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* Writes what an escape at the front of s stands for; 0 where it may not be there. */
static size_t put_escape(struct span s, char *out, size_t room)
{
	static const char upper[] = "0123456789ABCDEF";
	unsigned c;

	if (s.len < 3 || !byte_is(s.at[1], BYTE_HEX) || !byte_is(s.at[2], BYTE_HEX))
		return 0;
	c = hex_value(s.at[1]) << 4 | hex_value(s.at[2]);
	if (c == 0 || c == '/' || c == '\\')
		return 0;
	if (byte_is((char)c, BYTE_PLAIN)) {
		if (room < 1)
			return 0;
		out[0] = (char)c;
		return 1;
	}
	if (room < 3)
		return 0;
	out[0] = '%';
	out[1] = upper[c >> 4];
	out[2] = upper[c & 15];
	return 3;
}

static bool put_segment(struct span segment, char *out, size_t cap, size_t *len)
{
	while (segment.len > 0) {
		bool escaped = segment.at[0] == '%';
		size_t n = 1;

		if (escaped)
			n = put_escape(segment, out + *len, cap - *len);
		else if (*len < cap && byte_is(segment.at[0], BYTE_PATH))
			out[*len] = segment.at[0];
		else
			return false;
		if (n == 0)
			return false;
		*len += n;
		segment = span_after(segment, escaped ? 3 : 1);
	}
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

/* Takes a dot segment that was written at *len away again; false where it climbs too high. */
static bool resolve(char *out, size_t *len, size_t start, bool is_last)
{
	int dots = dots_in(span_make(out + start + 1, *len - start - 1));

	if (dots < 0 || (dots == 2 && start == 0))
		return false;
	if (dots == 0)
		return true;
	*len = start;
	if (dots == 2) {
		/* There is a segment before this one, and it starts with a slash. */
		while (out[--*len] != '/')
			;
	}
	if (is_last)
		out[(*len)++] = '/';
	return true;
}

bool path_normalise(struct span path, char *out, size_t cap, size_t *out_len)
{
	size_t len = 0;

	if (cap == 0 || path.len == 0)
		return false;
	if (span_is(path, SPAN("*"))) {
		out[0] = '*';
		*out_len = 1;
		return true;
	}
	if (path.at[0] != '/')
		return false;
	while (path.len > 0) {
		const char *next = memchr(path.at + 1, '/', path.len - 1);
		size_t n = next ? (size_t)(next - path.at) : path.len;
		size_t start = len;

		if (len == cap)
			return false;
		out[len++] = '/';
		if (!put_segment(span_make(path.at + 1, n - 1), out, cap, &len) ||
		    !resolve(out, &len, start, !next))
			return false;
		path = span_after(path, n);
	}
	*out_len = len;
	return true;
}
