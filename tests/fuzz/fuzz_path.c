/*
 * Paths: what path_normalise() makes of one is what a second, slow and obvious model makes of it:
 * first all escapes, then a list of segments, then the rules, one after the other. And what comes
 * out comes out again unchanged, has no byte that a reader could take for something else, and,
 * where dots are resolved, no segment that anybody would resolve.
 */
#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/http/field.h"
#include "userspace/http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 4096 };

struct text {
	char at[3 * SIZE_MAX_BYTES + 3];
	size_t len;
};

static void add(struct text *t, const char *bytes, size_t n)
{
	memcpy(t->at + t->len, bytes, n);
	t->len += n;
}

/* --- the model ----------------------------------------------------------------------------- */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *found = c ? strchr(digits, c) : NULL;
	long n = found ? found - digits : -1;

	return (int)(n > 15 ? n - 6 : n);
}

static bool stands_for_itself(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static bool may_stand_in_paths(int c)
{
	return stands_for_itself(c) || (c > ' ' && strchr("!$&'()*+,;=:@[]^{}|/", c));
}

/* All escapes, once. */
static bool model_escapes(struct span path, struct path_rules rules, struct text *out)
{
	for (size_t i = 0; i < path.len; i++) {
		char c = path.at[i], escape[4];
		int value;

		if (c != '%') {
			if (!may_stand_in_paths((uint8_t)c))
				return false;
			add(out, &c, 1);
			continue;
		}
		if (i + 2 >= path.len || hex(path.at[i + 1]) < 0 || hex(path.at[i + 2]) < 0)
			return false;
		value = hex(path.at[i + 1]) * 16 + hex(path.at[i + 2]);
		i += 2;
		if (value == 0 || value == '\\' ||
		    (value == '/' && rules.slashes == PATH_SLASHES_REFUSE))
			return false;
		c = (char)value;
		snprintf(escape, sizeof(escape), "%%%02X", (unsigned)value);
		if (stands_for_itself(value) ||
		    (value == '/' && rules.slashes != PATH_SLASHES_KEEP))
			add(out, &c, 1);
		else
			add(out, escape, 3);
	}
	return true;
}

/* 1 and 2 for dot segments, 3 for what looks like one to some. */
static int model_dots(struct span s)
{
	if (span_is(s, SPAN(".")))
		return 1;
	if (span_is(s, SPAN("..")))
		return 2;
	return span_has_prefix(s, SPAN(".;")) || span_has_prefix(s, SPAN("..;")) ? 3 : 0;
}

/* The same for a part of a segment between kept "%2F". */
static bool model_hides_dots(struct span s)
{
	size_t from = 0;
	bool escaped = false;

	for (size_t i = 0; i <= s.len; i++) {
		bool here = i + 3 <= s.len && memcmp(s.at + i, "%2F", 3) == 0;

		escaped = escaped || here;
		if ((here || (i == s.len && escaped)) &&
		    model_dots(span_make(s.at + from, i - from)))
			return true;
		if (here)
			from = i + 3;
	}
	return false;
}

static bool model(struct span path, struct path_rules rules, struct text *out)
{
	static struct text flat;
	static struct span list[SIZE_MAX_BYTES + 1];
	size_t count = 0, from = 1;

	flat.len = out->len = 0;
	if (!model_escapes(path, rules, &flat) || path.len == 0 || path.at[0] != '/')
		return false;
	for (size_t i = 1; i <= flat.len; i++) {
		bool is_last = i == flat.len;
		struct span s = span_make(flat.at + from, i - from);
		int dots = model_dots(s);

		if (!is_last && flat.at[i] != '/')
			continue;
		from = i + 1;
		if (rules.dots == PATH_DOTS_KEEP) {
			list[count++] = s;
			continue;
		}
		if (dots == 3 || model_hides_dots(s) || (dots && rules.dots == PATH_DOTS_REFUSE) ||
		    (dots == 2 && count == 0))
			return false;
		if (dots == 2)
			count--;
		if (dots == 0)
			list[count++] = s;
		else if (is_last)
			list[count++] = span_make("", 0);
	}
	for (size_t i = 0; i < count; i++) {
		add(out, "/", 1);
		add(out, list[i].at, list[i].len);
	}
	return true;
}

/* --- what must hold ------------------------------------------------------------------------ */

static void check_settled(struct span got, struct path_rules rules)
{
	char *twice = malloc(got.len);
	size_t len;

	MUST(got.len > 0 && got.at[0] == '/');
	MUST(path_normalise(got, rules, twice, got.len, &len));
	MUST(span_is(span_make(twice, len), got));
	free(twice);
	MUST(span_is_all(got, BYTE_PATH));
	if (rules.dots == PATH_DOTS_KEEP)
		return;
	for (size_t i = 0; i < got.len; i++) {
		const char *end = memchr(got.at + i + 1, '/', got.len - i - 1);
		size_t n = (size_t)((end ? end : got.at + got.len) - (got.at + i + 1));

		MUST(got.at[i] != '/' || model_dots(span_make(got.at + i + 1, n)) == 0);
	}
}

/* Each buffer has its exact size, so that a byte too far is seen. */
static void check(struct span path, struct path_rules rules)
{
	static struct text want;
	char *out = malloc(path.len ? path.len : 1);
	size_t len = 0;
	bool wanted = model(path, rules, &want);

	MUST(path_normalise(path, rules, out, path.len, &len) == wanted);
	if (wanted) {
		MUST(span_is(span_make(out, len), span_make(want.at, want.len)));
		check_settled(span_make(out, len), rules);
		if (len >
		    0) /* the result's room may be too little on the way, but is never passed */
			path_normalise(path, rules, out, len - 1, &len);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span path;
	char *copy;

	if (size < 1 || size > SIZE_MAX_BYTES || (size == 2 && data[1] == '*'))
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	path = span_make(copy, size - 1);
	check(path, (struct path_rules){ (enum path_dots)(data[0] % 3),
					 (enum path_slashes)(data[0] / 3 % 3) });
	free(copy);
	return 0;
}
