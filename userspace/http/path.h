/*
 * path.h - one spelling for each path, so that what is routed is what is served.
 *
 * Pure text (RFC 3986, 6.2.2); knows no routes.
 */
#pragma once
#include "userspace/base/span.h"

/* "." and "..", also escaped. */
enum path_dots {
	PATH_DOTS_RESOLVE,
	PATH_DOTS_REFUSE,
	PATH_DOTS_KEEP, /* they are names like others, and stay for the endpoint to resolve */
};

/* "%2F" */
enum path_slashes {
	PATH_SLASHES_REFUSE,
	PATH_SLASHES_KEEP,   /* a part of a segment, written "%2F" */
	PATH_SLASHES_DECODE, /* a slash, before dot segments are looked for */
};

/* Zero is what leaves least to guess. */
struct path_rules {
	enum path_dots dots;
	enum path_slashes slashes;
};

/*
 * Decodes escapes of unreserved characters, writes the others in upper case and treats dot segments
 * and escaped slashes as the rules say, once. False for what they refuse and what an endpoint might
 * read otherwise than we do: "%5C" and "%00", a broken escape, dot segments with parameters
 * ("/..;a/") and a climb above the root where dots are not kept; and where it does not fit
 * (path.len bytes always do). Slashes in a row are kept. "*" stays "*". The result goes to the
 * endpoint in place of the path. On failure nothing is promised about out.
 */
bool path_normalise(struct span path, struct path_rules rules, char *out, size_t cap,
		    size_t *out_len);
