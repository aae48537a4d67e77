/*
 * path.h - one spelling for each path, so that what is routed is what is served.
 *
 * Pure text (RFC 3986, 6.2.2); knows no routes.
 */
#pragma once
#include "userspace/base/span.h"

/*
 * Decodes escapes of unreserved characters, writes the others in upper case and resolves dot
 * segments, once. False for what an endpoint might read otherwise than we do: "%2F", "%5C" and
 * "%00", a broken escape, dot segments with parameters ("/..;a/"), a climb above the root; and
 * where it does not fit (path.len bytes always do). Slashes in a row are kept. "*" stays "*".
 * The result goes to the endpoint in place of the path. On failure nothing is promised about out.
 */
bool path_normalise(struct span path, char *out, size_t cap, size_t *out_len);
