#include "userspace/route/value_match.h"

#include "userspace/http/field.h"
#include "userspace/route/regex.h"

bool value_match(const struct value_match *want, struct span value)
{
	enum regex_result got;

	if (!value.at)
		return want->negated;
	switch (want->kind) {
	case VALUE_EXACT:
		return span_is(value, span_of(want->value)) != want->negated;
	case VALUE_PREFIX:
		return span_has_prefix(value, span_of(want->value)) != want->negated;
	case VALUE_PRESENT:
		return !want->negated;
	case VALUE_REGEX:
		break;
	}
	got = regex_match(want->regex, value);
	return got != REGEX_GAVE_UP && (got == REGEX_YES) != want->negated;
}

/* Up to the next stop, which goes too. */
static struct span piece(struct span *rest, char stop)
{
	const char *end = rest->len > 0 ? memchr(rest->at, stop, rest->len) : NULL;
	struct span got = end ? span_make(rest->at, (size_t)(end - rest->at)) : *rest;

	*rest = span_after(*rest, got.len + (end ? 1 : 0));
	return got;
}

struct span cookie_value(struct span cookies, struct span name)
{
	while (cookies.len > 0) {
		struct span pair = field_trim(piece(&cookies, ';'));
		const char *equals = pair.len > 0 ? memchr(pair.at, '=', pair.len) : NULL;
		size_t len = equals ? (size_t)(equals - pair.at) : 0;

		if (equals && span_is(span_make(pair.at, len), name))
			return span_after(pair, len + 1);
	}
	return (struct span){ NULL, 0 };
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The byte at *at, decoded. */
static char decoded(struct span text, size_t *at)
{
	char c = text.at[(*at)++];

	if (c == '+')
		return ' ';
	if (c != '%' || text.len - *at < 2 || !byte_is(text.at[*at], BYTE_HEX) ||
	    !byte_is(text.at[*at + 1], BYTE_HEX))
		return c;
	c = (char)(hex(text.at[*at]) << 4 | hex(text.at[*at + 1]));
	*at += 2;
	return c;
}

static bool name_is(struct span written, struct span name)
{
	size_t at = 0, i = 0;

	while (at < written.len && i < name.len)
		if (decoded(written, &at) != name.at[i++])
			return false;
	return at == written.len && i == name.len;
}

struct span query_value(struct span query, struct span name, char out[QUERY_VALUE_MAX])
{
	while (query.len > 0) {
		struct span value = piece(&query, '&'), written = piece(&value, '=');
		size_t len = 0;

		if (!name_is(written, name))
			continue;
		for (size_t at = 0; at < value.len && len < QUERY_VALUE_MAX;)
			out[len++] = decoded(value, &at);
		return span_make(out, len);
	}
	return (struct span){ NULL, 0 };
}
