#include "tools/shuntctl/route_example.h"

#include <stdio.h>
#include <string.h>

#include "userspace/route/value_match.h"

/* Of a condition that is not negated; those that are, are met by nothing at all. NULL: no guess. */
static const char *guess(const struct value_match *want)
{
	static const char *const some[] = { "1", "true", "a", "abc", "0", "x-1", "en", "A" };

	if (want->kind == VALUE_PRESENT)
		return "1";
	if (want->kind != VALUE_REGEX)
		return want->value;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (value_match(want, span_of(some[i])))
			return some[i];
	return NULL;
}

static bool add(struct example_list *list, const struct value_match *wants, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct value_match *want = &wants[i];
		uint32_t k = 0;

		while (k < list->count && strcmp(list->of[k]->name, want->name) != 0)
			k++;
		if (want->negated || k < list->count)
			continue; /* what is there already may do */
		if (k == EXAMPLE_FIELDS_MAX || !guess(want))
			return false;
		list->of[k] = want;
		list->values[k] = guess(want);
		list->count++;
	}
	return true;
}

/* Letters, digits and what is written as it is in cookies and queries. */
static bool is_plain(const char *text)
{
	return text[strspn(text,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")] ==
	       '\0';
}

/* "a=1; b=2": names and values that need no quoting. */
static bool join(const struct example_list *list, const char *between, char out[EXAMPLE_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < list->count; i++) {
		if (!is_plain(list->of[i]->name) || !is_plain(list->values[i]))
			return false;
		len += (size_t)snprintf(out + len, EXAMPLE_BYTES - len, "%s%s=%s",
					i > 0 ? between : "", list->of[i]->name, list->values[i]);
		if (len >= EXAMPLE_BYTES)
			return false;
	}
	return true;
}

static bool add_conditions(struct route_example *e, const struct route *r,
			   struct example_list *cookies, struct example_list *queries)
{
	const struct conditions *when = r->when;

	if (!add(&e->fields, r->headers, r->header_count))
		return false;
	if (!when)
		return true;
	if (when->sni_count > 0 || when->listener_count > 0 || when->alpn || when->subject ||
	    when->session_id || when->session_resumed || when->country_count > 0)
		return false;
	if (when->clients.count > 0 && !e->has_client) {
		memcpy(e->client.ip, when->clients.networks[0].ip, sizeof(e->client.ip));
		e->has_client = true;
	}
	return add(cookies, when->cookies, when->cookie_count) &&
	       add(queries, when->queries, when->query_count);
}

static const char *method_of(const struct route *r, const struct route *also)
{
	if (r->method_count == 0)
		return also && also->method_count > 0 ? also->methods[0] : "GET";
	for (uint32_t i = 0; also && i < r->method_count; i++)
		for (uint32_t k = 0; k < also->method_count; k++)
			if (strcmp(r->methods[i], also->methods[k]) == 0)
				return r->methods[i];
	return r->methods[0];
}

void route_example_tell(struct route_example *e)
{
	int n = snprintf(e->text, sizeof(e->text), "'%s http://%s%s%s%s'", e->method, e->host,
			 e->path, e->query[0] ? "?" : "", e->query);
	size_t len = n > 0 && (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;

	for (uint32_t i = 0; i < e->fields.count && len < sizeof(e->text); i++)
		len += (size_t)snprintf(e->text + len, sizeof(e->text) - len, " -H '%s: %s'",
					e->fields.of[i]->name, e->fields.values[i]);
	if (e->cookies[0] && len < sizeof(e->text))
		len += (size_t)snprintf(e->text + len, sizeof(e->text) - len, " -H 'Cookie: %s'",
					e->cookies);
	if (e->has_client && len < sizeof(e->text))
		snprintf(e->text + len, sizeof(e->text) - len, " --from %s",
			 addr_print(&e->client).text);
}

bool route_example_make(struct route_example *e, const struct route *route,
			const struct route *also)
{
	struct example_list cookies = { .count = 0 }, queries = { .count = 0 };
	const char *host = route->host ? route->host : "example.com";
	const char *path = route->path && route->path[0] ? route->path : "/";

	*e = (struct route_example){ .method = method_of(route, also) };
	if (strlen(host) + 1 >= sizeof(e->host) || strlen(path) >= sizeof(e->path))
		return false;
	strcpy(e->host, host[0] == '*' ? "a" : "");
	strcat(e->host, host[0] == '*' ? host + 1 : host);
	snprintf(e->path, sizeof(e->path), "%s", path);
	if (!add_conditions(e, route, &cookies, &queries) ||
	    (also && !add_conditions(e, also, &cookies, &queries)) ||
	    !join(&cookies, "; ", e->cookies) || !join(&queries, "&", e->query))
		return false;
	route_example_tell(e);
	return true;
}

static struct span field_of(const void *context, struct span name)
{
	const struct route_example *e = context;

	if (span_is(name, SPAN("cookie")) && e->cookies[0])
		return span_of(e->cookies);
	for (uint32_t i = 0; i < e->fields.count; i++)
		if (span_is(name, span_of(e->fields.of[i]->name)))
			return span_of(e->fields.values[i]);
	return (struct span){ NULL, 0 };
}

struct route_request route_example_request(const struct route_example *e)
{
	return (struct route_request){ .host = span_of(e->host),
				       .path = span_of(e->path),
				       .query = span_of(e->query),
				       .method = span_of(e->method),
				       .client = e->has_client ? &e->client : NULL,
				       .field = field_of,
				       .context = e };
}
