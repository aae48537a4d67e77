#include "userspace/control/admin_request.h"

static enum admin_result refuse(uint32_t status, uint32_t *out_status)
{
	*out_status = status;
	return ADMIN_REFUSED;
}

/* Printable ASCII and CRLF only, so that nothing below meets a NUL or a lone CR. */
static bool is_clean(struct span head)
{
	for (size_t i = 0; i < head.len; i++) {
		unsigned char c = (unsigned char)head.at[i];
		bool ends_line = c == '\r' && i + 1 < head.len && head.at[i + 1] == '\n';
		bool ended_line = c == '\n' && i > 0 && head.at[i - 1] == '\r';

		if ((c < 0x20 || c > 0x7e) && c != '\t' && !ends_line && !ended_line)
			return false;
	}
	return true;
}

static struct span word_take(struct span *rest)
{
	const char *space = memchr(rest->at, ' ', rest->len);
	size_t len = space ? (size_t)(space - rest->at) : rest->len;
	struct span word = { rest->at, len };

	*rest = span_after(*rest, space ? len + 1 : len);
	return word;
}

static enum admin_result parse_line(struct span line, struct admin_request *out_request,
				    uint32_t *out_status)
{
	struct span method = word_take(&line), target = word_take(&line);
	const char *query;

	if (!span_is(line, SPAN("HTTP/1.1")) && !span_is(line, SPAN("HTTP/1.0")))
		return refuse(400, out_status);
	if (target.len == 0 || target.at[0] != '/')
		return refuse(400, out_status);
	out_request->is_post = span_is(method, SPAN("POST"));
	if (!out_request->is_post && !span_is(method, SPAN("GET")))
		return refuse(405, out_status);
	query = memchr(target.at, '?', target.len);
	out_request->path =
		(struct span){ target.at, query ? (size_t)(query - target.at) : target.len };
	out_request->query =
		query ? span_make(query + 1, target.len - (size_t)(query + 1 - target.at))
		      : span_make(NULL, 0);
	return ADMIN_REQUEST;
}

/* Of POST; no length, no body. */
static enum admin_result parse_body(struct span in, struct span head,
				    struct admin_request *out_request, uint32_t *out_status)
{
	static const char name[] = "\r\nContent-Length: ";
	const char *at = memmem(head.at, head.len, name, sizeof(name) - 1);
	size_t len = 0, i = at ? (size_t)(at - head.at) + sizeof(name) - 1 : head.len;

	if (at && (head.at[i] < '0' || head.at[i] > '9'))
		return refuse(400, out_status);
	for (; i < head.len && head.at[i] >= '0' && head.at[i] <= '9'; i++) {
		len = len * 10 + (size_t)(head.at[i] - '0');
		if (len > ADMIN_BODY_MAX)
			return refuse(413, out_status);
	}
	if (at && head.at[i] != '\r')
		return refuse(400, out_status);
	if (in.len < head.len + len)
		return ADMIN_NEED_MORE;
	out_request->body = span_make(in.at + head.len, len);
	return ADMIN_REQUEST;
}

enum admin_result admin_request_parse(struct span in, struct admin_request *out_request,
				      uint32_t *out_status)
{
	const char *end = memmem(in.at, in.len, "\r\n\r\n", 4);
	struct span head;
	const char *line_end;

	if (!end && in.len >= ADMIN_HEAD_MAX) /* the body only begins behind a whole head */
		return refuse(431, out_status);
	if (!end)
		return ADMIN_NEED_MORE;
	head = (struct span){ in.at, (size_t)(end - in.at) + 4 };
	if (head.len > ADMIN_HEAD_MAX)
		return refuse(431, out_status);
	if (!is_clean(head))
		return refuse(400, out_status);
	line_end = memchr(head.at, '\r', head.len);
	if (parse_line((struct span){ head.at, (size_t)(line_end - head.at) }, out_request,
		       out_status) == ADMIN_REFUSED)
		return ADMIN_REFUSED;
	return out_request->is_post ? parse_body(in, head, out_request, out_status) : ADMIN_REQUEST;
}
