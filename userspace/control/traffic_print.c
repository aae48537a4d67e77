#include "userspace/control/traffic_print.h"

#include <jansson.h>

static const char *const reason_names[COUNTERS] = {
#define X(name, text) [COUNT_##name] = #name,
	COUNTER_LIST(X)
#undef X
};

static const char *const protocol_names[LISTENER_PROTOCOLS] = {
	[LISTENER_TCP] = "tcp",
	[LISTENER_UDP] = "udp",
	[LISTENER_HTTP] = "http",
	[LISTENER_HTTPS] = "https",
	[LISTENER_TLS_PASSTHROUGH] = "tls-passthrough",
	[LISTENER_TCP_PROXY] = "tcp-proxy",
};

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void add_tally(json_t *to, const struct tally *t)
{
	json_object_set_new(to, "packets", number(t->packets));
	json_object_set_new(to, "bytes", number(t->bytes));
}

static json_t *reasons_of(const struct traffic *t)
{
	json_t *all = json_object();

	for (int i = 0; i < COUNTERS; i++) {
		json_t *one = json_object();

		add_tally(one, &t->reasons[i]);
		json_object_set_new(all, reason_names[i], one);
	}
	return all;
}

static json_t *vip_of(const struct traffic_vip *v)
{
	json_t *one = json_object();

	json_object_set_new(one, "vip", json_string(v->listener->vip->name));
	json_object_set_new(one, "address", json_string(addr_print(v->address).text));
	json_object_set_new(one, "port", json_integer(v->listener->port));
	json_object_set_new(one, "protocol", json_string(protocol_names[v->listener->protocol]));
	json_object_set_new(one, "tally", json_integer(v->tally));
	add_tally(one, &v->count.kept);
	json_object_set_new(one, "dropped_packets", number(v->count.dropped.packets));
	json_object_set_new(one, "dropped_bytes", number(v->count.dropped.bytes));
	return one;
}

static const char *upstream_of(const struct model *model, const struct endpoint *e)
{
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];

		if (e >= u->endpoints && e < u->endpoints + u->endpoint_count)
			return u->name;
	}
	return NULL;
}

static json_t *endpoint_of(const struct traffic_endpoint *e, const struct model *model)
{
	json_t *one = json_object();
	const char *upstream = upstream_of(model, e->endpoint);

	json_object_set_new(one, "upstream", upstream ? json_string(upstream) : json_null());
	json_object_set_new(one, "address", json_string(addr_print(&e->endpoint->address).text));
	json_object_set_new(one, "vpc",
			    e->endpoint->vpc ? json_string(e->endpoint->vpc->name) : json_null());
	json_object_set_new(one, "id", json_integer(e->id));
	add_tally(one, &e->count);
	return one;
}

char *traffic_print(const struct traffic *t, const struct model *model)
{
	json_t *all = json_object(), *vips = json_array(), *endpoints = json_array();
	char *text;

	for (uint32_t i = 0; i < t->vip_count; i++)
		json_array_append_new(vips, vip_of(&t->vips[i]));
	for (uint32_t i = 0; i < t->endpoint_count; i++)
		json_array_append_new(endpoints, endpoint_of(&t->endpoints[i], model));
	json_object_set_new(all, "at_ns", number(t->at_ns));
	json_object_set_new(all, "reasons", reasons_of(t));
	json_object_set_new(all, "vips", vips);
	json_object_set_new(all, "endpoints", endpoints);
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
}
