#include "userspace/control/explain_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/session_id.h"

enum { HEAD_BYTES = 32768 };

/* Up to one of those bytes, from *rest. */
static struct span take(struct span *rest, const char *stops)
{
	struct span got = { rest->at, 0 };

	while (got.len < rest->len && !strchr(stops, rest->at[got.len]))
		got.len++;
	*rest = span_after(*rest, got.len);
	return got;
}

/* What is behind the host, IPv6 in brackets; empty where there is no port. */
static struct span split_port(struct span authority, struct span *out_host)
{
	struct span rest = authority;

	if (rest.len > 0 && rest.at[0] == '[')
		take(&rest, "]");
	take(&rest, ":");
	*out_host = span_make(authority.at, authority.len - rest.len);
	return rest;
}

static bool read_authority(struct arena *arena, struct span authority, struct explain_query *q,
			   struct err *err)
{
	struct span host, port = split_port(authority, &host);
	const char *digits = port.len > 1 ? arena_text(arena, span_after(port, 1)) : "";
	struct addr literal;
	unsigned long n = 0;
	char *end = NULL;

	if (host.len == 0)
		return err_set(err, "the URL names no host");
	q->port = q->secure ? 443 : 80;
	if (port.len > 0) {
		n = strtoul(digits, &end, 10);
		if (*digits < '0' || *digits > '9' || *end || n == 0 || n > 65535)
			return err_set(err, "expected a port from 1 to 65535, found \"%s\"",
				       digits);
		q->port = (uint16_t)n;
	}
	if (q->secure && host.at[0] != '[' && !addr_parse_ip(host, &literal))
		q->sni = arena_text(arena, host);
	return true;
}

/* One line of a head, without a way to begin another. */
static bool put_line(char *head, struct span line, struct err *err)
{
	size_t len = strlen(head);

	if (memchr(line.at, '\r', line.len) || memchr(line.at, '\n', line.len) ||
	    memchr(line.at, 0, line.len))
		return err_set(err, "what is asked about has a control byte");
	if (len + line.len + 3 > HEAD_BYTES)
		return err_set(err, "what is asked about has more than %d bytes", HEAD_BYTES);
	sprintf(head + len, "%.*s\r\n", SPAN_ARG(line));
	return true;
}

/* "Host: x" instead of the URL's. */
static bool gives_host(const json_t *headers)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)headers, i, one)
	{
		const char *text = json_string_value(one);

		if (text && strncasecmp(text, "host:", 5) == 0)
			return true;
	}
	return false;
}

static bool put_headers(char *head, const json_t *headers, struct err *err)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)headers, i, one)
	{
		const char *text = json_string_value(one);

		if (!text || !strchr(text, ':'))
			return err_set(err,
				       "expected a header such as \"Name: value\", found "
				       "\"%s\"",
				       text ? text : "something else");
		if (!put_line(head, span_of(text), err))
			return false;
	}
	return put_line(head, SPAN(""), err);
}

/* "GET https://host:port/path?query", or without a method. */
static bool read_request(struct arena *arena, const json_t *asked, struct explain_query *q,
			 struct err *err)
{
	const json_t *headers = json_object_get(asked, "headers");
	struct span rest = span_of(q->request), method = take(&rest, " "), scheme, authority;
	char *head = arena_take(arena, HEAD_BYTES), *line;

	if (rest.len == 0) {
		rest = method;
		method = SPAN("GET");
	} else {
		rest = span_after(rest, 1);
	}
	scheme = take(&rest, ":");
	q->secure = span_is(scheme, SPAN("https"));
	if (!span_has_prefix(rest, SPAN("://")) || (!q->secure && !span_is(scheme, SPAN("http"))))
		return err_set(err,
			       "expected a request such as \"GET https://www.example.com/\", found "
			       "\"%s\"",
			       q->request);
	rest = span_after(rest, 3);
	authority = take(&rest, "/?#");
	if (!read_authority(arena, authority, q, err))
		return false;
	rest = take(&rest, "#");
	line = arena_take(arena, method.len + rest.len + authority.len + 32);
	sprintf(line, "%.*s %s%.*s HTTP/1.1", SPAN_ARG(method),
		rest.len == 0 || rest.at[0] == '?' ? "/" : "", SPAN_ARG(rest));
	if (!put_line(head, span_of(line), err))
		return false;
	sprintf(line, "Host: %.*s", SPAN_ARG(authority));
	if (!gives_host(headers) && !put_line(head, span_of(line), err))
		return false;
	if (!put_headers(head, headers, err))
		return false;
	q->head = span_of(head);
	return true;
}

static bool read_session(const json_t *asked, struct explain_query *q, struct err *err)
{
	const char *id = json_string_value(json_object_get(asked, "session_id"));

	q->session_resumed = json_is_true(json_object_get(asked, "session_resumed"));
	if (id && !session_id_parse(span_of(id), &q->session_id))
		return err_set(err,
			       "expected %d digits of 0-9 and a-f for the TLS session, found "
			       "\"%s\"",
			       SESSION_ID_DIGITS, id);
	return true;
}

static bool read_alpn(struct arena *arena, const json_t *asked, struct explain_query *q,
		      struct err *err)
{
	const char *alpn = json_string_value(json_object_get(asked, "alpn"));
	struct sni_ask unused = { .protocol_count = 0 };

	if (alpn && !sni_match_offer(&unused, span_of(alpn)))
		return err_set(err,
			       "expected at most %d protocols such as h2,http/1.1, found \"%s\"",
			       SNI_OFFERED_MAX, alpn);
	q->alpn = alpn ? arena_text(arena, span_of(alpn)) : NULL;
	return true;
}

bool explain_query_read(struct arena *arena, const json_t *asked, struct explain_query *out,
			struct err *err)
{
	const char *request = json_string_value(json_object_get(asked, "request"));
	const char *from = json_string_value(json_object_get(asked, "from"));
	const char *vip = json_string_value(json_object_get(asked, "vip"));
	const char *subject = json_string_value(json_object_get(asked, "subject"));

	*out = (struct explain_query){ 0 };
	if (!request)
		return err_set(err, "which request is asked about?");
	out->request = arena_text(arena, span_of(request));
	out->vip = vip ? arena_text(arena, span_of(vip)) : NULL;
	out->subject = subject ? arena_text(arena, span_of(subject)) : NULL;
	if (from && !addr_parse_ip(span_of(from), &out->client))
		return err_set(err, "expected an address such as 198.51.100.7, found \"%s\"", from);
	out->has_client = from != NULL;
	return read_session(asked, out, err) && read_alpn(arena, asked, out, err) &&
	       read_request(arena, asked, out, err);
}

static bool may_have(const struct explain_query *q, const struct listener *l)
{
	static const bool plain[LISTENER_PROTOCOLS] = {
		[LISTENER_HTTP] = true, [LISTENER_TCP] = true, [LISTENER_TCP_PROXY] = true
	};
	static const bool secure[LISTENER_PROTOCOLS] = { [LISTENER_HTTPS] = true,
							 [LISTENER_TLS_PASSTHROUGH] = true,
							 [LISTENER_TCP] = true,
							 [LISTENER_TCP_PROXY] = true };

	return l->port == q->port && (!q->vip || strcmp(q->vip, l->vip->name) == 0) &&
	       (q->secure ? secure : plain)[l->protocol];
}

const struct listener *explain_query_listener(const struct explain_query *query,
					      const struct model *model, uint32_t nth)
{
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++) {
			const struct listener *l = &model->vips[i].listeners[k];

			if (may_have(query, l) && nth-- == 0)
				return l;
		}
	return NULL;
}

struct explain_ask explain_query_ask(const struct explain_query *query, struct snapshot *snapshot,
				     const struct listener *listener)
{
	return (struct explain_ask){ .snapshot = snapshot,
				     .listener = listener,
				     .client = query->client,
				     .has_client = query->has_client,
				     .sni = query->sni,
				     .alpn = query->alpn,
				     .subject = query->subject,
				     .session_id = query->session_id,
				     .session_resumed = query->session_resumed,
				     .head = query->head };
}
