#include "userspace/route/router.h"

#include <string.h>

#include "userspace/route/host_match.h"
#include "userspace/route/path_match.h"

static bool methods_match(const struct route *route, struct span method)
{
	for (uint32_t i = 0; i < route->method_count; i++)
		if (span_is(method, span_of(route->methods[i])))
			return true;
	return route->method_count == 0;
}

static bool headers_match(const struct route *route, const struct route_request *req)
{
	for (uint32_t i = 0; i < route->header_count; i++) {
		struct span value = req->field(req->context, span_of(route->headers[i].name));

		if (!value.at || !span_is(value, span_of(route->headers[i].value)))
			return false;
	}
	return true;
}

const struct route *router_find(const struct route_table *table, const struct route_request *req)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct route *route = &table->routes[i];

		if (host_match(route->host, req->host) &&
		    path_match(route->path_kind, route->path, req->path) &&
		    methods_match(route, req->method) && headers_match(route, req))
			return route;
	}
	return NULL;
}

static int more_first(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

/* Exact before prefix; the longer prefix first. No path at all means the prefix "/". */
static uint64_t path_rank(const struct route *r)
{
	if (r->path_kind == PATH_EXACT)
		return UINT64_MAX;
	return r->path_kind == PATH_PREFIX ? strlen(r->path) : 0;
}

int router_compare(const struct route *a, const struct route *b)
{
	int order = more_first(host_rank(a->host), host_rank(b->host));

	order = order ? order : more_first(path_rank(a), path_rank(b));
	order = order ? order : more_first(a->method_count > 0, b->method_count > 0);
	order = order ? order : more_first(a->header_count, b->header_count);
	return order ? order : more_first(b->order, a->order);
}

const struct upstream *router_find_sni(const struct listener *listener, struct span name)
{
	const struct upstream *best = NULL, *fallback = NULL;
	uint64_t rank = 0;

	for (uint32_t i = 0; i < listener->sni_count; i++) {
		const struct sni_route *sni = &listener->sni[i];

		if (strcmp(sni->name, "default") == 0)
			fallback = sni->upstream;
		else if (name.len > 0 && host_match(sni->name, name) &&
			 host_rank(sni->name) > rank) {
			best = sni->upstream;
			rank = host_rank(sni->name);
		}
	}
	return best ? best : fallback;
}
