/* vpcs: and upstreams: */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

enum { VNI_MAX = (1 << 24) - 1, WEIGHT_MAX = 1000, IDLE_MAX = 1024, CONNECT_MS_MAX = 60000 };
enum { DRAIN_MS_MAX = 86400000 };

const struct key vpc_keys[] = {
	{ "vni", read_number, offsetof(struct vpc, vni), 1, VNI_MAX, true },
	{ "source", read_ip, offsetof(struct vpc, source) },
	{ 0 },
};

void build_vpcs(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_MAP, "a map of vpcs by name"))
		return;
	m->vpcs = arena_take(m->arena, section->count * sizeof(m->vpcs[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct vpc *vpc = &m->vpcs[m->vpc_count++];

		vpc->name = v->key;
		vpc->at = v->key_at;
		schema_read(&b->reading, vpc_keys, v, vpc);
	}
}

static void read_mac(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	uint8_t mac[6];
	char end;

	if (value->kind == YAML_TEXT && strlen(value->text) == 17 &&
	    sscanf(value->text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) == 6)
		memcpy(into, mac, sizeof(mac));
	else
		finding(r, value->at,
			"expected a MAC address such as \"02:00:00:00:00:04\" for \"%s\", "
			"found %s",
			key->name, schema_found(value));
}

static void read_vpc(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	(void)key;
	*(const struct vpc **)into = building_vpc(building_of(r), value);
}

/* Two digits a byte, as many as the listener says. */
static void read_server_id(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct endpoint *e = into;
	const char *text = value->kind == YAML_TEXT ? value->text : "";
	size_t digits = strspn(text, "0123456789abcdefABCDEF");

	if (digits == 0 || digits % 2 || digits > 2 * SERVER_ID_MAX || text[digits]) {
		finding(r, value->at,
			"expected 1 to %d bytes in hexadecimal such as \"0a01\" for \"%s\", found "
			"%s",
			SERVER_ID_MAX, key->name, schema_found(value));
		return;
	}
	e->server_id_bytes = (uint32_t)digits / 2;
	for (uint32_t i = 0; i < e->server_id_bytes; i++)
		sscanf(text + (size_t)2 * i, "%2hhx", &e->server_id[i]);
}

const struct key endpoint_keys[] = {
	{ "address", read_endpoint_address },
	{ "srv", read_endpoint_srv },
	{ "weight", read_number, offsetof(struct endpoint, weight), 0, WEIGHT_MAX },
	{ "zone", read_text, offsetof(struct endpoint, zone) },
	{ "vpc", read_vpc, offsetof(struct endpoint, vpc) },
	{ "host", read_ip, offsetof(struct endpoint, host) },
	{ "mac", read_mac, offsetof(struct endpoint, mac) },
	{ "server_id", read_server_id },
	{ "priority", read_number, offsetof(struct endpoint, priority), 0, 15 },
	{ "max_requests", read_number, offsetof(struct endpoint, max_requests), 1, 1000000 },
	{ "max_connections", read_number, offsetof(struct endpoint, max_connections), 1, 1000000 },
	{ 0 },
};

/* "shunt", as the inner destination that a classic host's vxlan device should have. */
static const uint8_t default_mac[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x74 };

static void check_tunnel_keys(struct building *b, const struct yaml *value,
			      const struct endpoint *e)
{
	if (e->vpc && !yaml_get(value, "host"))
		finding(&b->reading, value->at,
			"an endpoint in a vpc needs \"host\": the vtep behind "
			"which it is");
	if (e->vpc && !yaml_get(value, "mac"))
		finding(&b->reading, value->at,
			"an endpoint in a vpc needs \"mac\": its address inside");
	if (e->name && (e->vpc || yaml_get(value, "host")))
		finding(&b->reading, value->at,
			"an endpoint that is behind a vtep needs an address: \"%s\" is a name",
			e->name);
}

static void read_endpoint(struct building *b, const struct yaml *value, struct endpoint *e)
{
	*e = (struct endpoint){ .at = value->at, .weight = 1 };
	memcpy(e->mac, default_mac, sizeof(e->mac));
	schema_read(&b->reading, endpoint_keys, value, e);
	if (value->kind != YAML_MAP)
		return;
	if (!yaml_get(value, "address") == !yaml_get(value, "srv"))
		finding(&b->reading, value->at,
			"expected one of \"address\" and \"srv\" for an endpoint, found %s",
			yaml_get(value, "srv") ? "both" : "none");
	check_tunnel_keys(b, value, e);
	if (!yaml_get(value, "host")) {
		e->host = e->address;
		e->host.port = 0;
	}
}

/* Those whose addresses are written come first, as names must not repeat them. */
static void read_endpoints(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct building *b = building_of(r);
	struct upstream *u = into;
	struct endpoint *all;
	uint32_t count = 0, most = 0;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of endpoints"))
		return;
	all = must_alloc(value->count * sizeof(*all));
	for (const struct yaml *v = value->first; v; v = v->next, count++) {
		read_endpoint(b, v, &all[count]);
		most += all[count].name ? endpoints_most(b, &all[count]) : 1;
	}
	u->endpoints = arena_take(r->arena, most * sizeof(*all));
	for (uint32_t i = 0; i < count; i++)
		if (!all[i].name) {
			all[i].index = b->model->endpoint_count++;
			u->endpoints[u->endpoint_count++] = all[i];
		}
	for (uint32_t i = 0; i < count; i++)
		if (all[i].name)
			endpoints_of_name(b, u, &all[i]);
	free(all);
}

static void read_balance(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = {
		[BALANCE_ROUND_ROBIN] = "round_robin",
		[BALANCE_MAGLEV] = "maglev",
		[BALANCE_LEAST_REQUEST] = "least_request",
		[BALANCE_RANDOM] = "random",
		[BALANCES] = NULL,
	};
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum balance *)into = (enum balance)word;
}

void read_request_key(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const struct {
		struct span word;
		bool named;
	} kinds[KEY_KINDS] = {
		[KEY_CLIENT] = { SPAN("client-address"), false },
		[KEY_HEADER] = { SPAN("header:"), true },
		[KEY_COOKIE] = { SPAN("cookie:"), true },
		[KEY_QUERY] = { SPAN("query:"), true },
		[KEY_PATH] = { SPAN("path"), false },
		[KEY_TLS_SESSION] = { SPAN("tls-session"), false },
	};
	struct span text = span_of(value->kind == YAML_TEXT ? value->text : "");
	struct request_key *out = into;

	for (int i = 0; i < KEY_KINDS; i++) {
		struct span name;

		if (!span_has_prefix(text, kinds[i].word))
			continue;
		name = span_after(text, kinds[i].word.len);
		if (kinds[i].named ? name.len == 0 || !span_is_all(name, BYTE_TOKEN) : name.len > 0)
			continue;
		*out = (struct request_key){ (enum request_key_kind)i, name.at };
		return;
	}
	finding(r, value->at,
		"expected client-address, tls-session, path, header:NAME, cookie:NAME or "
		"query:NAME for \"%s\", found %s",
		key->name, schema_found(value));
}

static void read_fail(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "open", "closed", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

static void read_proxy_protocol(struct reading *r, const struct key *key, const struct yaml *value,
				void *into)
{
	static const char *const names[] = { "none", "v1", "v2", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum proxy_protocol *)into = (enum proxy_protocol)word;
}

/* 0 is for ever, so that at once is soon. */
static void read_drain(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	uint32_t ms = 0;

	if (value->kind == YAML_TEXT && strcmp(value->text, "wait") == 0) {
		*(uint32_t *)into = 0;
		return;
	}
	if (value->kind != YAML_TEXT || value->text[0] < '0' || value->text[0] > '9') {
		finding(r, value->at, "expected wait, or a time such as 30s, for \"%s\", found %s",
			key->name, schema_found(value));
		return;
	}
	read_duration(r, key, value, &ms);
	*(uint32_t *)into = ms ? ms : 1;
}

const struct key upstream_keys[] = {
	{ "balance", read_balance, offsetof(struct upstream, balance) },
	{ "connect_timeout", read_duration, offsetof(struct upstream, connect_timeout_ms), 1,
	  CONNECT_MS_MAX },
	{ "idle_connections", read_number, offsetof(struct upstream, idle_connections), 0,
	  IDLE_MAX },
	{ "endpoints", read_endpoints, .required = true },
	{ "drain", read_drain, offsetof(struct upstream, drain_ms), 0, DRAIN_MS_MAX },
	{ "hash_on", read_request_key, offsetof(struct upstream, hash_on) },
	{ "slow_start", read_duration, offsetof(struct upstream, slow_start_ms), 0, 3600000 },
	{ "panic", read_number, offsetof(struct upstream, panic), 0, 100 },
	{ "eject", read_eject, offsetof(struct upstream, eject) },
	{ "breaker", read_breaker, offsetof(struct upstream, breaker) },
	{ "failover", read_failover },
	{ "zones", read_zones, offsetof(struct upstream, own_zone_first) },
	{ "overprovision", read_number, offsetof(struct upstream, overprovision), 100, 1000 },
	{ "queue", read_queue, offsetof(struct upstream, queue) },
	{ "sticky", NULL },
	{ "persistence", read_persistence, offsetof(struct upstream, persistence) },
	{ "health", read_health, offsetof(struct upstream, health) },
	{ "tls", read_upstream_tls, offsetof(struct upstream, tls) },
	{ "proxy_protocol", read_proxy_protocol, offsetof(struct upstream, proxy_protocol) },
	{ "fail", read_fail, offsetof(struct upstream, fail_closed) },
	{ 0 },
};

void build_upstreams(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_MAP, "a map of upstreams by name"))
		return;
	m->upstreams = arena_take(m->arena, section->count * sizeof(m->upstreams[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct upstream *u = &m->upstreams[m->upstream_count];

		u->name = v->key;
		u->at = v->key_at;
		u->index = m->upstream_count++;
		u->connect_timeout_ms = 3000;
		u->idle_connections = 64;
		u->overprovision = 140;
		schema_read(&b->reading, upstream_keys, v, u);
		settle_health(&b->reading, u);
		build_bounds(&b->reading, v, u);
	}
	build_failovers(b, section);
}
