#include "userspace/snapshot/snapshot.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/snapshot/compile_rings.h"

/* The count is not the readers' business. */
struct counted {
	struct snapshot snapshot; /* first: a snapshot is its counted */
	atomic_uint refs;
	struct model *model; /* NULL where of is not */
	struct snapshot *of; /* whose all but ids, orders and rings is; NULL: our own */
	struct endpoint_order *orders;
};

enum { MANY = 1638 }; /* endpoints: below, each has ten slots or more */

/* The same on every node, however it was started. */
static uint64_t endpoint_name(const struct endpoint *e)
{
	struct {
		struct addr address;
		uint32_t vni;
	} id;

	memset(&id, 0, sizeof(id)); /* padding is hashed too */
	id.address = e->address;
	id.vni = e->vpc ? e->vpc->vni : 0;
	return XXH3_64bits(&id, sizeof(id));
}

/* A prime. Another one moves nearly every key, so it hardly ever depends on how many there are. */
static uint32_t ring_slots(uint32_t endpoints)
{
	return endpoints <= MANY ? 16381 : 262139;
}

static void compile_places(struct upstream_ring *ring, const struct upstream *u,
			   const struct endpoint_order *orders, uint64_t seed)
{
	struct ring_member *members = must_alloc(u->endpoint_count * sizeof(*members));

	ring->slots = ring_slots(u->endpoint_count);
	ring->places = must_alloc(ring->slots * sizeof(ring->places[0]));
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		members[i] = (struct ring_member){ .name_hash = endpoint_name(&u->endpoints[i]),
						   .id = i,
						   .weight = orders[u->endpoints[i].index].weight };
	if (!compile_ring(members, u->endpoint_count, seed, ring->places, ring->slots))
		ring->slots = 0;
	free(members);
}

void snapshot_orders(const struct model *m, struct endpoint_order *out)
{
	for (uint32_t i = 0; i < m->upstream_count; i++)
		for (uint32_t k = 0; k < m->upstreams[i].endpoint_count; k++) {
			const struct endpoint *e = &m->upstreams[i].endpoints[k];

			out[e->index] = (struct endpoint_order){ e->weight, SERVICE_ON, false };
		}
}

bool snapshot_is_away(const struct snapshot *s, const struct endpoint *e)
{
	if (s->orders[e->index].service == SERVICE_ON)
		return false;
	for (uint32_t i = 0; i < s->model->endpoint_count; i++)
		if (s->orders[i].service == SERVICE_ON &&
		    addr_is(&s->endpoints[i]->address, &e->address) &&
		    s->endpoints[i]->vpc == e->vpc)
			return false;
	return true;
}

bool snapshot_is_over(const struct snapshot *s, const struct endpoint *e)
{
	if (!s->orders[e->index].over)
		return false;
	for (uint32_t i = 0; i < s->model->endpoint_count; i++)
		if (!s->orders[i].over && addr_is(&s->endpoints[i]->address, &e->address) &&
		    s->endpoints[i]->vpc == e->vpc)
			return false;
	return true;
}

/* NULL: as configured. The ring knows weights only: who is away comes back to his own keys. */
static void set_orders(struct counted *c, const struct endpoint_order *orders)
{
	struct snapshot *s = &c->snapshot;
	const struct model *m = s->model;

	c->orders = must_alloc(m->endpoint_count * sizeof(c->orders[0]));
	if (orders)
		memcpy(c->orders, orders, m->endpoint_count * sizeof(c->orders[0]));
	else
		snapshot_orders(m, c->orders);
	s->orders = c->orders;
	s->rings = must_alloc(m->upstream_count * sizeof(s->rings[0]));
	for (uint32_t i = 0; i < m->upstream_count; i++)
		if (m->upstreams[i].balance == BALANCE_MAGLEV ||
		    m->upstreams[i].persistence.kind == PERSISTENCE_HASH)
			compile_places(&s->rings[i], &m->upstreams[i], s->orders,
				       m->node.hash_seed);
}

struct snapshot *snapshot_reorder(struct snapshot *of, uint64_t number,
				  const struct endpoint_order *orders)
{
	struct counted *c = must_alloc(sizeof(*c)), *from = (struct counted *)of;

	atomic_init(&c->refs, 1);
	c->of = snapshot_ref(from->of ? from->of : of);
	c->snapshot = *of;
	c->snapshot.number = number;
	c->snapshot.tunnel = NULL;
	c->snapshot.tunnel_context = NULL;
	c->snapshot.ids = must_alloc(of->model->endpoint_count * sizeof(c->snapshot.ids[0]));
	set_orders(c, orders);
	return &c->snapshot;
}

struct snapshot *snapshot_create(struct model *model, uint64_t number)
{
	struct counted *c = must_alloc(sizeof(*c));
	struct snapshot *s = &c->snapshot;

	atomic_init(&c->refs, 1);
	c->model = model;
	s->number = number;
	s->model = model;
	s->listeners = must_alloc(model->listener_count * sizeof(s->listeners[0]));
	s->endpoints = must_alloc(model->endpoint_count * sizeof(s->endpoints[0]));
	s->ids = must_alloc(model->endpoint_count * sizeof(s->ids[0]));
	s->down = must_alloc(model->endpoint_count * sizeof(s->down[0]));
	s->servers = must_alloc(model->listener_count * sizeof(s->servers[0]));
	s->clients = must_alloc(model->upstream_count * sizeof(s->clients[0]));
	s->probers = must_alloc(model->upstream_count * sizeof(s->probers[0]));
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++) {
			const struct listener *l = &model->vips[i].listeners[k];

			s->listeners[l->index] = l;
		}
	for (uint32_t i = 0; i < model->upstream_count; i++)
		for (uint32_t k = 0; k < model->upstreams[i].endpoint_count; k++) {
			const struct endpoint *e = &model->upstreams[i].endpoints[k];

			s->endpoints[e->index] = e;
		}
	set_orders(c, NULL);
	s->tokens = must_alloc(model->upstream_count * sizeof(s->tokens[0]));
	return s;
}

/* True where there is nothing to do. */
static bool secure_client(const struct upstream_tls *tls, struct place at, bool strict,
			  struct findings *findings, struct tls_client **out_client)
{
	if (!tls->used)
		return true;
	*out_client = tls_client_create(tls, at, strict, findings);
	return *out_client;
}

static bool wants_tokens(const struct upstream *u)
{
	return u->persistence.kind == PERSISTENCE_COOKIE ||
	       u->persistence.kind == PERSISTENCE_APPLICATION;
}

bool snapshot_name_endpoints(struct snapshot *s, const char *state, struct err *err)
{
	struct token_keys keys = { .count = 0 };

	for (uint32_t i = 0; i < s->model->upstream_count; i++) {
		const struct upstream *u = &s->model->upstreams[i];

		if (!wants_tokens(u))
			continue;
		if (keys.count == 0 &&
		    !token_keys_load(s->model->node.persistence_keys, state, &keys, err))
			return false;
		s->tokens[i] = endpoint_tokens_create(u, &keys);
	}
	OPENSSL_cleanse(&keys, sizeof(keys));
	return true;
}

bool snapshot_secure(struct snapshot *s, bool strict, struct findings *findings)
{
	bool ok = true;

	for (uint32_t i = 0; i < s->model->listener_count; i++)
		if (s->listeners[i]->protocol == LISTENER_HTTPS) {
			s->servers[i] = tls_server_create(s->listeners[i], strict, findings);
			ok = ok && s->servers[i];
		}
	for (uint32_t i = 0; i < s->model->upstream_count; i++) {
		const struct upstream *u = &s->model->upstreams[i];

		ok &= secure_client(&u->tls, u->at, strict, findings, &s->clients[i]);
		ok &= secure_client(&u->health.tls, u->at, strict, findings, &s->probers[i]);
	}
	return ok;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	struct counted *c = (struct counted *)snapshot;

	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return snapshot;
}

static void free_own(struct counted *c)
{
	struct snapshot *s = &c->snapshot;

	for (uint32_t i = 0; i < s->model->upstream_count; i++)
		free(s->rings[i].places);
	free(s->rings);
	free(s->ids);
	free(c->orders);
}

static void free_shared(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->model->listener_count; i++)
		tls_server_destroy(s->servers[i]);
	for (uint32_t i = 0; i < s->model->upstream_count; i++) {
		tls_client_destroy(s->clients[i]);
		tls_client_destroy(s->probers[i]);
		endpoint_tokens_destroy(s->tokens[i]);
	}
	free(s->tokens);
	free(s->down);
	free(s->servers);
	free(s->clients);
	free(s->probers);
	free(s->listeners);
	free(s->endpoints);
}

void snapshot_unref(struct snapshot *snapshot)
{
	struct counted *c = (struct counted *)snapshot;

	if (!snapshot || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	free_own(c);
	if (c->of) {
		snapshot_unref(c->of);
	} else {
		free_shared(snapshot);
		model_destroy(c->model);
	}
	free(c);
}
