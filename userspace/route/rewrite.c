#include "userspace/route/rewrite.h"

#include <stdio.h>

#include "userspace/route/regex.h"

static const struct {
	const char *name;
	size_t offset;
	bool response; /* known there too */
} names[] = {
	{ "client", offsetof(struct rewrite_values, client), true },
	{ "route", offsetof(struct rewrite_values, route), true },
	{ "upstream", offsetof(struct rewrite_values, upstream), true },
	{ "host", offsetof(struct rewrite_values, host), false },
	{ "path", offsetof(struct rewrite_values, path), false },
	{ "query", offsetof(struct rewrite_values, query), false },
	{ "method", offsetof(struct rewrite_values, method), false },
	{ "scheme", offsetof(struct rewrite_values, scheme), false },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static size_t name_at(struct span name)
{
	size_t i = 0;

	while (i < NAMES && !span_is(name, span_of(names[i].name)))
		i++;
	return i;
}

/* Plain text, then a variable; false at the end, with plain text that may be empty. */
static bool take_variable(const char **text, struct span *out_plain, struct span *out_name)
{
	const char *begin = strstr(*text, "${"), *end = begin ? strchr(begin, '}') : NULL;

	*out_plain = span_of(*text);
	if (!end)
		return false;
	out_plain->len = (size_t)(begin - *text);
	*out_name = span_make(begin + 2, (size_t)(end - begin - 2));
	*text = end + 1;
	return true;
}

bool rewrite_is_text(const char *text, bool request, const struct regex *regex,
		     struct span *out_unknown)
{
	struct span plain;

	while (take_variable(&text, &plain, out_unknown)) {
		size_t i = name_at(*out_unknown);

		if (i < NAMES ? !request && !names[i].response
			      : !regex || regex_group(regex, *out_unknown) == UINT32_MAX)
			return false;
	}
	return true;
}

static bool put(struct rewrite_room *room, struct span text)
{
	if (text.len > room->len)
		return false;
	if (text.len > 0)
		memcpy(room->at, text.at, text.len);
	room->at += text.len;
	room->len -= text.len;
	return true;
}

static struct span value_of(const struct route *route, const struct rewrite_values *values,
			    struct span name)
{
	size_t i = name_at(name);
	uint32_t group;

	if (i < NAMES)
		return *(const struct span *)(const void *)((const char *)values + names[i].offset);
	group = route->regex ? regex_group(route->regex, name) : UINT32_MAX;
	return group == UINT32_MAX ? (struct span){ NULL, 0 } : values->groups[group];
}

bool rewrite_text(const char *text, const struct route *route, const struct rewrite_values *values,
		  struct rewrite_room *room, struct span *out_text)
{
	char *begin = room->at;
	struct span plain, name;

	while (take_variable(&text, &plain, &name))
		if (!put(room, plain) || !put(room, value_of(route, values, name)))
			return false;
	if (!put(room, plain))
		return false;
	*out_text = span_make(begin, (size_t)(room->at - begin));
	return true;
}

bool rewrite_path(const struct place_change *change, const struct route *route,
		  const struct rewrite_values *values, struct rewrite_room *room,
		  struct span *out_path)
{
	char *begin = room->at;
	struct span rest = values->path, text;
	size_t matched = route->path_kind == PATH_PREFIX ? strlen(route->path) : 0;

	*out_path = values->path;
	if (!change->path)
		return true;
	if (!rewrite_text(change->path, route, values, room, &text))
		return false;
	if (change->prefix && rest.len >= matched && !put(room, span_after(rest, matched)))
		return false;
	if (room->at == begin && !put(room, SPAN("/")))
		return false;
	*out_path = span_make(begin, (size_t)(room->at - begin));
	return true;
}

bool rewrite_host(const struct place_change *change, const struct route *route,
		  const struct rewrite_values *values, struct rewrite_room *room,
		  struct span *out_host)
{
	*out_host = span_of(change->host);
	return !change->host_varies || rewrite_text(change->host, route, values, room, out_host);
}

bool rewrite_location(const struct route *route, uint16_t port, const struct rewrite_values *values,
		      struct rewrite_room *room, struct span *out_location)
{
	const struct place_change *change = route->place;
	struct span scheme = change->scheme ? span_of(change->scheme) : values->scheme;
	struct span path, begin, host;
	char number[8] = "";

	/* The port that was asked goes with the scheme that was asked. */
	port = change->port ? change->port : change->scheme ? 0 : port;
	if (port && port != (span_is(scheme, SPAN("https")) ? 443 : 80))
		snprintf(number, sizeof(number), ":%u", port);
	if (!rewrite_path(change, route, values, room, &path))
		return false;
	begin = span_make(room->at, 0);
	if (!put(room, scheme) || !put(room, SPAN("://")) ||
	    !(change->host ? rewrite_text(change->host, route, values, room, &host)
			   : put(room, values->host)) ||
	    !put(room, span_of(number)) || !put(room, path) ||
	    (values->query.len > 0 && (!put(room, SPAN("?")) || !put(room, values->query))))
		return false;
	*out_location = span_make(begin.at, (size_t)(room->at - begin.at));
	return true;
}

void rewrite_capture(const struct route *route, struct rewrite_values *values)
{
	if (route->regex)
		regex_capture(route->regex, values->path, values->groups);
}
