/* countries: of routes and the node: from which countries, and which database knows. */
#include "userspace/model/model_parts.h"
#include "userspace/route/country.h"

enum { COUNTRIES_MAX = 64 };

void read_countries(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct conditions *when = into;
	uint16_t *countries;

	(void)key;
	when->countries_at = value->at;
	if (!schema_is(r, value, YAML_LIST, "a list of countries such as [DE, FR, unknown]"))
		return;
	if (value->count > COUNTRIES_MAX) {
		finding(r, value->at, "expected at most %d countries, found %u", COUNTRIES_MAX,
			value->count);
		return;
	}
	countries = arena_take(r->arena, value->count * sizeof(*countries));
	for (const struct yaml *v = value->first; v; v = v->next)
		if (v->kind != YAML_TEXT ||
		    !country_parse(span_of(v->text), &countries[when->country_count++]))
			finding(r, v->at,
				"expected a country by ISO 3166-1 such as DE, or unknown, found %s",
				schema_found(v));
	when->countries = countries;
}

/* The first route that asks for countries; NULL: none does. */
static const struct conditions *first_asking(const struct model *m)
{
	for (uint32_t i = 0; i < m->table_count; i++)
		for (uint32_t k = 0; m->tables[i].asks_country && k < m->tables[i].count; k++)
			if (m->tables[i].routes[k].when &&
			    m->tables[i].routes[k].when->country_count > 0)
				return m->tables[i].routes[k].when;
	return NULL;
}

void build_countries(struct building *b)
{
	struct model *m = b->model;
	const struct conditions *asking = first_asking(m);
	struct err err;

	if (!m->node.countries) {
		if (asking)
			finding(&b->reading, asking->countries_at,
				"\"countries\" of routes need a database: \"countries: FILE.mmdb\" "
				"of the node");
		return;
	}
	m->countries = b->before && b->before->countries ? country_share(b->before->countries)
							 : country_open(m->node.countries, &err);
	if (!m->countries)
		finding(&b->reading, m->node.countries_at, "%s", err.text);
	for (uint32_t i = 0; i < m->table_count; i++)
		if (m->tables[i].asks_country)
			m->tables[i].countries = m->countries;
}
