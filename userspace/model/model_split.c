/* split and sticky: several upstreams of one route. */
#include <ctype.h>
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

enum { SHARES_MAX = 16, WEIGHT_MAX = 1000000 };

static struct split *split_of(struct reading *r, struct route *route)
{
	if (!route->split)
		route->split = arena_take(r->arena, sizeof(*route->split));
	return route->split;
}

static void read_upstream(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	struct share *share = into;

	(void)key;
	share->upstream = building_upstream(building_of(r), value);
}

const struct key share_keys[] = {
	{ "upstream", read_upstream, .required = true },
	{ "weight", read_number, offsetof(struct share, weight), 0, WEIGHT_MAX, true },
	{ 0 },
};

void read_split(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct route *route = into;
	struct split *split = split_of(r, route);
	uint64_t weights = 0;

	(void)key;
	route->action = ROUTE_UPSTREAM;
	if (!schema_is(r, value, YAML_LIST, "a list of upstreams and weights"))
		return;
	if (value->count > SHARES_MAX) {
		finding(r, value->at, "expected at most %d upstreams, found %u", SHARES_MAX,
			value->count);
		return;
	}
	split->shares = arena_take(r->arena, value->count * sizeof(split->shares[0]));
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct share *share = &split->shares[split->count++];

		schema_read(r, share_keys, v, share);
		weights += share->weight;
		for (const struct share *other = split->shares; other < share; other++)
			if (share->upstream && other->upstream == share->upstream)
				finding(r, v->at,
					"the upstream \"%s\" is there twice; add their weights",
					share->upstream->name);
	}
	if (weights == 0 && r->findings->count == 0)
		finding(r, value->at,
			"expected an upstream with a weight above 0 in \"split\", found none");
}

static void read_name(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct split *split = into;
	bool header = strcmp(key->name, "header") == 0;
	char *name;

	if (value->kind != YAML_TEXT || !value->text[0] ||
	    !span_is_all(span_of(value->text), BYTE_TOKEN)) {
		finding(r, value->at, "expected the name of a %s, found %s", key->name,
			schema_found(value));
		return;
	}
	name = arena_text(r->arena, span_of(value->text));
	for (char *c = name; header && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	split->sticky = header ? STICKY_HEADER : STICKY_COOKIE;
	split->name = name;
}

static void read_client(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct split *split = into;
	bool client = false;

	read_bool(r, key, value, &client);
	split->sticky = client ? STICKY_CLIENT : STICKY_NONE;
}

const struct key sticky_keys[] = {
	{ "cookie", read_name },
	{ "header", read_name },
	{ "client", read_client },
	{ 0 },
};

void read_sticky(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct split *split = split_of(r, into);

	(void)key;
	schema_read(r, sticky_keys, value, split);
	if (value->kind == YAML_MAP && value->count != 1)
		finding(r, value->at, "expected one of cookie, header, client, found %s",
			schema_found_count(value->count));
}
