#include "userspace/http/cookie.h"

#include <string.h>

#include "userspace/http/field.h"

/* Up to the next semicolon, which is taken too. */
static struct span piece_take(struct span *rest)
{
	const char *end = memchr(rest->at, ';', rest->len);
	struct span piece = span_make(rest->at, end ? (size_t)(end - rest->at) : rest->len);

	*rest = span_after(*rest, piece.len + (end ? 1 : 0));
	return piece;
}

static void split(struct span piece, struct span *out_name, struct span *out_value)
{
	struct span pair = field_trim(piece);
	const char *equals = pair.len > 0 ? memchr(pair.at, '=', pair.len) : NULL;
	size_t len = equals ? (size_t)(equals - pair.at) : 0;

	*out_name = span_make(pair.at, len);
	*out_value = span_after(pair, len + (equals ? 1 : 0));
}

bool cookie_take(struct span *rest, struct span *out_name, struct span *out_value)
{
	if (rest->len == 0)
		return false;
	split(piece_take(rest), out_name, out_value);
	return true;
}

size_t cookie_strip(char *value, size_t len, struct span name)
{
	struct span rest = span_make(value, len);
	size_t kept = 0;

	while (rest.len > 0) {
		struct span piece = piece_take(&rest), pair_name, pair_value;

		split(piece, &pair_name, &pair_value);
		if (span_is(pair_name, name) && name.len > 0)
			continue;
		if (kept > 0)
			value[kept++] =
				';'; /* not behind where piece begins: its own stood there */
		else
			piece = field_trim(piece);
		memmove(value + kept, piece.at, piece.len);
		kept += piece.len;
	}
	return kept;
}
