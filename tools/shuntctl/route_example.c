#include "tools/shuntctl/route_example.h"

#include <stdio.h>
#include <string.h>

#include "userspace/route/regex.h"
#include "userspace/route/value_match.h"

/* Of a condition that is not negated; those that are, are met by nothing at all. NULL: no guess. */
static const char *guess(struct route_example *e, const struct value_match *want)
{
	static const char *const some[] = { "1", "true", "a", "abc", "0", "x-1", "en", "A" };

	if (want->kind == VALUE_PRESENT)
		return "1";
	if (want->kind != VALUE_REGEX)
		return want->value;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (value_match(want, span_of(some[i])))
			return some[i];
	if (e->made_count == EXAMPLE_MADE_MAX ||
	    !regex_example(regex_text(want->regex), e->made[e->made_count], &e->spent))
		return NULL;
	return e->made[e->made_count++];
}

static bool add(struct route_example *e, struct example_list *list, const struct value_match *wants,
		uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct value_match *want = &wants[i];
		const char *value;
		uint32_t k = 0;

		while (k < list->count && strcmp(list->of[k]->name, want->name) != 0)
			k++;
		if (want->negated || k < list->count)
			continue; /* what is there already may do */
		value = k < EXAMPLE_FIELDS_MAX ? guess(e, want) : NULL;
		if (!value)
			return false;
		list->of[k] = want;
		list->values[k] = value;
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

static size_t encode(char *out, size_t len, const char *text)
{
	for (; *text && len + 4 < EXAMPLE_BYTES; text++) {
		const char one[2] = { *text, '\0' };

		len += (size_t)snprintf(out + len, EXAMPLE_BYTES - len,
					is_plain(one) ? "%c" : "%%%02X", (unsigned char)*text);
	}
	return len;
}

/* "a=1; b=2", where nothing needs quoting; "a=1&b=%2F". */
static bool join(const struct example_list *list, bool query, char out[EXAMPLE_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < list->count; i++) {
		const char *name = list->of[i]->name, *value = list->values[i];

		if (!query && (!is_plain(name) || !is_plain(value)))
			return false;
		len += (size_t)snprintf(out + len, EXAMPLE_BYTES - len, "%s",
					i == 0  ? ""
					: query ? "&"
						: "; ");
		len = encode(out, len, name);
		len += (size_t)snprintf(out + len, EXAMPLE_BYTES - len, "=");
		len = encode(out, len, value);
		if (len + 8 >= EXAMPLE_BYTES)
			return false;
	}
	return true;
}

static const struct network_list *clients_of(const struct route *r)
{
	return r && r->when && r->when->clients.count > 0 ? &r->when->clients : NULL;
}

/* The first address of a network, or the last one. */
static struct addr address_of(const struct network *n, bool last)
{
	struct addr at = { 0 };
	uint8_t *bytes = (uint8_t *)at.ip;

	memcpy(at.ip, n->ip, sizeof(at.ip));
	for (uint32_t bit = n->bits; last && bit < 128; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return at;
}

/* One that suits all three, else one of the first route's own. */
static void choose_client(struct route_example *e, const struct route *route,
			  const struct route *also, const struct route *other)
{
	const struct network_list *lists[2] = { clients_of(route), clients_of(also) };
	const struct network_list *not_in = clients_of(other);

	for (int l = 0; l < 2; l++)
		for (uint32_t i = 0; lists[l] && i < 2 * lists[l]->count; i++) {
			struct addr at = address_of(&lists[l]->networks[i / 2], i % 2);
			const struct network_list *both = lists[1 - l];

			if (!e->has_client)
				e->client = at;
			e->has_client = true;
			if ((both && !network_list_has(both, &at)) ||
			    (not_in && network_list_has(not_in, &at)))
				continue;
			e->client = at;
			return;
		}
}

static bool add_conditions(struct route_example *e, const struct route *r,
			   struct example_list *cookies, struct example_list *queries)
{
	const struct conditions *when = r->when;

	if (!add(e, &e->fields, r->headers, r->header_count))
		return false;
	if (!when)
		return true;
	if (when->sni_count > 0 || when->listener_count > 0 || when->alpn || when->subject ||
	    when->session_id || when->session_resumed || when->country_count > 0)
		return false;
	return add(e, cookies, when->cookies, when->cookie_count) &&
	       add(e, queries, when->queries, when->query_count);
}

static bool takes_method(const struct route *r, const char *method)
{
	bool any = !r || r->method_count == 0;

	for (uint32_t i = 0; !any && i < r->method_count; i++)
		any = strcmp(r->methods[i], method) == 0;
	return any;
}

static const char *method_of(const struct route *r, const struct route *also,
			     const struct route *other)
{
	static const char *const usual[] = { "GET", "POST", "PUT", "DELETE" };
	const char *first = NULL;
	const struct route *asks = r->method_count > 0 ? r : also;
	bool named = asks && asks->method_count > 0;
	uint32_t count = named ? asks->method_count : 4;

	for (uint32_t i = 0; i < count; i++) {
		const char *one = named ? asks->methods[i] : usual[i];

		if (!takes_method(r, one) || !takes_method(also, one))
			continue;
		if (!other || !takes_method(other, one))
			return one;
		first = first ? first : one;
	}
	return first ? first : named ? asks->methods[0] : usual[0];
}

void route_example_tell(struct route_example *e)
{
	char port[8] = "";
	int n;
	size_t len;

	if (e->way.port && e->way.port != (e->way.secure ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", e->way.port);
	n = snprintf(e->text, sizeof(e->text), "'%s %s://%s%s%s%s%s'", e->method,
		     e->way.secure ? "https" : "http", e->host, port, e->path,
		     e->query[0] ? "?" : "", e->query);
	len = n > 0 && (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;

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

bool route_example_make(struct route_example *e, struct example_way way, const struct route *route,
			const struct route *also, const struct route *other)
{
	struct example_list cookies = { .count = 0 }, queries = { .count = 0 };
	const char *host = route->host ? route->host : "example.com";
	const char *path = route->path && route->path[0] ? route->path : "/";

	*e = (struct route_example){ .method = method_of(route, also, other), .way = way };
	if (strlen(host) + 1 >= sizeof(e->host) || strlen(path) >= sizeof(e->path))
		return false;
	strcpy(e->host, host[0] == '*' ? "a" : "");
	strcat(e->host, host[0] == '*' ? host + 1 : host);
	snprintf(e->path, sizeof(e->path), "%s", path);
	choose_client(e, route, also, other);
	if (!add_conditions(e, route, &cookies, &queries) ||
	    (also && !add_conditions(e, also, &cookies, &queries)) ||
	    !join(&cookies, false, e->cookies) || !join(&queries, true, e->query))
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
