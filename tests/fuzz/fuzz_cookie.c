/*
 * Cookies: of a field from which one name was taken, the pairs are those of the other names, in
 * their order, and nothing beyond its end is touched. The first byte of input says how long the
 * name is.
 */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 4096 };

/* The next pair that is not of that name; a piece of nothing but blanks says nothing. */
static bool next_other(struct span *rest, struct span name, struct span *out_name,
		       struct span *out_value)
{
	while (cookie_take(rest, out_name, out_value))
		if (!span_is(*out_name, name) && out_name->len + out_value->len > 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span name, before, after, a_name, a_value, b_name, b_value;
	char *field;
	size_t len, name_len = size > 0 ? 1 + data[0] % 8u : 0;

	if (size < 1 + name_len || size > SIZE_MAX_BYTES)
		return 0;
	name = span_make(data + 1, name_len);
	before = span_make(data + 1 + name_len, size - 1 - name_len);
	if (memchr(name.at, ';', name.len) || memchr(name.at, '=', name.len) ||
	    memchr(name.at, ' ', name.len) || memchr(name.at, '\t', name.len))
		return 0;
	field = malloc(before.len ? before.len
				  : 1); /* its exact size, so that a byte too far is seen */
	memcpy(field, before.at, before.len);
	len = cookie_strip(field, before.len, name);
	MUST(len <= before.len);
	after = span_make(field, len);
	while (next_other(&before, name, &a_name, &a_value)) {
		MUST(next_other(&after, name, &b_name, &b_value));
		MUST(span_is(a_name, b_name) && span_is(a_value, b_value));
	}
	MUST(!next_other(&after, name, &b_name, &b_value));
	after = span_make(field, len);
	while (cookie_take(&after, &b_name, &b_value))
		MUST(!span_is(b_name, name));
	free(field);
	return 0;
}
