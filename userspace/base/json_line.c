#include "userspace/base/json_line.h"

#include "userspace/base/digits.h"
#include "userspace/base/must.h"

#define CUT_END SPAN(",\"cut\":true}\n")

enum { ESCAPE_MAX = 6, CLOSE_BYTES = 1 }; /* \u00XX; the brace of an open object */

/* How a byte is written: 0 as it is, 1 behind a backslash, 2 as \u00XX. */
static const uint8_t escapes[256] = {
	[0x00 ... 0x1f] = 2,
	['"'] = 1,
	['\\'] = 1,
	[0x7f ... 0xff] = 2,
};

void json_line_begin(struct json_line *line, char *at, uint32_t size)
{
	MUST(size >= JSON_LINE_MIN);
	*line = (struct json_line){ at, 1, size - (uint32_t)CUT_END.len - CLOSE_BYTES, false };
	at[0] = '{';
}

static void put(struct json_line *line, struct span bytes)
{
	memcpy(line->at + line->len, bytes.at, bytes.len);
	line->len += (uint32_t)bytes.len;
}

/* ,"name": and room for `more` bytes behind it; false: the field is left out. */
static bool put_name(struct json_line *line, struct span name, size_t more)
{
	bool first = line->at[line->len - 1] == '{';

	if (line->len + name.len + 4 + more > line->room) {
		line->cut = true;
		return false;
	}
	if (!first)
		line->at[line->len++] = ',';
	line->at[line->len++] = '"';
	put(line, name);
	put(line, SPAN("\":"));
	return true;
}

static void put_escaped(struct json_line *line, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char *at = line->at + line->len;

	*at++ = '\\';
	if (escapes[c] == 1) {
		*at = (char)c;
		line->len += 2;
		return;
	}
	memcpy(at, "u00", 3);
	at[3] = hex[c >> 4];
	at[4] = hex[c & 15];
	line->len += ESCAPE_MAX;
}

/* The next byte is looked at with room for the longest escape, and for the quote. */
void json_line_text(struct json_line *line, struct span name, struct span text, uint32_t most)
{
	uint32_t end;
	size_t i = 0;

	if (!put_name(line, name, 2))
		return;
	line->at[line->len++] = '"';
	end = line->room - 1 - line->len < most ? line->room - 1 : line->len + most;
	for (; i < text.len && line->len < end; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (!escapes[c])
			line->at[line->len++] = (char)c;
		else if (line->len + ESCAPE_MAX <= end)
			put_escaped(line, c);
		else
			break;
	}
	line->cut |= i < text.len;
	line->at[line->len++] = '"';
}

void json_line_word(struct json_line *line, struct span name, struct span word)
{
	if (!put_name(line, name, word.len + 2))
		return;
	line->at[line->len++] = '"';
	put(line, word);
	line->at[line->len++] = '"';
}

void json_line_number(struct json_line *line, struct span name, uint64_t n)
{
	if (put_name(line, name, DIGITS_MAX))
		line->len = (uint32_t)(digits_put(line->at + line->len, n) - line->at);
}

void json_line_true(struct json_line *line, struct span name)
{
	if (put_name(line, name, 4))
		put(line, SPAN("true"));
}

void json_line_addr(struct json_line *line, struct span name, const struct addr *a)
{
	struct addr_text text = addr_print(a);

	json_line_word(line, name, span_of(text.text));
}

bool json_line_open(struct json_line *line, struct span name)
{
	if (!put_name(line, name, 1))
		return false;
	line->at[line->len++] = '{';
	return true;
}

void json_line_close(struct json_line *line)
{
	line->at[line->len++] = '}'; /* the room for it is kept */
}

uint32_t json_line_end(struct json_line *line)
{
	struct span end = line->cut ? CUT_END : SPAN("}\n");

	put(line, line->cut && line->len == 1 ? span_after(end, 1) : end);
	return line->len;
}
