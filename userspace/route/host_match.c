#include "userspace/route/host_match.h"

enum { EXACT_RANK = 1 << 16 };

bool host_match(const char *pattern, struct span host)
{
	struct span want;

	if (!pattern)
		return true;
	want = span_of(pattern);
	if (host.len > 0 && host.at[host.len - 1] == '.')
		host.len--;
	if (want.len < 2 || want.at[0] != '*')
		return span_is_nocase(want, host);
	want = span_after(want, 1); /* ".example.com" */
	return host.len > want.len && span_is_nocase(want, span_after(host, host.len - want.len));
}

uint64_t host_rank(const char *pattern)
{
	if (!pattern)
		return 0;
	return strlen(pattern) + (pattern[0] == '*' ? 0 : EXACT_RANK);
}
