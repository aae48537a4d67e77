#include "userspace/control/layout.h"

#include <netinet/in.h>
#include <stdio.h>

#include "userspace/base/addr.h"
#include "userspace/dataplane/endpoint_ids.h"

/* Numbers of 64 bits do not fit JSON's. */
static json_t *hex(uint64_t n)
{
	return json_sprintf("%016llx", (unsigned long long)n);
}

static json_t *endpoints_of(const struct upstream *u)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];
		json_t *one = json_object();

		if (e->vpc)
			json_object_set_new(one, "name",
					    json_sprintf("%s in %s", addr_print(&e->address).text,
							 e->vpc->name));
		else
			json_object_set_new(one, "name", json_string(addr_print(&e->address).text));
		json_object_set_new(one, "identity", hex(endpoint_identity(e)));
		json_object_set_new(one, "weight", json_integer(e->weight));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *upstreams_of(const struct model *m)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < m->upstream_count; i++)
		json_object_set_new(all, m->upstreams[i].name, endpoints_of(&m->upstreams[i]));
	return all;
}

static json_t *listener_of(const struct listener *l)
{
	json_t *one = json_object(), *addresses = json_array();

	for (uint32_t i = 0; i < l->vip->address_count; i++)
		json_array_append_new(addresses,
				      json_string(addr_print(&l->vip->addresses[i]).text));
	json_object_set_new(one, "addresses", addresses);
	json_object_set_new(one, "protocol", json_string(listener_protocol_names[l->protocol]));
	if (l->upstream)
		json_object_set_new(one, "upstream", json_string(l->upstream->name));
	if (l->routes)
		json_object_set_new(one, "routes", json_string(l->routes->name));
	if (l->protocol != LISTENER_TCP && l->protocol != LISTENER_UDP)
		return one;
	json_object_set_new(one, "forward", json_integer(l->forward));
	json_object_set_new(one, "ring", json_integer(listener_ring(l)));
	if (l->affinity != AFFINITY_CONNECTION)
		json_object_set_new(one, "affinity", json_integer(l->affinity));
	return one;
}

/* By vip, port, and what carries it: a port may have a listener of each. */
static json_t *listeners_of(const struct model *m)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];
			char name[512];

			snprintf(name, sizeof(name), "%s:%u/%s", l->vip->name, l->port,
				 l->protocol == LISTENER_UDP ? "udp" : "tcp");
			json_object_set_new(all, name, listener_of(l));
		}
	return all;
}

/* What of clients an entry of a server name wants, and where they go. */
static json_t *entry_of(const struct sni_route *entry)
{
	json_t *protocols = json_array();

	for (uint32_t i = 0; i < entry->protocol_count; i++)
		json_array_append_new(protocols, json_string(entry->protocols[i]));
	return json_pack("{s:s, s:o}", "upstream", entry->upstream->name, "alpn", protocols);
}

/* Entries by listener and name. */
static json_t *server_names_of(const struct model *m)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];
			char name[1024];

			for (uint32_t n = 0; n < l->sni_count; n++) {
				snprintf(name, sizeof(name), "%s of %s:%u", l->sni[n].name,
					 l->vip->name, l->port);
				if (!json_object_get(all, name))
					json_object_set_new(all, name, json_array());
				json_array_append_new(json_object_get(all, name),
						      entry_of(&l->sni[n]));
			}
		}
	return all;
}

json_t *layout_of(const struct model *model)
{
	json_t *all = json_object();

	json_object_set_new(all, "hash_seed", hex(model->node.hash_seed));
	json_object_set_new(all, "listeners", listeners_of(model));
	json_object_set_new(all, "upstreams", upstreams_of(model));
	json_object_set_new(all, "server_names", server_names_of(model));
	return all;
}

char *layout_print(const struct model *model)
{
	json_t *all = layout_of(model);
	char *text = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(all);
	return text;
}
