/*
 * regex.h - regular expressions (PCRE2, with JIT where it may be) over bytes of requests.
 *
 * Knows limits: an expression that needs too many steps gives up, so that no request can hold a
 * worker. All of a subject must match. Compiled once, in an arena that frees them; any thread may
 * match. Knows nothing of routes.
 */
#pragma once
#include "userspace/base/arena.h"
#include "userspace/base/err.h"

enum {
	REGEX_BYTES_MAX = 1024,
	REGEX_CAPTURES_MAX = 10,  /* with the whole, which is 0 */
	REGEX_STEPS_MAX = 100000, /* of backtracking */
};

enum regex_result { REGEX_NO, REGEX_YES, REGEX_GAVE_UP };

struct regex;

/* NULL, and a sentence that says where, if it is none. */
const struct regex *regex_create(struct arena *arena, const char *text, struct err *err);
enum regex_result regex_match(const struct regex *regex, struct span subject);
/* Groups that took no part have a NULL at. */
enum regex_result regex_capture(const struct regex *regex, struct span subject,
				struct span out_groups[REGEX_CAPTURES_MAX]);
const char *regex_text(const struct regex *regex);
/* The number of a group, by name or digits; UINT32_MAX where there is none. */
uint32_t regex_group(const struct regex *regex, struct span name);
/* Bytes with which all that matches begins: as much as is easily known. */
struct span regex_head(const struct regex *regex);
