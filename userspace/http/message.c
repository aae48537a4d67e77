#include "userspace/http/message.h"

#include "userspace/base/must.h"

static const char *const method_names[] = {
	[METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",         [METHOD_DELETE] = "DELETE", [METHOD_CONNECT] = "CONNECT",
	[METHOD_OPTIONS] = "OPTIONS", [METHOD_TRACE] = "TRACE",   [METHOD_PATCH] = "PATCH",
};

enum method_id message_method(struct span name)
{
	for (size_t i = METHOD_GET; i < ARRAY_LEN(method_names); i++) {
		if (span_is(name, span_of(method_names[i])))
			return (enum method_id)i;
	}
	return METHOD_OTHER;
}

static const struct field *find_from(const struct message *msg, size_t i, struct span name)
{
	for (; i < msg->field_count; i++) {
		if (span_is_nocase(msg->fields[i].name, name))
			return &msg->fields[i];
	}
	return NULL;
}

const struct field *message_find(const struct message *msg, struct span name)
{
	return find_from(msg, 0, name);
}

const struct field *message_find_next(const struct message *msg, const struct field *after)
{
	return find_from(msg, (size_t)(after - msg->fields) + 1, after->name);
}

struct span message_value(const struct message *msg, struct span name)
{
	const struct field *f = message_find(msg, name);

	return f ? f->value : (struct span){ NULL, 0 };
}

bool message_has_body(const struct message *msg)
{
	return msg->framing != BODY_NONE && (msg->framing != BODY_LENGTH || msg->content_length);
}

bool message_is_idempotent(const struct message *msg)
{
	switch (msg->method_id) {
	case METHOD_GET:
	case METHOD_HEAD:
	case METHOD_PUT:
	case METHOD_DELETE:
	case METHOD_OPTIONS:
	case METHOD_TRACE:
		return true;
	default:
		return false;
	}
}

enum body_framing message_framing_for(const struct message *msg, uint8_t minor)
{
	if (msg->framing == BODY_UNTIL_CLOSE && minor > 0)
		return BODY_CHUNKED;
	if (msg->framing == BODY_CHUNKED && minor == 0)
		return BODY_UNTIL_CLOSE;
	return (enum body_framing)msg->framing;
}

struct span message_status_text(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *text;
	} texts[] = {
		{ 100, "Continue" },
		{ 101, "Switching Protocols" },
		{ 103, "Early Hints" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].status == status)
			return span_of(texts[i].text);
	}
	return SPAN("Unknown");
}
