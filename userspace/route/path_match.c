#include "userspace/route/path_match.h"

bool path_match(enum path_kind kind, const char *pattern, struct span path)
{
	struct span want = span_of(pattern);

	if (kind == PATH_ANY)
		return true;
	if (kind == PATH_EXACT)
		return span_is(want, path);
	return span_has_prefix(path, want) && (path.len == want.len || path.at[want.len] == '/');
}
