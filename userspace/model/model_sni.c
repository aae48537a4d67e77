/* sni: of a tls-passthrough listener: upstreams by what a ClientHello says. */
#include <string.h>

#include "userspace/model/model_parts.h"
#include "userspace/route/sni_match.h"

static void read_protocol(struct reading *r, const struct yaml *value, struct sni_route *entry)
{
	if (value->kind != YAML_TEXT || !value->text[0] || strlen(value->text) > ALPN_BYTES_MAX) {
		finding(r, value->at,
			"expected a protocol of 1 to %d bytes such as h2 for \"alpn\", found %s",
			ALPN_BYTES_MAX, schema_found(value));
		return;
	}
	if (strchr(value->text, ','))
		finding(r, value->at,
			"\"%.64s\" would be one protocol; write several as a list such as "
			"[h2, http/1.1]",
			value->text);
	entry->protocols[entry->protocol_count++] = value->text;
}

static void read_protocols(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct sni_route *entry = into;
	bool list = value->kind == YAML_LIST;

	entry->protocols = arena_take(r->arena, SNI_PROTOCOLS_MAX * sizeof(entry->protocols[0]));
	if (!list)
		read_protocol(r, value, entry);
	else if (value->count == 0 || value->count > SNI_PROTOCOLS_MAX)
		finding(r, value->at, "expected 1 to %d protocols for \"%s\", found %u",
			SNI_PROTOCOLS_MAX, key->name, value->count);
	else
		for (const struct yaml *v = value->first; v; v = v->next)
			read_protocol(r, v, entry);
}

static void read_sni_upstream(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	(void)key;
	*(const struct upstream **)into = building_upstream(building_of(r), value);
}

const struct key sni_keys[] = {
	{ "alpn", read_protocols },
	{ "upstream", read_sni_upstream, offsetof(struct sni_route, upstream), .required = true },
	{ 0 },
};

/* Protocols that an entry before has, and what comes behind one for all. */
static void check_reached(struct reading *r, const struct sni_route *entries, uint32_t count)
{
	const struct sni_route *entry = &entries[count];

	for (uint32_t i = 0; i < count; i++) {
		if (!entries[i].protocols)
			finding(r, entry->at,
				"this can never match: an entry of \"%s\" before it (line %u) has "
				"no \"alpn\" and takes all of its clients",
				entry->name, entries[i].at.line);
		for (uint32_t k = 0; k < entries[i].protocol_count; k++)
			for (uint32_t n = 0; n < entry->protocol_count; n++)
				if (strcmp(entries[i].protocols[k], entry->protocols[n]) == 0)
					finding(r, entry->at,
						"an entry of \"%s\" before it (line %u) takes all "
						"clients that offer \"%.64s\"",
						entry->name, entries[i].at.line,
						entry->protocols[n]);
	}
}

static void check_twice(struct reading *r, const struct sni_route *entry)
{
	for (uint32_t i = 0; i < entry->protocol_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(entry->protocols[i], entry->protocols[k]) == 0)
				finding(r, entry->at, "the protocol \"%.64s\" is named twice",
					entry->protocols[i]);
}

static void read_entry(struct reading *r, const struct yaml *value, struct sni_route *entry)
{
	entry->at = value->at;
	if (value->kind == YAML_TEXT)
		entry->upstream = building_upstream(building_of(r), value);
	else
		schema_read(r, sni_keys, value, entry);
}

/* How many there are of one name; 0 where it may not have as many. */
static uint32_t entries_of(const struct yaml *value)
{
	return value->kind != YAML_LIST ? 1 : value->count <= SNI_ENTRIES_MAX ? value->count : 0;
}

static uint32_t read_entries(struct reading *r, const char *name, const struct yaml *value,
			     struct sni_route *entries)
{
	const struct yaml *one = value->kind == YAML_LIST ? value->first : value;
	uint32_t count = entries_of(value);

	if (count == 0)
		finding(r, value->at, "expected 1 to %d entries for \"%s\", found %u",
			SNI_ENTRIES_MAX, value->key, value->count);
	for (uint32_t i = 0; i < count; i++, one = one->next) {
		entries[i].name = name;
		read_entry(r, one, &entries[i]);
		check_twice(r, &entries[i]);
		check_reached(r, entries, i);
	}
	return count;
}

static bool has_capitals(const char *text)
{
	while (*text && *text == span_lower(*text))
		text++;
	return *text;
}

/* Names that are written alike are no YAML; in other letters they may be one all the same. */
static void check_name(struct reading *r, const struct listener *l, const struct yaml *value,
		       const char *name)
{
	for (uint32_t i = 0; i < l->sni_count; i++)
		if (strcmp(l->sni[i].name, name) == 0) {
			finding(r, value->key_at, "the server name \"%s\" is there twice (line %u)",
				name, l->sni[i].at.line);
			return;
		}
}

void read_server_names(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct listener *l = into;
	struct sni_route *entries;
	uint32_t room = 0;
	bool mixed = false;

	(void)key;
	if (!schema_is(r, value, YAML_MAP, "a map of server names and upstreams"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		room += entries_of(v);
		mixed = mixed || has_capitals(v->key);
	}
	entries = arena_take(r->arena, (room + 1) * sizeof(*entries));
	l->sni = entries;
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct yaml written = { .kind = YAML_TEXT, .at = v->key_at, .text = v->key };
		const char *name = server_name_of(r, &written);

		name = name ? name : v->key; /* it is refused by now */
		if (mixed)
			check_name(r, l, v, name);
		l->sni_count += read_entries(r, name, v, entries + l->sni_count);
	}
	sni_match_compile(r->arena, l);
}
