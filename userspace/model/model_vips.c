/* vips: and their listeners. */
#include <string.h>

#include "userspace/model/model_parts.h"

enum { STAGE_MS_MAX = 24 * 3600000, RATE_MOST = 1000000000, UDP_IDLE_MS_MAX = 3600000 };

static void read_protocol(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	static const char *const names[] = { "tcp",       "udp", "http", "https", "tls-passthrough",
					     "tcp-proxy", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum listener_protocol *)into = (enum listener_protocol)word;
}

static void read_port(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	uint32_t port = 0;

	read_number(r, key, value, &port);
	*(uint16_t *)into = (uint16_t)port;
}

static void read_table(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	(void)key;
	*(const struct route_table **)into = building_table(building_of(r), value);
}

static void read_upstream(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	(void)key;
	*(const struct upstream **)into = building_upstream(building_of(r), value);
}

static void read_forward(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = { "vxlan", "dsr", "nat", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum forward_mode *)into = (enum forward_mode)(FORWARD_VXLAN + word);
}

static void read_affinity(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	static const char *const names[] = { "connection", "client-address", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum affinity *)into = (enum affinity)word;
}

static bool is_prime(uint32_t n)
{
	for (uint32_t i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return true;
}

/* Each endpoint's walk over the ring must come by every slot: only with a prime it does. */
static void read_ring(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	uint32_t *ring = into;

	read_number(r, key, value, ring);
	while (*ring >= RING_MIN && *ring < RING_MAX && !is_prime(*ring))
		++*ring;
}

const struct key timeout_keys[] = {
	{ "head", read_duration, offsetof(struct timeouts, head_ms), 1, STAGE_MS_MAX },
	{ "idle", read_duration, offsetof(struct timeouts, idle_ms), 1, STAGE_MS_MAX },
	{ "body", read_duration, offsetof(struct timeouts, body_ms), 1, STAGE_MS_MAX },
	{ "response", read_duration, offsetof(struct timeouts, response_ms), 1, STAGE_MS_MAX },
	{ "request", read_duration, offsetof(struct timeouts, request_ms), 1, STAGE_MS_MAX },
	{ "total", read_duration, offsetof(struct timeouts, total_ms), 1, STAGE_MS_MAX },
	{ "tunnel", read_duration, offsetof(struct timeouts, tunnel_ms), 1, STAGE_MS_MAX },
	{ "tunnel_total", read_duration, offsetof(struct timeouts, tunnel_total_ms), 1,
	  STAGE_MS_MAX },
	{ "drain", read_duration, offsetof(struct timeouts, drain_ms), 1, STAGE_MS_MAX },
	{ "handshake", read_duration, offsetof(struct timeouts, handshake_ms), 1, STAGE_MS_MAX },
	{ "udp_idle", read_duration, offsetof(struct timeouts, udp_idle_ms), 0, UDP_IDLE_MS_MAX },
	{ 0 },
};

static const struct timeouts default_timeouts = {
	.head_ms = 10000,
	.idle_ms = 60000,
	.body_ms = 30000,
	.response_ms = 60000,
	.tunnel_ms = 3600000,
	.drain_ms = 10000,
	.handshake_ms = 10000,
	.udp_idle_ms = 60000,
};

static void read_timeouts(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	(void)key;
	schema_read(r, timeout_keys, value, into);
}

const struct key rate_keys[] = {
	{ "request", read_number, offsetof(struct rates, request), 0, RATE_MOST },
	{ "response", read_number, offsetof(struct rates, response), 0, RATE_MOST },
	{ "endpoint", read_number, offsetof(struct rates, endpoint), 0, RATE_MOST },
	{ "over", read_duration, offsetof(struct rates, over_ms), 1, STAGE_MS_MAX },
	{ 0 },
};

/* An endpoint may well have little to say, such as events; a client has asked for what it gets. */
static const struct rates default_rates = { .request = 100, .response = 100, .over_ms = 30000 };

static void read_rates(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	(void)key;
	schema_read(r, rate_keys, value, into);
}

const struct key quic_keys[] = {
	{ "config_id", read_number, offsetof(struct listener_quic, config_id), 0, QUIC_CONFIG_MAX },
	{ "server_id_bytes", read_number, offsetof(struct listener_quic, server_id_bytes), 1,
	  SERVER_ID_MAX, true },
	{ 0 },
};

static void read_quic(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct listener_quic *quic = into;

	(void)key;
	quic->given = true;
	schema_read(r, quic_keys, value, quic);
}

const struct key listener_keys[] = {
	{ "port", read_port, offsetof(struct listener, port), 1, 65535, true },
	{ "protocol", read_protocol, offsetof(struct listener, protocol), .required = true },
	{ "routes", read_table, offsetof(struct listener, routes) },
	{ "sni", read_server_names },
	{ "upstream", read_upstream, offsetof(struct listener, upstream) },
	{ "forward", read_forward, offsetof(struct listener, forward) },
	{ "ring", read_ring, offsetof(struct listener, ring), RING_MIN, RING_MAX },
	{ "quic", read_quic, offsetof(struct listener, quic) },
	{ "affinity", read_affinity, offsetof(struct listener, affinity) },
	{ "splice", read_splice, offsetof(struct listener, splice) },
	{ "splice_rate", read_size, offsetof(struct listener, splice_rates.all), SPLICE_RATE_LEAST,
	  SPLICE_RATE_MOST },
	{ "splice_rate_per_source", read_size, offsetof(struct listener, splice_rates.source),
	  SPLICE_RATE_LEAST, SPLICE_RATE_MOST },
	{ "proxy_protocol_from", read_networks, offsetof(struct listener, introducers) },
	{ "connections", read_number, offsetof(struct listener, connections), 1,
	  CONNECTIONS_LIMIT },
	{ "connections_per_source", read_number, offsetof(struct listener, connections_per_source),
	  1, 1000000 },
	{ "forwarded", read_forwarded, offsetof(struct listener, forwarded) },
	{ "requests", read_requests, offsetof(struct listener, requests) },
	{ "request_id", read_request_id, offsetof(struct listener, request_id) },
	{ "timeouts", read_timeouts, offsetof(struct listener, timeouts) },
	{ "rates", read_rates, offsetof(struct listener, rates) },
	{ "certificates", read_certificates, offsetof(struct listener, tls) },
	{ "tls", read_listener_tls, offsetof(struct listener, tls) },
	{ 0 },
};

static void read_listeners(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct vip *vip = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of listeners"))
		return;
	vip->listeners = arena_take(r->arena, value->count * sizeof(vip->listeners[0]));
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct listener *l = &vip->listeners[vip->listener_count++];

		l->vip = vip;
		l->at = v->at;
		l->index = building_of(r)->model->listener_count++;
		l->timeouts = default_timeouts;
		l->rates = default_rates;
		l->forwarded = default_forwarded;
		l->request_id = default_request_id;
		schema_read(r, listener_keys, v, l);
	}
}

static void read_addresses(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct vip *vip = into;

	if (!schema_is(r, value, YAML_LIST, "a list of addresses such as [203.0.113.10]"))
		return;
	if (value->count == 0)
		finding(r, value->at, "expected at least one address");
	vip->addresses = arena_take(r->arena, value->count * sizeof(vip->addresses[0]));
	for (const struct yaml *v = value->first; v; v = v->next)
		read_ip(r, key, v, &vip->addresses[vip->address_count++]);
}

static void read_ping(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "auto", "answer", "pass", "drop", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum ping_policy *)into = (enum ping_policy)word;
}

const struct key vip_keys[] = {
	{ "name", read_text, offsetof(struct vip, name), .required = true },
	{ "addresses", read_addresses, .required = true },
	{ "listeners", read_listeners, .required = true },
	{ "ping", read_ping, offsetof(struct vip, ping) },
	{ "guard", read_guard, offsetof(struct vip, guard) },
	{ 0 },
};

void build_vips(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_LIST, "a list of vips"))
		return;
	m->vips = arena_take(m->arena, section->count * sizeof(m->vips[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct vip *vip = &m->vips[m->vip_count++];

		vip->at = v->at;
		schema_read(&b->reading, vip_keys, v, vip);
	}
}
