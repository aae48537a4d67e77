/*
 * json_line.h - one JSON object on one line, within a limit, of bytes that nobody vouches for.
 *
 * Whatever is put in, the line is pure ASCII, valid JSON and no longer than its room: a byte beyond
 * ASCII is written as the code point of its value (\u00e4), so that what a peer sent can be told
 * from the line, be it UTF-8 or not. What does not fit is cut, or left out where it is a number or
 * a word, and the line then ends with "cut":true. Names are literals of ours and need no escapes.
 * Pure; allocates nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/span.h"

enum { JSON_LINE_MIN = 32 }; /* the least room that a line needs */

struct json_line {
	char *at;
	uint32_t len, room; /* room: without what the end needs */
	bool cut;
};

void json_line_begin(struct json_line *line, char *at, uint32_t size);
/* Closes it; its length, with the new line. */
uint32_t json_line_end(struct json_line *line);

/* At most `most` bytes once escaped. */
void json_line_text(struct json_line *line, struct span name, struct span text, uint32_t most);
/* ASCII of ours without quotes, backslashes and control bytes: whole or not at all. */
void json_line_word(struct json_line *line, struct span name, struct span word);
void json_line_number(struct json_line *line, struct span name, uint64_t n);
void json_line_true(struct json_line *line, struct span name);
void json_line_addr(struct json_line *line, struct span name, const struct addr *a);
/* An object inside: what is put between open and close is in it. Neither nests. False: no room. */
bool json_line_open(struct json_line *line, struct span name);
void json_line_close(struct json_line *line);
