/* Words and names: of enums, and of things that refer to one another. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

enum { HOST_BYTES_MAX = 253, VALUE_BYTES_MAX = 1024 };

const char *const listener_protocol_names[LISTENER_PROTOCOLS] = {
	[LISTENER_TCP] = "tcp",
	[LISTENER_UDP] = "udp",
	[LISTENER_HTTP] = "http",
	[LISTENER_HTTPS] = "https",
	[LISTENER_TLS_PASSTHROUGH] = "tls-passthrough",
	[LISTENER_TCP_PROXY] = "tcp-proxy",
};

uint32_t word_of(struct reading *r, const struct key *key, const struct yaml *value,
		 const char *const *names)
{
	char all[128] = "";
	size_t used = 0;

	for (uint32_t i = 0; names[i]; i++) {
		if (value->kind == YAML_TEXT && strcmp(value->text, names[i]) == 0)
			return i;
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "",
					 names[i]);
	}
	finding(r, value->at, "expected one of %s for \"%s\", found %s", all, key->name,
		schema_found(value));
	return UINT32_MAX;
}

void read_networks(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct network_list *list = into;
	struct network *networks;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of networks such as [10.0.0.0/8]"))
		return;
	networks = arena_take(r->arena, value->count * sizeof(*networks));
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct err err;

		if (v->kind != YAML_TEXT)
			finding(r, v->at, "expected a network such as 10.0.0.0/8, found %s",
				schema_found(v));
		else if (!network_parse(span_of(v->text), &networks[list->count++], &err))
			finding(r, v->at, "%s", err.text);
	}
	list->networks = networks;
}

void read_splice(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	static const char *const names[] = { "auto", "off", "connection", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum splice_policy *)into = (enum splice_policy)word;
}

bool may_set_field(const char *name)
{
	enum field_id id = field_identify(span_of(name));

	return name[0] && span_is_all(span_of(name), BYTE_TOKEN) && !field_is_hop(id) &&
	       id != FIELD_CONTENT_LENGTH && id != FIELD_HOST;
}

bool is_field_value(const struct yaml *value)
{
	return value->kind == YAML_TEXT && strlen(value->text) <= VALUE_BYTES_MAX &&
	       span_is_all(span_of(value->text), BYTE_VALUE);
}

static bool is_host(const char *text)
{
	size_t len = strlen(text);

	/* Those of requests are compared without a dot at their end. */
	if (len == 0 || len > HOST_BYTES_MAX || text[0] == '.' || text[len - 1] == '.' ||
	    strstr(text, ".."))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._:[]", *text))
			return false;
	return true;
}

const char *host_of(struct reading *r, const struct yaml *value, bool wildcard)
{
	const char *name = value->kind == YAML_TEXT ? value->text : "";
	char *lower;
	size_t i = 0;

	if (wildcard && strncmp(name, "*.", 2) == 0)
		name += 2;
	if (!is_host(name)) {
		finding(r, value->at,
			"expected a host such as www.example.com or \"*.example.com\", "
			"found %s",
			schema_found(value));
		return NULL;
	}
	while (value->text[i] && value->text[i] == span_lower(value->text[i]))
		i++;
	if (!value->text[i])
		return value->text; /* there are many */
	lower = arena_text(r->arena, span_of(value->text));
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return lower;
}

const char *server_name_of(struct reading *r, const struct yaml *value)
{
	const char *name = host_of(r, value, true);

	if (name && strpbrk(name, ":[]"))
		finding(r, value->at,
			"expected a server name of TLS (SNI), without port, found %s: no client "
			"asks for that",
			schema_found(value));
	return name;
}

static void no_such(struct reading *r, const struct yaml *name, const char *what,
		    const struct nearest *near)
{
	if (name->kind != YAML_TEXT)
		finding(r, name->at, "expected the name of %s, found %s", what, schema_found(name));
	else if (nearest_best(near))
		finding(r, name->at, "there is no %s \"%s\"; did you mean \"%s\"?", what,
			name->text, nearest_best(near));
	else
		finding(r, name->at, "there is no %s \"%s\"; add it or name another", what,
			name->text);
}

const struct upstream *building_upstream(struct building *b, const struct yaml *name)
{
	struct nearest near = { .to = name->kind == YAML_TEXT ? name->text : "" };

	for (uint32_t i = 0; i < b->model->upstream_count; i++)
		if (strcmp(b->model->upstreams[i].name, near.to) == 0)
			return &b->model->upstreams[i];
	/* Looking for what was meant takes longer than all else of a large configuration. */
	for (uint32_t i = 0; i < b->model->upstream_count; i++)
		nearest_try(&near, b->model->upstreams[i].name);
	no_such(&b->reading, name, "upstream", &near);
	return NULL;
}

const struct route_table *building_table(struct building *b, const struct yaml *name)
{
	struct nearest near = { .to = name->kind == YAML_TEXT ? name->text : "" };

	for (uint32_t i = 0; i < b->model->table_count; i++) {
		if (strcmp(b->model->tables[i].name, near.to) == 0)
			return &b->model->tables[i];
		nearest_try(&near, b->model->tables[i].name);
	}
	no_such(&b->reading, name, "table of routes", &near);
	return NULL;
}

const struct certificate *building_certificate(struct building *b, const struct yaml *name)
{
	struct nearest near = { .to = name->kind == YAML_TEXT ? name->text : "" };

	for (uint32_t i = 0; i < b->model->certificate_count; i++) {
		if (strcmp(b->model->certificates[i].name, near.to) == 0)
			return &b->model->certificates[i];
		nearest_try(&near, b->model->certificates[i].name);
	}
	no_such(&b->reading, name, "certificate", &near);
	return NULL;
}

const struct vpc *building_vpc(struct building *b, const struct yaml *name)
{
	struct nearest near = { .to = name->kind == YAML_TEXT ? name->text : "" };

	for (uint32_t i = 0; i < b->model->vpc_count; i++) {
		if (strcmp(b->model->vpcs[i].name, near.to) == 0)
			return &b->model->vpcs[i];
		nearest_try(&near, b->model->vpcs[i].name);
	}
	no_such(&b->reading, name, "vpc", &near);
	return NULL;
}
