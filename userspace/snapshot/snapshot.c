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
	free(snapshot->listeners);
	free(snapshot->endpoints);
	model_destroy(c->model);
	free(c);
}
