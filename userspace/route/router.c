#include "userspace/route/router.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/session_id.h"
#include "userspace/route/host_match.h"
#include "userspace/route/regex.h"
#include "userspace/route/route_index.h"
#include "userspace/route/value_match.h"

static bool methods_match(const struct route *route, struct span method)
{
	for (uint32_t i = 0; i < route->method_count; i++)
		if (span_is(method, span_of(route->methods[i])))
			return true;
	return route->method_count == 0;
}

/* Each returns how many are met; the next one is not. */
static uint32_t headers_met(const struct route *route, const struct route_request *req)
{
	uint32_t i = 0;

	for (; i < route->header_count; i++) {
		const struct value_match *want = &route->headers[i];

		if (!value_match(want, req->field(req->context, span_of(want->name))))
			break;
	}
	return i;
}

static uint32_t cookies_met(const struct conditions *when, const struct route_request *req)
{
	struct span cookies = { NULL, 0 };
	uint32_t i = 0;

	if (when->cookie_count > 0)
		cookies = req->field(req->context, SPAN("cookie"));
	for (; i < when->cookie_count; i++) {
		const struct value_match *want = &when->cookies[i];

		if (!value_match(want, cookie_value(cookies, span_of(want->name))))
			break;
	}
	return i;
}

static uint32_t queries_met(const struct conditions *when, const struct route_request *req)
{
	char bytes[QUERY_VALUE_MAX];
	uint32_t i = 0;

	for (; i < when->query_count; i++) {
		const struct value_match *want = &when->queries[i];
		struct span value = query_value(req->query, span_of(want->name), bytes);

		if (!value_match(want, value) ||
		    (want->kind == VALUE_REGEX && value.len == QUERY_VALUE_MAX))
			break;
	}
	return i;
}

static bool sni_matches(const struct conditions *when, const struct route_request *req)
{
	for (uint32_t i = 0; i < when->sni_count; i++)
		if (req->sni.len > 0 && host_match(when->sni[i], req->sni))
			return true;
	return when->sni_count == 0;
}

static bool listener_matches(const struct conditions *when, const struct route_request *req)
{
	for (uint32_t i = 0; i < when->listener_count && req->listener; i++)
		if (when->listeners[i].port == req->listener->port &&
		    strcmp(when->listeners[i].vip, req->listener->vip->name) == 0)
			return true;
	return when->listener_count == 0;
}

static bool session_id_matches(const struct value_match *want, uint64_t number)
{
	char text[SESSION_ID_DIGITS];

	return value_match(want, session_id_print(number, text));
}

static bool resumption_matches(enum resumption want, bool resumed)
{
	return want == RESUMPTION_ANY || (want == RESUMPTION_YES) == resumed;
}

static bool country_matches(const struct conditions *when, uint16_t country)
{
	for (uint32_t i = 0; i < when->country_count; i++)
		if (when->countries[i] == country)
			return true;
	return when->country_count == 0;
}

static enum route_miss conditions_miss(const struct conditions *when,
				       const struct route_request *req, uint32_t *which)
{
	if (!when)
		return MISS_NONE;
	if (!listener_matches(when, req))
		return MISS_LISTENER;
	if (!sni_matches(when, req))
		return MISS_SNI;
	if (when->alpn && !value_match(when->alpn, req->alpn))
		return MISS_ALPN;
	if (when->subject && !value_match(when->subject, req->subject))
		return MISS_SUBJECT;
	if (when->session_id && !session_id_matches(when->session_id, req->session_id))
		return MISS_SESSION_ID;
	if (!resumption_matches(when->session_resumed, req->session_resumed))
		return MISS_RESUMPTION;
	if (when->clients.count > 0 &&
	    !(req->client && network_list_has(&when->clients, req->client)))
		return MISS_CLIENT;
	*which = req->country;
	if (!country_matches(when, req->country))
		return MISS_COUNTRY;
	if ((*which = cookies_met(when, req)) < when->cookie_count)
		return MISS_COOKIE;
	if ((*which = queries_met(when, req)) < when->query_count)
		return MISS_QUERY;
	return MISS_NONE;
}

static int more_first(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

/* Exact, then the longer prefix, then expressions. No path at all means the prefix "/". */
static uint64_t path_rank(const struct route *r)
{
	switch (r->path_kind) {
	case PATH_EXACT:
		return UINT64_MAX;
	case PATH_PREFIX:
		return 1 + strlen(r->path);
	case PATH_ANY:
		return 1;
	case PATH_REGEX:
		break;
	}
	return 0;
}

static uint32_t value_count(const struct route *r)
{
	return r->header_count + (r->when ? r->when->cookie_count : 0);
}

static uint32_t query_count(const struct route *r)
{
	return r->when ? r->when->query_count : 0;
}

/* Of two texts of one length, which cannot both match: so that equal ones are neighbours. */
static int texts_apart(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : 0;
}

/* Negative where a comes first; *out_rule: why. */
static int compare(const struct route *a, const struct route *b, enum route_rule *out_rule)
{
	int order = more_first(host_rank(a->host), host_rank(b->host));

	*out_rule = RULE_HOST;
	order = order ? order : texts_apart(a->host, b->host);
	if (order)
		return order;
	*out_rule = RULE_PATH;
	order = more_first(path_rank(a), path_rank(b));
	if (!order && a->path_kind != PATH_REGEX)
		order = texts_apart(a->path, b->path);
	if (order)
		return order;
	*out_rule = RULE_METHOD;
	order = more_first(a->method_count > 0, b->method_count > 0);
	if (order)
		return order;
	*out_rule = RULE_VALUES;
	order = more_first(value_count(a), value_count(b));
	if (order)
		return order;
	*out_rule = RULE_QUERIES;
	order = more_first(query_count(a), query_count(b));
	if (order)
		return order;
	*out_rule = RULE_ORDER;
	return more_first(b->order, a->order);
}

int router_compare(const struct route *a, const struct route *b)
{
	enum route_rule rule;

	return compare(a, b, &rule);
}

enum route_rule router_rule(const struct route *a, const struct route *b)
{
	enum route_rule rule;

	compare(a, b, &rule);
	return rule;
}

static int by_precedence(const void *a, const void *b)
{
	return router_compare(a, b);
}

/* Of what a route asks for beside host and path. The asterisk of OPTIONS is below no prefix. */
static enum route_miss rest_miss(const struct route *route, const struct route_request *req,
				 uint32_t *which)
{
	if (route->path_kind == PATH_PREFIX && !(req->path.len > 0 && req->path.at[0] == '/'))
		return MISS_PATH;
	if (!methods_match(route, req->method))
		return MISS_METHOD;
	if ((*which = headers_met(route, req)) < route->header_count)
		return MISS_HEADER;
	return conditions_miss(route->when, req, which);
}

static void note(struct route_trace *t, const struct route_try *tried)
{
	if (t->count < t->room)
		t->tries[t->count++] = *tried;
	else
		t->more++;
}

/* Always false, so that all others are tried too. */
static bool trace(struct route_trace *t, const struct route_try *tried)
{
	note(t, tried);
	if (tried->miss == MISS_NONE && !t->taken)
		t->taken = tried->route;
	return false;
}

/* Whether this is the one, and no other is tried. */
static bool takes(const struct route *route, const struct route_request *req)
{
	struct route_try tried = { .route = route };

	tried.miss = rest_miss(route, req, &tried.which);
	if (tried.miss == MISS_NONE && route->path_kind == PATH_REGEX &&
	    regex_match(route->regex, req->path) != REGEX_YES)
		tried.miss = MISS_PATH;
	if (req->losers && tried.miss != MISS_NONE)
		note(req->losers, &tried);
	return req->trace ? trace(req->trace, &tried) : tried.miss == MISS_NONE;
}

static const struct route *find_in_group(const struct route_table *table,
					 const struct path_group *group,
					 const struct route_request *req)
{
	if (group->plain && !req->trace)
		return &table->routes[group->first];
	for (uint32_t i = group->first;; i++) {
		if (takes(&table->routes[i], req))
			return &table->routes[i];
		if (table->routes[i].ends_path)
			return NULL;
	}
}

static const struct route *find_regex(const struct route_table *table,
				      const struct host_entry *host,
				      const struct route_request *req)
{
	const struct regex_entry *entry = table->index->regexes + host->first_regex;
	uint64_t head = route_index_head(req->path);

	for (uint32_t i = 0; i < host->regex_count; i++) {
		const struct route *route;

		if ((head ^ entry[i].head) & entry[i].mask)
			continue;
		route = &table->routes[entry[i].route];
		if (takes(route, req))
			return route;
	}
	return NULL;
}

static const struct route *find_exact(const struct route_table *table,
				      const struct host_entry *host,
				      const struct route_request *req,
				      const struct path_steps *steps)
{
	const struct path_step whole = { steps->hash, req->path.len };
	const struct path_group *group = NULL;

	if (host->exact_lengths & length_bit(req->path.len))
		group = route_index_group(table->index, host, req->path, true, whole);
	return group ? find_in_group(table, group, req) : NULL;
}

static const struct route *find_in_host(const struct route_table *table,
					const struct host_entry *host,
					const struct route_request *req,
					const struct path_steps *steps)
{
	const struct route *route = find_exact(table, host, req, steps);

	for (uint32_t i = steps->count; i > 0 && !route; i--) {
		const struct path_step step = steps->at[i - 1];
		const struct path_group *group = NULL;

		if (host->prefix_lengths & length_bit(step.len))
			group = route_index_group(table->index, host, req->path, false, step);
		route = group ? find_in_group(table, group, req) : NULL;
	}
	if (!route && host->regex_count > 0)
		route = find_regex(table, host, req);
	return route;
}

static const struct route *find_named(const struct route_table *table, struct span host, bool wild,
				      const struct route_request *req,
				      const struct path_steps *steps)
{
	const struct route_index *index = table->index;
	const struct host_entry *entry;
	uint64_t key;

	if (!((wild ? index->wild_hosts : index->exact_hosts) & length_bit(host.len)))
		return NULL;
	key = route_index_host_key(host, wild);
	route_index_fetch(index, key, steps);
	entry = route_index_host(index, host, wild, key);
	return entry ? find_in_host(table, entry, req, steps) : NULL;
}

/* From the first label on, then from the second: the longer suffix first. */
static const struct route *find_wild(const struct route_table *table, struct span host,
				     const struct route_request *req,
				     const struct path_steps *steps)
{
	const struct route *route = NULL;

	for (size_t at = 1; at < host.len && !route; at++)
		if (host.at[at] == '.')
			route = find_named(table, span_after(host, at), true, req, steps);
	return route;
}

const struct route *router_find(const struct route_table *table, const struct route_request *req)
{
	const struct route_index *index = table->index;
	const struct route *route = NULL;
	char name[HOST_BYTES_MAX + 1];
	struct span host = req->host;
	struct path_steps steps;
	bool whole;

	if (host.len > 0 && host.at[host.len - 1] == '.')
		host.len--;
	/* Of a name that is too long for any pattern, its end may still match a wildcard. */
	whole = host.len <= HOST_BYTES_MAX;
	if (!whole)
		host = span_after(host, host.len - HOST_BYTES_MAX - 1);
	for (size_t i = 0; i < host.len; i++)
		name[i] = span_lower(host.at[i]);
	host.at = name;
	path_steps_walk(&steps, req->path, index->prefix_lengths, index->longest_prefix,
			index->exact_lengths & length_bit(req->path.len));
	if (whole && host.len > 0)
		route = find_named(table, host, false, req, &steps);
	if (!route && index->wild_hosts)
		route = find_wild(table, host, req, &steps);
	if (!route && index->any_host != HOST_NONE)
		route = find_in_host(table, &index->hosts[index->any_host], req, &steps);
	return req->trace ? req->trace->taken : route;
}

void router_compile(struct arena *arena, struct route_table *table)
{
	qsort(table->routes, table->count, sizeof(table->routes[0]), by_precedence);
	table->index = route_index_create(arena, table->routes, table->count);
	for (uint32_t i = 0; i < table->count; i++) {
		const struct conditions *when = table->routes[i].when;

		table->asks_subject |= when && when->subject;
		table->asks_country |= when && when->country_count > 0;
	}
}
