#include <stdio.h>
#include <string.h>

#include "userspace/model/model_files.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/country.h"

#define MEMORY_LEAST (16ull << 20)
#define MEMORY_MOST  (1ull << 40)

enum {
	HANDSHAKES_USUAL = 1024,
	WORKERS_LIMIT = 64,
	PORT_FIRST = 20000,
	PORT_LAST = 29999,
	NAT_PORT_FIRST = 61000, /* above what the kernel gives to sockets by default */
	NAT_PORT_LAST = 65535,
	PORT_LOWEST = 1024
};

static void read_devices(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct node *node = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of devices such as [eth0]"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		if (v->kind != YAML_TEXT || strlen(v->text) == 0 || strlen(v->text) > 15)
			finding(r, v->at, "expected the name of a device, found %s",
				schema_found(v));
		else if (node->device_count == DEVICES_MAX)
			finding(r, v->at, "expected at most %d devices", DEVICES_MAX);
		else
			node->devices[node->device_count++] = v->text;
	}
}

static void read_addresses(struct reading *r, const struct key *key, const struct yaml *value,
			   struct addr out_list[SOURCES_MAX], uint32_t *out_count)
{
	if (!schema_is(r, value, YAML_LIST, "a list of addresses such as [192.0.2.10]"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		if (*out_count == SOURCES_MAX)
			finding(r, v->at, "expected at most %d addresses for \"%s\"", SOURCES_MAX,
				key->name);
		else
			read_ip(r, key, v, &out_list[(*out_count)++]);
	}
}

static void read_sources(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct node *node = into;

	read_addresses(r, key, value, node->sources, &node->source_count);
}

static void read_guests(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct node *node = into;

	node->guests_at = value->at;
	read_addresses(r, key, value, node->guests, &node->guest_count);
}

static void read_ports(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	uint16_t *range = into; /* first and last */
	unsigned first = 0, last = 0;
	char end;

	if (value->kind != YAML_TEXT ||
	    sscanf(value->text, "%5u-%5u%c", &first, &last, &end) != 2 || first < PORT_LOWEST ||
	    last > 65535 || first > last) {
		finding(r, value->at,
			"expected a range of ports above %d such as \"20000-29999\" for "
			"\"%s\", found %s",
			PORT_LOWEST - 1, key->name, schema_found(value));
		return;
	}
	range[0] = (uint16_t)first;
	range[1] = (uint16_t)last;
}

static void read_mode(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "auto", "native", "generic", "tc", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum node_mode *)into = (enum node_mode)word;
}

static void read_countries_file(struct reading *r, const struct key *key, const struct yaml *value,
				void *into)
{
	struct node *node = into;

	node->countries_at = value->at;
	read_path_text(r, key, value, &node->countries);
}

static void read_ticket_keys(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	struct node *node = into;

	node->tickets_at = value->at;
	read_path_text(r, key, value, &node->ticket_keys);
}

static void read_persistence_keys(struct reading *r, const struct key *key,
				  const struct yaml *value, void *into)
{
	struct node *node = into;

	node->persistence_at = value->at;
	read_path_text(r, key, value, &node->persistence_keys);
}

const struct key node_keys[] = {
	{ "name", read_text, offsetof(struct node, name) },
	{ "zone", read_text, offsetof(struct node, zone) },
	{ "devices", read_devices },
	{ "mode", read_mode, offsetof(struct node, mode) },
	{ "tunnel_address", read_ip, offsetof(struct node, tunnel_address) },
	{ "source_addresses", read_sources },
	{ "guest_addresses", read_guests },
	{ "workers", read_number, offsetof(struct node, workers), 1, WORKERS_LIMIT },
	{ "connections", read_number, offsetof(struct node, connections), 1, CONNECTIONS_LIMIT },
	{ "memory", read_size, offsetof(struct node, memory_bytes), MEMORY_LEAST, MEMORY_MOST },
	{ "handshakes", read_number, offsetof(struct node, handshakes), 1, HANDSHAKES_LIMIT },
	{ "flows", read_number, offsetof(struct node, flows), 1, FLOWS_LIMIT },
	{ "splices", read_number, offsetof(struct node, splices), 1, SPLICES_LIMIT },
	{ "hash_seed", read_long, offsetof(struct node, hash_seed), 0, UINT64_MAX },
	{ "splice_ports", read_ports, offsetof(struct node, splice_port_first) },
	{ "nat_ports", read_ports, offsetof(struct node, nat_port_first) },
	{ "guard", read_guard, offsetof(struct node, guard) },
	{ "ticket_keys", read_ticket_keys },
	{ "persistence_keys", read_persistence_keys },
	{ "countries", read_countries_file },
	{ 0 },
};

static void build_node(struct building *b, const struct yaml *section)
{
	struct node *node = &b->model->node;

	node->name = "shunt";
	node->splice_port_first = PORT_FIRST;
	node->splice_port_last = PORT_LAST;
	node->nat_port_first = NAT_PORT_FIRST;
	node->nat_port_last = NAT_PORT_LAST;
	node->handshakes = HANDSHAKES_USUAL;
	if (section)
		schema_read(&b->reading, node_keys, section, node);
}

static void section_is_known(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	(void)r, (void)key, (void)value, (void)into;
}

/* What the sections hold is read in build(): here only their names are judged. */
const struct key top_keys[] = {
	{ "node", section_is_known },         { "log", section_is_known },
	{ "dns", section_is_known },          { "vips", section_is_known },
	{ "routes", section_is_known },       { "upstreams", section_is_known },
	{ "vpcs", section_is_known },         { "tests", section_is_known },
	{ "certificates", section_is_known }, { 0 },
};

static void build(struct building *b, const struct yaml *root)
{
	schema_read(&b->reading, top_keys, root, b->model);
	if (root->kind != YAML_MAP)
		return;
	build_node(b, yaml_get(root, "node"));
	build_log(b, yaml_get(root, "log"));
	build_dns(b, yaml_get(root, "dns"));
	build_vpcs(b, yaml_get(root, "vpcs"));
	build_certificates(b, yaml_get(root, "certificates"));
	build_upstreams(b, yaml_get(root, "upstreams"));
	build_routes(b, yaml_get(root, "routes"));
	build_countries(b);
	build_vips(b, yaml_get(root, "vips"));
	build_tests(b, yaml_get(root, "tests"));
	if (b->reading.findings->count == 0)
		model_check(b);
}

static struct yaml_room room_create(void)
{
	return (struct yaml_room){ .nodes = arena_create(), .texts = arena_create() };
}

/* Takes what is in the room; root: NULL where the first finding says why. */
static struct model *load(const struct yaml_room *room, const struct yaml *root,
			  const struct model *before, const struct resolution *resolution,
			  struct findings *findings)
{
	struct building b = { .model = arena_take(room->texts, sizeof(struct model)),
			      .resolution = resolution,
			      .before = before };

	b.model->arena = room->texts;
	b.model->nodes = room->nodes;
	b.model->root = root;
	b.reading = (struct reading){ .arena = room->texts, .findings = findings, .context = &b };
	findings->count = root ? 0 : 1;
	if (root)
		build(&b, root);
	if (findings->count == 0)
		return b.model;
	model_destroy(b.model);
	return NULL;
}

struct model *model_load_text(const char *name, const char *text, size_t len,
			      struct findings *out_findings)
{
	struct yaml_room room = room_create();

	out_findings->more = 0;
	return load(&room,
		    yaml_parse(&room, arena_text(room.texts, span_of(name)), text, len,
			       &out_findings->list[0]),
		    NULL, NULL, out_findings);
}

struct model *model_load_resolved(const char *path, const struct resolution *resolution,
				  struct findings *out_findings)
{
	struct yaml_room room = room_create();
	struct model *model;

	out_findings->more = 0;
	model = load(&room, model_files_read(&room, path, &out_findings->list[0]), NULL, resolution,
		     out_findings);
	if (model)
		model->read = true;
	return model;
}

struct model *model_load(const char *path, struct findings *out_findings)
{
	return model_load_resolved(path, NULL, out_findings);
}

struct model *model_again(const struct model *model, const struct resolution *resolution,
			  struct findings *out_findings)
{
	struct yaml_room room = room_create();

	out_findings->more = 0;
	return load(&room, yaml_copy(&room, model->root), model, resolution, out_findings);
}

struct model *model_load_sources(const struct source *sources, uint32_t count,
				 struct findings *out_findings)
{
	struct yaml_room room = room_create();

	out_findings->more = 0;
	return load(&room, model_files_merge(&room, sources, count, &out_findings->list[0]), NULL,
		    NULL, out_findings);
}

void model_destroy(struct model *model)
{
	if (!model)
		return;
	model_forget_root(model);
	country_close(model->countries);
	arena_destroy(model->arena);
}

void model_forget_root(struct model *model)
{
	arena_destroy(model->nodes);
	model->nodes = NULL;
	model->root = NULL;
}
