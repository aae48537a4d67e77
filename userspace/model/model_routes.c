/* routes: */
#include <ctype.h>
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/router.h"

/* Of a body, to be spliced: docs/splice.md says what it costs. */
#define THRESHOLD_LEAST ((uint64_t)4 << 10)
#define THRESHOLD_MOST  ((uint64_t)1 << 50)

uint32_t build_headers(struct reading *r, const struct yaml *value,
		       struct field_match **out_headers)
{
	uint32_t count = 0;

	if (!schema_is(r, value, YAML_MAP, "a map of fields and values"))
		return 0;
	*out_headers = arena_take(r->arena, value->count * sizeof(**out_headers));
	for (const struct yaml *v = value->first; v; v = v->next) {
		char *name = arena_text(r->arena, span_of(v->key));

		if (v->kind != YAML_TEXT || !name[0] || !span_is_all(span_of(name), BYTE_TOKEN)) {
			finding(r, v->key_at, "expected the name of a field and a text, found %s",
				schema_found(v));
			continue;
		}
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		(*out_headers)[count++] = (struct field_match){ name, v->text };
	}
	return count;
}

static void read_upstream(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	struct route *route = into;

	(void)key;
	route->action = ROUTE_UPSTREAM;
	route->upstream = building_upstream(building_of(r), value);
}

struct answer {
	uint32_t status;
	struct place_change place;
};

static void read_scheme(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	static const char *const words[] = { "http", "https", NULL };
	uint32_t word = word_of(r, key, value, words);

	if (word != UINT32_MAX)
		*(const char **)into = words[word];
}

static void read_place_host(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	struct answer *answer = into;

	read_new_host(r, key, value, &answer->place);
}

static void read_place_path(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	struct answer *answer = into;

	read_new_path(r, key, value, &answer->place);
}

const struct key redirect_keys[] = {
	{ "status", read_number, offsetof(struct answer, status), 301, 308 },
	{ "to", read_text, offsetof(struct answer, place.to), 0, 2048 },
	{ "scheme", read_scheme, offsetof(struct answer, place.scheme) },
	{ "host", read_place_host },
	{ "port", read_number, offsetof(struct answer, place.port), 1, 65535 },
	{ "path", read_place_path },
	{ 0 },
};

static void check_redirect(struct reading *r, const struct yaml *value,
			   const struct place_change *change)
{
	bool parts = change->scheme || change->host || change->port || change->path;

	if (change->to && parts)
		finding(r, value->at, "expected \"to\" alone, or parts of it");
	if (!change->to && !parts && value->kind == YAML_MAP)
		finding(r, value->at,
			"expected \"to\", or one of scheme, host, port, path, found none");
	if (change->to && !span_is_all(span_of(change->to), BYTE_VALUE))
		finding(r, value->at, "\"to\" has a control byte in it");
}

static void read_redirect(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	struct answer answer = { .status = 302 };
	struct place_change *change;
	struct route *route = into;

	(void)key;
	schema_read(r, redirect_keys, value, &answer);
	route->action = ROUTE_REDIRECT;
	if (answer.status > 303 && answer.status < 307)
		finding(r, value->at,
			"expected one of 301, 302, 303, 307, 308 for \"status\" of a redirect, "
			"found %u",
			answer.status);
	route->status = (uint16_t)answer.status;
	change = arena_take(r->arena, sizeof(*change));
	*change = answer.place;
	route->place = change;
	check_redirect(r, value, change);
}

static struct conduct *conduct_of(struct reading *r, struct route *route)
{
	if (!route->conduct)
		route->conduct = arena_take(r->arena, sizeof(*route->conduct));
	return route->conduct;
}

static void read_its_timeout(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	read_route_timeout(r, key, value, &conduct_of(r, into)->timeouts);
}

static void read_its_timeouts(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	read_route_timeouts(r, key, value, &conduct_of(r, into)->timeouts);
}

static void read_its_retry(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	read_retry(r, key, value, &conduct_of(r, into)->retry);
}

static void read_its_limits(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	read_limits(r, key, value, &conduct_of(r, into)->limits);
}

static void read_threshold(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	read_size(r, key, value, &conduct_of(r, into)->splice_threshold);
}

/* enum splice_policy is a bit-field of a route. */
static void read_its_splice(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	enum splice_policy policy = SPLICE_AUTO;

	read_splice(r, key, value, &policy);
	((struct route *)into)->splice = policy;
}

static struct splice_rates *rates_of(struct reading *r, struct route *route)
{
	struct conduct *conduct = conduct_of(r, route);

	if (!conduct->splice_rates)
		conduct->splice_rates = arena_take(r->arena, sizeof(*conduct->splice_rates));
	return conduct->splice_rates;
}

static void read_rate(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	read_size(r, key, value, &rates_of(r, into)->all);
}

static void read_source_rate(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	read_size(r, key, value, &rates_of(r, into)->source);
}

const struct key route_keys[] = {
	{ "name", read_text, offsetof(struct route, name), .required = true },
	{ "match", read_match },
	{ "upstream", read_upstream },
	{ "redirect", read_redirect },
	{ "respond", read_respond },
	{ "timeout", read_its_timeout },
	{ "timeouts", read_its_timeouts },
	{ "limits", read_its_limits },
	{ "splice", read_its_splice },
	{ "splice_rate", read_rate, 0, SPLICE_RATE_LEAST, SPLICE_RATE_MOST },
	{ "splice_rate_per_source", read_source_rate, 0, SPLICE_RATE_LEAST, SPLICE_RATE_MOST },
	{ "splice_threshold", read_threshold, 0, THRESHOLD_LEAST, THRESHOLD_MOST },
	{ "split", read_split },
	{ "sticky", read_sticky },
	{ "retry", read_its_retry },
	{ "filters", read_filters },
	{ 0 },
};

static void build_route(struct building *b, const struct yaml *value, struct route *route)
{
	static const char *const actions[] = { "upstream", "split", "redirect", "respond" };
	uint32_t count = 0;

	route->at = value->at;
	route->path = "";
	schema_read(&b->reading, route_keys, value, route);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		count += yaml_get(value, actions[i]) != NULL;
	if (value->kind == YAML_MAP && count != 1)
		finding(&b->reading, value->at,
			"expected one of upstream, split, redirect, respond in a route, "
			"found %s",
			schema_found_count(count));
	build_filters(&b->reading, route);
	if (yaml_get(value, "sticky") && !yaml_get(value, "split"))
		finding(&b->reading, value->at, "\"sticky\" is of use only with \"split\"");
}

static struct route *take_routes(struct arena *arena, uint32_t count)
{
	char *at = arena_take(arena, count * sizeof(struct route) + ROUTE_LINE - 1);

	return (void *)(((uintptr_t)at + ROUTE_LINE - 1) & ~(uintptr_t)(ROUTE_LINE - 1));
}

void build_routes(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_MAP, "a map of tables of routes"))
		return;
	m->tables = arena_take(m->arena, section->count * sizeof(m->tables[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct route_table *table = &m->tables[m->table_count++];

		table->name = v->key;
		table->at = v->key_at;
		if (!schema_is(&b->reading, v, YAML_LIST, "a list of routes"))
			continue;
		table->routes = take_routes(m->arena, v->count);
		for (const struct yaml *item = v->first; item; item = item->next) {
			struct route *route = &table->routes[table->count];

			route->order = table->count++ & INT32_MAX;
			build_route(b, item, route);
			build_limits(b, table, route);
		}
		if (b->reading.findings->count == 0)
			router_compile(m->arena, table);
	}
}
