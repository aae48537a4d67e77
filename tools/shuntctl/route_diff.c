#include "tools/shuntctl/route_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/shuntctl/written_diff.h"
#include "userspace/base/must.h"
#include "userspace/route/route_split.h"
#include "userspace/snapshot/snapshot.h"

enum { USERS = 10000, NAME_BYTES = 600 };

/* --- routes, as they are written ---------------------------------------------------------- */

/* By "TABLE/NAME"; values are addresses. */
static json_t *written(const struct model *m)
{
	const struct yaml *tables = yaml_get(m->root, "routes");
	json_t *all = json_object();
	char name[NAME_BYTES];

	for (const struct yaml *t = tables ? tables->first : NULL; t; t = t->next)
		for (const struct yaml *r = t->first; r; r = r->next) {
			snprintf(name, sizeof(name), "%s/%s", t->key, yaml_get(r, "name")->text);
			json_object_set_new(all, name, json_integer((json_int_t)(uintptr_t)r));
		}
	return all;
}

static const struct yaml *node_of(const json_t *number)
{
	return (const struct yaml *)(uintptr_t)json_integer_value(number);
}

/* details: what differs in those that both have. */
static json_t *diff_written(const struct model *before, const struct model *after, json_t *details)
{
	char of[NAME_BYTES + 8];
	json_t *added = json_array(), *removed = json_array(), *changed = json_array();
	json_t *was = written(before), *is = written(after), *value;
	const char *name;

	json_object_foreach(is, name, value)
	{
		const json_t *old = json_object_get(was, name);

		if (!old)
			json_array_append_new(added, json_string(name));
		if (!old || written_same(node_of(old), node_of(value)))
			continue;
		json_array_append_new(changed, json_string(name));
		snprintf(of, sizeof(of), "route %s", name);
		written_differ(details, of, node_of(old), node_of(value));
	}
	json_object_foreach(was, name, value)
	{
		if (!json_object_get(is, name))
			json_array_append_new(removed, json_string(name));
	}
	json_decref(was);
	json_decref(is);
	return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

/* --- users of splits ---------------------------------------------------------------------- */

/* By "TABLE/NAME"; values are addresses. */
static json_t *built(const struct model *m)
{
	json_t *all = json_object();
	char name[NAME_BYTES];

	for (uint32_t i = 0; i < m->table_count; i++)
		for (uint32_t k = 0; k < m->tables[i].count; k++) {
			const struct route *r = &m->tables[i].routes[k];

			snprintf(name, sizeof(name), "%s/%s", m->tables[i].name, r->name);
			json_object_set_new(all, name, json_integer((json_int_t)(uintptr_t)r));
		}
	return all;
}

static const struct route *route_in(const json_t *built, const char *name)
{
	return (const struct route *)(uintptr_t)json_integer_value(json_object_get(built, name));
}

struct user {
	struct addr address;
	char id[32], cookies[320];
};

static struct span field_of(const void *context, struct span name)
{
	const struct user *user = context;

	return span_of(span_is(name, SPAN("cookie")) ? user->cookies : user->id);
}

static const struct upstream *upstream_of(const struct route *route, struct user *user,
					  uint64_t number)
{
	struct route_request req = { .client = &user->address, .field = field_of, .context = user };

	if (route->split && route->split->name)
		snprintf(user->cookies, sizeof(user->cookies), "%s=%s", route->split->name,
			 user->id);
	return route_split(route, &req, number);
}

static double users_moved(const struct route *was, const struct route *is)
{
	uint32_t moved = 0;

	if (!was->split && !is->split)
		return strcmp(was->upstream->name, is->upstream->name) != 0;
	for (uint32_t i = 0; i < USERS; i++) {
		struct user user = { .address.ip = { 0, 0, htonl(0xffff), htonl(0x0a000000 + i) } };
		const struct upstream *a, *b;

		snprintf(user.id, sizeof(user.id), "user-%u", i);
		a = upstream_of(was, &user, i);
		b = upstream_of(is, &user, i);
		moved += !a || !b || strcmp(a->name, b->name) != 0;
	}
	return (double)moved / USERS;
}

static json_t *diff_splits(const struct model *before, const struct model *after,
			   const json_t *changed)
{
	json_t *list = json_array(), *olds = built(before), *news = built(after);
	const json_t *name;
	size_t i;

	json_array_foreach((json_t *)changed, i, name)
	{
		const struct route *was = route_in(olds, json_string_value(name));
		const struct route *is = route_in(news, json_string_value(name));
		double moves;

		if (!was || !is || was->action != ROUTE_UPSTREAM || is->action != ROUTE_UPSTREAM)
			continue;
		moves = users_moved(was, is);
		if (moves > 0)
			json_array_append_new(list,
					      json_pack("{s:s, s:f}", "route",
							json_string_value(name), "moves", moves));
	}
	json_decref(olds);
	json_decref(news);
	return list;
}

/* --- users of endpoints -------------------------------------------------------------------- */

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return addr_is(&a->address, &b->address) &&
	       (a->vpc ? a->vpc->vni : 0) == (b->vpc ? b->vpc->vni : 0);
}

static bool has_endpoint(const struct upstream *u, const struct endpoint *wanted)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		if (same_endpoint(&u->endpoints[i], wanted))
			return true;
	return false;
}

/* By cookies: those of endpoints that are no more, as many as their weights say. */
static double bound_moved(const struct upstream *was, const struct upstream *is)
{
	uint64_t all = 0, gone = 0;

	for (uint32_t i = 0; i < was->endpoint_count; i++) {
		all += was->endpoints[i].weight;
		gone += has_endpoint(is, &was->endpoints[i]) ? 0 : was->endpoints[i].weight;
	}
	return all ? (double)gone / (double)all : 0;
}

static double slots_of(const struct upstream *u, const struct upstream_ring *ring,
		       const struct endpoint *wanted)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ring->slots; i++)
		n += same_endpoint(&u->endpoints[ring->places[i]], wanted);
	return (double)n / ring->slots;
}

/* By hash: *out_must is what no ring could spare. */
static double hashed_moved(const struct upstream *was, const struct upstream_ring *a,
			   const struct upstream *is, const struct upstream_ring *b,
			   double *out_must)
{
	uint32_t moved = 0, most = a->slots > b->slots ? a->slots : b->slots;

	*out_must = 0;
	for (uint32_t i = 0; i < most; i++)
		moved += !same_endpoint(&was->endpoints[a->places[i % a->slots]],
					&is->endpoints[b->places[i % b->slots]]);
	for (uint32_t i = 0; i < is->endpoint_count; i++) {
		double gain =
			slots_of(is, b, &is->endpoints[i]) - slots_of(was, a, &is->endpoints[i]);

		*out_must += gain > 0 ? gain : 0;
	}
	return (double)moved / most;
}

static const struct upstream *upstream_named(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->upstream_count; i++)
		if (strcmp(m->upstreams[i].name, name) == 0)
			return &m->upstreams[i];
	return NULL;
}

static bool by_cookie(const struct upstream *u)
{
	return u->persistence.kind == PERSISTENCE_COOKIE ||
	       u->persistence.kind == PERSISTENCE_APPLICATION;
}

/* Nobody who is bound is known any more. */
static bool binds_otherwise(const struct upstream *was, const struct upstream *is)
{
	const struct persistence *a = &was->persistence, *b = &is->persistence;

	return by_cookie(was) && (a->kind != b->kind || strcmp(a->cookie, b->cookie) != 0);
}

static void diff_upstream(json_t *list, const struct snapshot *before, const struct upstream *was,
			  const struct snapshot *after, const struct upstream *is)
{
	const struct upstream_ring *a = &before->rings[was->index], *b = &after->rings[is->index];
	double moves = 0, must = 0;

	if (binds_otherwise(was, is))
		must = moves = 1;
	else if (by_cookie(was))
		must = moves = bound_moved(was, is);
	else if (a->slots > 0 && b->slots > 0)
		moves = hashed_moved(was, a, is, b, &must);
	if (moves > 0)
		json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "upstream", is->name,
						      "moves", moves, "must", must));
}

static json_t *diff_sticky(const struct snapshot *before, const struct snapshot *after)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < after->model->upstream_count; i++) {
		const struct upstream *is = &after->model->upstreams[i];
		const struct upstream *was = upstream_named(before->model, is->name);

		if (was)
			diff_upstream(list, before, was, after, is);
	}
	return list;
}

json_t *route_diff(const struct snapshot *before, const struct snapshot *after)
{
	json_t *details = json_array();
	json_t *routes = diff_written(before->model, after->model, details);
	json_t *splits =
		diff_splits(before->model, after->model, json_object_get(routes, "changed"));

	written_diff(details, before->model, after->model);
	return json_pack("{s:o, s:o, s:o, s:o}", "routes", routes, "splits", splits, "sticky",
			 diff_sticky(before, after), "details", details);
}
