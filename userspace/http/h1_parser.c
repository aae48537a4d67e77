#include "userspace/http/h1_parser.h"

#include <endian.h>
#include <stddef.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_fields.h"

void h1_parser_init(struct h1_parser *p, enum h1_kind kind, const struct h1_limits *limits)
{
	MUST(limits->fields <= FIELDS_MAX);
	*p = (struct h1_parser){ .limits = *limits, .kind = (uint8_t)kind };
}

void h1_parser_answers(struct h1_parser *p, const struct message *request)
{
	p->asked_head = request->method_id == METHOD_HEAD;
	p->asked_connect = request->method_id == METHOD_CONNECT;
	p->asked_upgrade = request->upgrade;
}

/* --- where the head ends ------------------------------------------------------------------- */

#define ONES (~0ull / 255)

/* The top bit of the first byte that is a control or DEL is set; above it, others may be set too,
 * as a subtraction borrows from what lies higher. */
static uint64_t controls(uint64_t x)
{
	uint64_t del = x ^ (ONES * 0x7f);
	uint64_t below_space = (x - ONES * 0x20) & ~x;

	return (below_space | ((del - ONES) & ~del)) & (ONES * 0x80);
}

/* The first byte from i on that ends a line or does not belong into a head. */
static size_t skip_plain(struct span in, size_t i)
{
	while (i + sizeof(uint64_t) <= in.len) {
		uint64_t eight, found;

		memcpy(&eight, in.at + i, sizeof(eight));
		found = controls(le64toh(eight));
		i += found ? (size_t)__builtin_ctzll(found) / 8 : sizeof(eight);
		if (found && in.at[i] != '\t')
			return i;
		i += found != 0; /* a tab is a control that may stand in a value */
	}
	while (i < in.len && byte_is(in.at[i], BYTE_VALUE))
		i++;
	return i;
}

/* How far the head may reach for now, and what is wrong with one that does not end there. Only
 * what lies before is looked at, so that the answer does not depend on how the bytes are cut. */
static size_t window_end(const struct h1_parser *p, enum h1_reject *out_over)
{
	size_t head = p->head_at + p->limits.head_bytes;
	size_t line = p->head_at + p->limits.line_bytes + 2;

	*out_over = p->lines == 0 && line < head ? H1_REJECT_LINE_BYTES : H1_REJECT_HEAD_BYTES;
	return p->lines == 0 && line < head ? line : head;
}

/* A line ends at p->seen. */
static enum h1_result end_line(struct h1_parser *p, enum h1_reject *out_reject)
{
	bool is_empty = p->seen == p->line_at;

	p->seen += 2;
	p->line_at = p->seen;
	if (is_empty && p->lines > 0)
		return H1_DONE;
	if (is_empty) {
		/* RFC 9112, 2.2: one empty line before a request is forgiven. */
		*out_reject =
			p->kind == H1_REQUEST ? H1_REJECT_REQUEST_LINE : H1_REJECT_STATUS_LINE;
		if (p->kind == H1_RESPONSE || p->head_at > 0)
			return H1_REJECT;
		p->head_at = p->seen;
		return H1_NEED_MORE;
	}
	*out_reject = H1_REJECT_FIELD_COUNT;
	return p->lines++ > p->limits.fields ? H1_REJECT : H1_NEED_MORE;
}

/* Goes on from p->seen. H1_DONE: the head is complete, ends at p->seen, and every byte is fit for a
 * field value, but for the CR LF at the ends of lines. */
static enum h1_result scan(struct h1_parser *p, struct span in, enum h1_reject *out_reject)
{
	enum h1_result got = H1_NEED_MORE;

	while (got == H1_NEED_MORE) {
		enum h1_reject over;
		size_t end = window_end(p, &over);
		struct span window = span_make(in.at, in.len < end ? in.len : end);
		size_t i = skip_plain(window, p->seen);
		bool at_cr = i < window.len && window.at[i] == '\r';

		p->seen = i;
		if (i == window.len || (at_cr && i + 1 == window.len)) {
			*out_reject = over;
			return in.len >= end ? H1_REJECT : H1_NEED_MORE;
		}
		if (!at_cr || window.at[i + 1] != '\n') {
			*out_reject = at_cr || window.at[i] == '\n' ? H1_REJECT_LINE_END
								    : H1_REJECT_CONTROL;
			return H1_REJECT;
		}
		got = end_line(p, out_reject);
	}
	return got;
}

/* --- the first line ------------------------------------------------------------------------ */

/* Takes what stands before the next space; false where there is no space. */
static bool take_word(struct span *rest, struct span *out_word)
{
	const char *space = memchr(rest->at, ' ', rest->len);
	size_t n = space ? (size_t)(space - rest->at) : 0;

	if (!space)
		return false;
	*out_word = span_make(rest->at, n);
	*rest = span_after(*rest, n + 1);
	return true;
}

static enum h1_reject parse_version(struct span s, struct message *msg, enum h1_reject malformed)
{
	if (s.len != 8 || !span_has_prefix(s, SPAN("HTTP/")) || !byte_is(s.at[5], BYTE_DIGIT) ||
	    s.at[6] != '.' || !byte_is(s.at[7], BYTE_DIGIT))
		return malformed;
	if (s.at[5] != '1' || s.at[7] > '1')
		return H1_REJECT_VERSION;
	msg->minor = (uint8_t)(s.at[7] - '0');
	return H1_REJECT_NONE;
}

/* Path and query; the path of a target that has only a query is "/". */
static bool parse_path(struct span s, struct message *msg)
{
	const char *mark = memchr(s.at, '?', s.len);
	size_t n = mark ? (size_t)(mark - s.at) : s.len;

	msg->path = n > 0 ? span_make(s.at, n) : SPAN("/");
	if (mark)
		msg->query = span_after(s, n + 1);
	return span_is_all(msg->path, BYTE_PATH) && span_is_all(msg->query, BYTE_QUERY);
}

/* scheme://authority/path?query; false for other schemes than http and https. */
static bool parse_absolute(struct span s, struct message *msg)
{
	size_t scheme = 7, n = 0;

	if (s.len >= 8 && strncasecmp(s.at, "https://", 8) == 0)
		scheme = 8;
	else if (s.len < 7 || strncasecmp(s.at, "http://", 7) != 0)
		return false;
	s = span_after(s, scheme);
	while (n < s.len && s.at[n] != '/' && s.at[n] != '?')
		n++;
	msg->authority = span_make(s.at, n);
	if (!field_parse_host(msg->authority, &msg->host, &msg->port) ||
	    !parse_path(span_after(s, n), msg))
		return false;
	/* RFC 9112, 3.2.4 */
	if (n == s.len && msg->method_id == METHOD_OPTIONS)
		msg->path = SPAN("*");
	return true;
}

/* RFC 9112, 3.2: each method has the forms of target that it has. */
static bool parse_target(struct message *msg)
{
	struct span s = msg->target;

	if (msg->method_id == METHOD_CONNECT) {
		msg->authority = s;
		msg->path = span_make(s.at, 0);
		return field_parse_host(s, &msg->host, &msg->port) && msg->port != 0;
	}
	if (span_is(s, SPAN("*"))) {
		msg->path = s;
		return msg->method_id == METHOD_OPTIONS;
	}
	if (s.len > 0 && s.at[0] == '/')
		return parse_path(s, msg);
	return parse_absolute(s, msg);
}

static enum h1_reject parse_request_line(struct span line, struct message *msg)
{
	enum h1_reject why;

	if (!take_word(&line, &msg->method))
		return H1_REJECT_REQUEST_LINE;
	if (msg->method.len == 0 || !span_is_all(msg->method, BYTE_TOKEN))
		return H1_REJECT_METHOD;
	if (!take_word(&line, &msg->target))
		return H1_REJECT_REQUEST_LINE;
	why = parse_version(line, msg, H1_REJECT_REQUEST_LINE);
	if (why)
		return why;
	msg->method_id = (uint8_t)message_method(msg->method);
	return parse_target(msg) ? H1_REJECT_NONE : H1_REJECT_TARGET;
}

/* Many servers leave out the space before an empty reason, against RFC 9112, 4; nothing is
 * ambiguous about that. */
static enum h1_reject parse_status_line(struct span line, struct message *msg)
{
	enum h1_reject why;
	struct span version;

	if (!take_word(&line, &version))
		return H1_REJECT_STATUS_LINE;
	why = parse_version(version, msg, H1_REJECT_STATUS_LINE);
	if (why)
		return why;
	if (line.len < 3 || !span_is_all(span_make(line.at, 3), BYTE_DIGIT) || line.at[0] < '1' ||
	    line.at[0] > '5' || (line.len > 3 && line.at[3] != ' '))
		return H1_REJECT_STATUS_LINE;
	msg->status =
		(uint16_t)((line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0'));
	msg->reason = line.len > 4 ? span_after(line, 4) : span_make(line.at + 3, 0);
	return H1_REJECT_NONE;
}

/* --- all of it ----------------------------------------------------------------------------- */

static enum h1_reject parse_head(const struct h1_parser *p, struct span head, struct message *msg)
{
	const char *cr = memchr(head.at, '\r', head.len); /* scan() has seen it */
	struct span line = span_make(head.at, (size_t)(cr - head.at));
	enum h1_reject why;

	memset(msg, 0, offsetof(struct message, fields));
	why = p->kind == H1_REQUEST ? parse_request_line(line, msg) : parse_status_line(line, msg);
	return why ? why : h1_fields_parse(p, span_after(head, line.len + 2), msg);
}

enum h1_result h1_parser_head(struct h1_parser *p, struct span in, struct message *out_msg,
			      size_t *out_used, enum h1_reject *out_reject)
{
	enum h1_reject why = H1_REJECT_NONE;
	enum h1_result got = scan(p, in, &why);

	if (got == H1_DONE) {
		why = parse_head(p, span_make(in.at + p->head_at, p->seen - p->head_at), out_msg);
		got = why ? H1_REJECT : H1_DONE;
	}
	if (got == H1_REJECT)
		*out_reject = why;
	if (got != H1_DONE)
		return got;
	*out_used = p->seen;
	p->seen = p->line_at = p->head_at = 0;
	p->lines = 0;
	return H1_DONE;
}
