#include "userspace/snapshot/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "userspace/base/must.h"

/* The count is not the readers' business. */
struct counted {
	struct snapshot snapshot; /* first: a snapshot is its counted */
	atomic_uint refs;
	struct model *model;
};

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
	return s;
}

bool snapshot_secure(struct snapshot *s, bool strict, struct findings *findings)
{
	bool ok = true;

	for (uint32_t i = 0; i < s->model->listener_count; i++)
		if (s->listeners[i]->protocol == LISTENER_HTTPS) {
			s->servers[i] = tls_server_create(s->listeners[i], strict, findings);
			ok = ok && s->servers[i];
		}
	for (uint32_t i = 0; i < s->model->upstream_count; i++)
		if (s->model->upstreams[i].tls.used) {
			s->clients[i] =
				tls_client_create(&s->model->upstreams[i], strict, findings);
			ok = ok && s->clients[i];
		}
	return ok;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	struct counted *c = (struct counted *)snapshot;

	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
	struct counted *c = (struct counted *)snapshot;

	if (!snapshot || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < snapshot->model->listener_count; i++)
		tls_server_destroy(snapshot->servers[i]);
	for (uint32_t i = 0; i < snapshot->model->upstream_count; i++)
		tls_client_destroy(snapshot->clients[i]);
	free(snapshot->ids);
	free(snapshot->down);
	free(snapshot->servers);
	free(snapshot->clients);
	free(snapshot->listeners);
	free(snapshot->endpoints);
	model_destroy(c->model);
	free(c);
}
