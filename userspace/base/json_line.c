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
	char *at = line->at + line->len;

	if (line->len + name.len + 4 + more > line->room) {
		line->cut = true;
		return false;
	}
	if (at[-1] != '{')
		*at++ = ',';
	*at++ = '"';
	memcpy(at, name.at, name.len);
	at += name.len;
	*at++ = '"';
	*at++ = ':';
	line->len = (uint32_t)(at - line->at);
	return true;
}

static char *put_escaped(char *at, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	*at++ = '\\';
	if (escapes[c] == 1) {
		*at++ = (char)c;
		return at;
	}
	memcpy(at, "u00", 3);
	at[3] = hex[c >> 4];
	at[4] = hex[c & 15];
	return at + ESCAPE_MAX - 1;
}

/*
 * The next byte is looked at with room for the longest escape, and for the quote. By pointers of
 * our own: what is written might be the line's own fields, for all that the compiler knows.
 */
void json_line_text(struct json_line *line, struct span name, struct span text, uint32_t most)
{
	const char *from = text.at, *rest = text.at + text.len, *end;
	char *at;

	if (!put_name(line, name, 2))
		return;
	at = line->at + line->len;
	*at++ = '"';
	end = line->at + line->room - 1;
	if (end - at > (ptrdiff_t)most)
		end = at + most;
	for (; from < rest && at < end; from++) {
		unsigned char c = (unsigned char)*from;

		if (!escapes[c])
			*at++ = (char)c;
		else if (at + ESCAPE_MAX <= end)
			at = put_escaped(at, c);
		else
			break;
	}
	line->cut |= from < rest;
	*at++ = '"';
	line->len = (uint32_t)(at - line->at);
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
