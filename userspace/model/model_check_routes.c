/* Do the routes of a table make sense beside one another? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/router.h"

enum { BEFORE_MAX = 1024, EXAMPLE_BYTES = 320 };

static bool text_is(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_method(const struct route *r, const char *method)
{
	for (uint32_t i = 0; i < r->method_count; i++)
		if (strcmp(r->methods[i], method) == 0)
			return true;
	return r->method_count == 0;
}

static bool has_value(const struct value_match *values, uint32_t count,
		      const struct value_match *want)
{
	for (uint32_t i = 0; i < count; i++)
		if (strcmp(values[i].name, want->name) == 0 && values[i].kind == want->kind &&
		    values[i].negated == want->negated && strcmp(values[i].value, want->value) == 0)
			return true;
	return false;
}

static bool has_values(const struct value_match *values, uint32_t count,
		       const struct value_match *wanted, uint32_t wanted_count)
{
	for (uint32_t i = 0; i < wanted_count; i++)
		if (!has_value(values, count, &wanted[i]))
			return false;
	return true;
}

/* Lists of networks and names are not compared: where earlier has some, later may have others. */
static bool hides_when(const struct conditions *earlier, const struct conditions *later)
{
	static const struct conditions none;

	if (!earlier)
		return true;
	later = later ? later : &none;
	return earlier->clients.count == 0 && earlier->country_count == 0 &&
	       earlier->sni_count == 0 && earlier->listener_count == 0 && !earlier->subject &&
	       !earlier->alpn && !earlier->session_id && !earlier->session_resumed &&
	       has_values(later->queries, later->query_count, earlier->queries,
			  earlier->query_count) &&
	       has_values(later->cookies, later->cookie_count, earlier->cookies,
			  earlier->cookie_count);
}

/* Whether all that matches later matches earlier too, of routes with the same host and path. */
static bool hides(const struct route *earlier, const struct route *later)
{
	if (later->method_count == 0 && earlier->method_count > 0)
		return false;
	/* The asterisk of OPTIONS is below no prefix. */
	if (later->path_kind == PATH_ANY && earlier->path_kind != PATH_ANY)
		return false;
	for (uint32_t i = 0; i < later->method_count; i++)
		if (!has_method(earlier, later->methods[i]))
			return false;
	return has_values(later->headers, later->header_count, earlier->headers,
			  earlier->header_count) &&
	       hides_when(earlier->when, later->when);
}

static const char *prefix_of(const struct route *r)
{
	return r->path_kind == PATH_ANY ? "" : r->path;
}

static bool same_place(const struct route *a, const struct route *b)
{
	return text_is(a->host, b->host) &&
	       (a->path_kind == PATH_EXACT) == (b->path_kind == PATH_EXACT) &&
	       (a->path_kind == PATH_REGEX) == (b->path_kind == PATH_REGEX) &&
	       strcmp(prefix_of(a), prefix_of(b)) == 0;
}

/* ", such as ..." of what both match; empty where that takes more than a host, path and method. */
static void example_of(const struct route *earlier, const struct route *later,
		       char out[EXAMPLE_BYTES])
{
	const char *host = later->host ? later->host : "example.com";
	const char *path = prefix_of(later);

	out[0] = '\0';
	if (earlier->header_count > 0 || earlier->when || later->path_kind == PATH_REGEX)
		return;
	snprintf(out, EXAMPLE_BYTES, ", such as \"%s http://%s%s%s\"",
		 later->method_count > 0     ? later->methods[0]
		 : earlier->method_count > 0 ? earlier->methods[0]
					     : "GET",
		 host[0] == '*' ? "a" : "", host[0] == '*' ? host + 1 : host, path[0] ? path : "/");
}

/* Tables are sorted by precedence, so routes of one host and path stand together. Of very many of
 * one place not all are compared, as that would take minutes. */
static void check_hidden(struct building *b, const struct route_table *table)
{
	for (uint32_t i = 1; i < table->count; i++) {
		const struct route *later = &table->routes[i];

		for (uint32_t k = i, n = 0; k > 0 && n < BEFORE_MAX; k--, n++) {
			const struct route *earlier = &table->routes[k - 1];
			char example[EXAMPLE_BYTES];

			if (!same_place(earlier, later))
				break;
			if (!hides(earlier, later))
				continue;
			example_of(earlier, later, example);
			finding(&b->reading, later->at,
				"the route \"%s\" can never match: \"%s\" (line %u) comes first "
				"and takes all of it%s",
				later->name, earlier->name, earlier->at.line, example);
			break;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	const struct route *x = *(const struct route *const *)a;
	const struct route *y = *(const struct route *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : x < y ? -1 : x > y;
}

static void check_names(struct building *b, const struct route_table *table)
{
	const struct route **named = must_alloc((table->count + 1) * sizeof(named[0]));

	for (uint32_t i = 0; i < table->count; i++)
		named[i] = &table->routes[i];
	qsort(named, table->count, sizeof(named[0]), by_name);
	for (uint32_t i = 1; i < table->count; i++)
		if (strcmp(named[i]->name, named[i - 1]->name) == 0)
			finding(&b->reading, named[i]->at,
				"there are two routes \"%s\" in \"%s\", the other at %s:%u",
				named[i]->name, table->name, named[i - 1]->at.file,
				named[i - 1]->at.line);
	free(named);
}

static bool has_listener(const struct model *m, const struct route_table *table,
			 const struct listener_name *name)
{
	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];

			if (l->port == name->port && l->routes == table &&
			    strcmp(m->vips[i].name, name->vip) == 0)
				return true;
		}
	return false;
}

/* Routes that name a listener which never asks them. */
static void check_listeners(struct building *b, const struct route_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct conditions *when = table->routes[i].when;

		for (uint32_t k = 0; when && k < when->listener_count; k++)
			if (!has_listener(b->model, table, &when->listeners[k]))
				finding(&b->reading, when->listeners[k].at,
					"no listener \"%s:%u\" uses the routes \"%s\"",
					when->listeners[k].vip, when->listeners[k].port,
					table->name);
	}
}

void check_routes(struct building *b)
{
	for (uint32_t i = 0; i < b->model->table_count; i++) {
		check_names(b, &b->model->tables[i]);
		check_hidden(b, &b->model->tables[i]);
		check_listeners(b, &b->model->tables[i]);
	}
}
