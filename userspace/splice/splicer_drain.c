/*
 * Splices to endpoints that are on their way out: of weight 0, or no more in the configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/splice/splicer_slots.h"

/* An endpoint; with no address its upstream. */
struct staying {
	char name[sizeof(((struct splice *)0)->name)]; /* as in the element: it may be cut */
	struct addr to;
	uint32_t vni;
	struct splicer_stay stay;
	uint32_t drain_ms; /* the upstream's */
};

static int compare(const void *a, const void *b)
{
	const struct staying *x = a, *y = b;
	int by_name = memcmp(x->name, y->name, sizeof(x->name));
	int by_address = memcmp(&x->to, &y->to, sizeof(x->to));

	if (by_name)
		return by_name;
	return by_address ? by_address : (x->vni > y->vni) - (x->vni < y->vni);
}

/* Endpoints that are one for a splice are one here, with all their weight; over is it if all are.
 */
static uint32_t merge(struct staying *all, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++)
		if (kept > 0 && compare(&all[kept - 1], &all[i]) == 0) {
			all[kept - 1].stay.weight |= all[i].stay.weight;
			all[kept - 1].stay.over &= all[i].stay.over;
		} else {
			all[kept++] = all[i];
		}
	return kept;
}

static void add(struct splicer *splicer, const struct upstream *u, const struct endpoint *e,
		const struct splicer_stay *stay)
{
	struct staying *at = &splicer->staying[splicer->staying_count++];

	strncpy(at->name, u->name, sizeof(at->name) - 1);
	at->drain_ms = u->drain_ms;
	if (!e)
		return;
	at->to = e->address;
	at->vni = e->vpc ? e->vpc->vni : 0;
	at->stay = *stay;
}

void splicer_follow(struct splicer *splicer, const struct model *model,
		    const struct splicer_stay *stays)
{
	free(splicer->staying);
	splicer->staying = must_alloc((model->upstream_count + model->endpoint_count + 1) *
				      sizeof(splicer->staying[0]));
	splicer->staying_count = 0;
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];

		add(splicer, u, NULL, NULL);
		for (uint32_t k = 0; k < u->endpoint_count; k++)
			add(splicer, u, &u->endpoints[k], &stays[u->endpoints[k].index]);
	}
	qsort(splicer->staying, splicer->staying_count, sizeof(splicer->staying[0]), compare);
	splicer->staying_count = merge(splicer->staying, splicer->staying_count);
	splicer->epoch++;
}

static const struct staying *find(const struct splicer *splicer, const struct staying *what)
{
	return bsearch(what, splicer->staying, splicer->staying_count, sizeof(*what), compare);
}

void slot_follow(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];
	struct staying what = { .vni = 0 };
	const struct staying *upstream, *endpoint;

	splicer->slots[i].epoch = splicer->epoch;
	if (splicer->epoch == 0)
		return; /* there is no configuration yet */
	memcpy(what.name, sp->name, sizeof(what.name) - 1);
	upstream = find(splicer, &what);
	what.to = slot_endpoint(sp);
	what.vni = sp->tunnel.vni;
	endpoint = find(splicer, &what);
	if (upstream) /* else as it was when the splice began */
		sp->drain_ms = upstream->drain_ms;
	if (endpoint && endpoint->stay.over)
		sp->drain_ms = 1; /* whatever its upstream says; 0 would be any time */
	if (endpoint && endpoint->stay.weight > 0)
		sp->drained_ms = 0;
	else if (sp->drained_ms == 0)
		sp->drained_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
}
