#include "tools/shuntctl/route_warn.h"

#include "tools/shuntctl/route_example.h"

#include <stdio.h>
#include <string.h>

#include "userspace/route/country.h"
#include "userspace/route/regex.h"
#include "userspace/route/router.h"

enum {
	BEFORE_MAX = 32, /* routes that one is compared with */
	TRIES_MAX = 64,  /* that are traced */
	MATCH_COST = 8,  /* of one step to a text that an expression matches, in looks at routes */
};

/* Routes that are looked at in all for these warnings: about a second. */
#define BUDGET 20000000ll

struct warning {
	const struct route_table *table;
	struct warnings *out;
	struct example_way way;
	long long budget; /* left; where a look-up tries every route of the place */
	uint32_t place_begin, place_end;
};

/* What the router says of it. Whether it is taken by takes, and whether other matches as well. */
static bool is_taken(const struct route_table *table, const struct route_example *example,
		     const struct route *takes, const struct route *other, bool *out_matches)
{
	struct route_try tries[TRIES_MAX];
	struct route_trace trace = { .tries = tries, .room = TRIES_MAX };
	struct route_request req = route_example_request(example);

	req.country = country_of(table->countries, req.client);
	req.trace = &trace;
	router_find(table, &req);
	*out_matches = false;
	for (uint32_t i = 0; i < trace.count; i++)
		*out_matches |= tries[i].route == other && tries[i].miss == MISS_NONE;
	return trace.taken == takes;
}

/* --- two of one host and path ------------------------------------------------------------- */

static bool text_is(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_place(const struct route *a, const struct route *b)
{
	return text_is(a->host, b->host) && a->path_kind == b->path_kind &&
	       a->path_kind != PATH_REGEX && text_is(a->path, b->path);
}

/* A request that the one takes and that the other does not match: no part of the other's. */
static bool has_own(struct warning *w, const struct route *mine, const struct route *other)
{
	struct route_example example;
	bool made = route_example_make(&example, w->way, mine, NULL, other), matches;

	w->budget -= (long long)example.spent * MATCH_COST;
	return made && is_taken(w->table, &example, mine, other, &matches) && !matches;
}

/* Where the one is but a narrower one, it is meant to be taken out of the other. */
static void compare(struct warning *w, const struct route *first, const struct route *later)
{
	struct route_example example;
	bool matches;

	if (w->budget <= 0 || !has_own(w, first, later) || !has_own(w, later, first) ||
	    !route_example_make(&example, w->way, first, later, NULL) ||
	    !is_taken(w->table, &example, first, later, &matches) || !matches)
		return;
	warnings_add(w->out,
		     "%s:%u: the route \"%s\" also matches what \"%s\" (line %u) takes before it, "
		     "such as %s",
		     later->at.file, later->at.line, later->name, first->name, first->at.line,
		     example.text);
}

static void check_place(struct warning *w, uint32_t at)
{
	const struct route *routes = w->table->routes;

	if (at >= w->place_end) {
		w->place_begin = at;
		for (w->place_end = at + 1; w->place_end < w->table->count &&
					    same_place(&routes[w->place_end], &routes[at]);)
			w->place_end++;
	}
	for (uint32_t k = at, n = 0; k > 0 && n < BEFORE_MAX; k--, n++) {
		if (!same_place(&routes[k - 1], &routes[at]))
			break;
		compare(w, &routes[k - 1], &routes[at]);
		w->budget -= 3ll * (w->place_end - w->place_begin);
	}
}

/* --- expressions behind prefixes ----------------------------------------------------------- */

static bool asks_for_nothing(const struct route *r)
{
	return r->method_count == 0 && r->header_count == 0 && !r->when;
}

/* Whether all that begins so is below the prefix. */
static bool is_below(struct span head, const struct route *r)
{
	size_t len = r->path_kind == PATH_PREFIX ? strlen(r->path) : 0;

	if (!asks_for_nothing(r) || (r->path_kind != PATH_PREFIX && r->path_kind != PATH_ANY))
		return false;
	return len == 0 ||
	       (head.len > len && head.at[len] == '/' && memcmp(head.at, r->path, len) == 0);
}

/* All prefixes of a host come before its expressions; most have few. */
static void check_regex(struct warning *w, uint32_t at, uint32_t host)
{
	const struct route *later = &w->table->routes[at];
	struct span head = regex_head(later->regex);
	struct route_example example;
	char path[REGEX_EXAMPLE_MAX];

	for (uint32_t k = host, n = 0; k < at && n < BEFORE_MAX; k++) {
		const struct route *r = &w->table->routes[k];

		n += r->path_kind != PATH_EXACT;
		if (!is_below(head, r) || !route_example_make(&example, w->way, r, NULL, NULL))
			continue;
		if (w->budget > 0 && regex_example(regex_text(later->regex), path, &example.spent))
			snprintf(example.path, sizeof(example.path), "%s", path);
		else if (head.len > 0)
			snprintf(example.path, sizeof(example.path), "%.*s", SPAN_ARG(head));
		w->budget -= (long long)example.spent * MATCH_COST;
		route_example_tell(&example);
		warnings_add(w->out,
			     "%s:%u: the route \"%s\" can never match: \"%s\" (line %u) takes all "
			     "that its expression may be, as prefixes come first (write \"%s\" "
			     "behind it, with the path { regex: \"%s%s\" }), such as %s",
			     later->at.file, later->at.line, later->name, r->name, r->at.line,
			     r->name, r->path ? r->path : "",
			     r->path && r->path[0] ? "(/.*)?" : "/.*", example.text);
		return;
	}
}

static void check_table(struct warning *w)
{
	uint32_t host = 0;

	for (uint32_t i = 0; i < w->table->count; i++) {
		const struct route *r = &w->table->routes[i];

		if (i > 0 && !text_is(r[-1].host, r->host))
			host = i;
		if (r->path_kind == PATH_REGEX)
			check_regex(w, i, host);
		else
			check_place(w, i);
	}
}

/* Of the first listener that has the list. */
static struct example_way way_of(const struct model *m, const struct route_table *table)
{
	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];

			if (l->routes == table)
				return (struct example_way){ l->protocol == LISTENER_HTTPS,
							     l->port };
		}
	return (struct example_way){ 0 };
}

void route_warn(const struct model *model, struct warnings *out)
{
	out->count = out->more = 0;
	for (uint32_t i = 0; i < model->table_count; i++)
		check_table(&(struct warning){ .table = &model->tables[i],
					       .out = out,
					       .way = way_of(model, &model->tables[i]),
					       .budget = BUDGET });
}
