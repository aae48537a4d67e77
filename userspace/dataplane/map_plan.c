#include "userspace/dataplane/map_plan.h"

#include "bpf/abi/flow.h"
#include "bpf/abi/splice.h"
#include "userspace/dataplane/mapped.h"

enum { FLOWS_USUAL = FLOW_BUCKETS * FLOW_WAYS, EVENT_BYTES_EACH = 16 };

_Static_assert((int)FLOWS_LIMIT == (int)FLOWS_MOST && (int)SPLICES_LIMIT == (int)SPLICES_MOST,
	       "the loader and the configuration take the same");
_Static_assert(FLOWS_LIMIT / FLOW_WAYS >= SPLICES_LIMIT, "each splice has two flow keys");

/* At least `least`, at most `most`; a power of two as they are. */
static uint32_t round_up(uint64_t wanted, uint32_t least, uint32_t most)
{
	uint32_t n = least;

	while (n < wanted && n < most)
		n *= 2;
	return n < most ? n : most;
}

static uint32_t between(uint64_t wanted, uint32_t least, uint32_t most)
{
	return wanted < least ? least : wanted < most ? (uint32_t)wanted : most;
}

static bool is_l4(const struct listener *l)
{
	return l->protocol == LISTENER_TCP || l->protocol == LISTENER_UDP;
}

static bool table_may_splice(const struct route_table *table)
{
	for (uint32_t i = 0; table && i < table->count; i++)
		if (table->routes[i].splice != SPLICE_OFF)
			return true;
	return false;
}

static bool may_splice(const struct listener *l)
{
	switch (l->protocol) {
	case LISTENER_HTTP:
		return table_may_splice(l->routes);
	case LISTENER_TLS_PASSTHROUGH:
	case LISTENER_TCP_PROXY:
		return l->splice != SPLICE_OFF;
	default: /* LISTENER_HTTPS: the kernel has no TLS of ours */
		return false;
	}
}

struct needs {
	uint32_t l4, splicing; /* listeners */
	uint64_t ring_lines;
	uint32_t rows, addresses, endpoints;
	bool guarded;
};

static struct needs needs_of(const struct model *model)
{
	struct needs n = { .addresses = model->node.source_count + model->node.guest_count + 1,
			   .endpoints = model->endpoint_count,
			   .guarded = model->node.guard.given };

	for (uint32_t i = 0; i < model->vip_count; i++) {
		const struct vip *vip = &model->vips[i];

		n.rows += vip->address_count * vip->listener_count;
		n.addresses += vip->address_count;
		n.guarded |= vip->guard.given;
		for (uint32_t k = 0; k < vip->listener_count; k++) {
			const struct listener *l = &vip->listeners[k];

			n.splicing += may_splice(l);
			n.l4 += is_l4(l);
			if (is_l4(l)) /* what it is, and what it was before */
				n.ring_lines +=
					2 * ((listener_ring(l) + RING_LINE - 1) / RING_LINE);
		}
	}
	return n;
}

static uint32_t splices_for(const struct model *model, const struct needs *n, bool splices)
{
	if (model->node.splices)
		return model->node.splices;
	return splices && n->splicing > 0 && model->node.source_count > 0 ? SPLICES_MAX
									  : SPLICES_LEAST;
}

/* Each splice has two keys: its table is half full at most. */
static uint32_t buckets_for(const struct model *model, const struct needs *n, uint32_t splices)
{
	uint64_t flows = model->node.flows;

	if (!flows)
		flows = n->l4 > 0 ? FLOWS_USUAL : 0;
	if (flows < (uint64_t)splices * FLOW_WAYS)
		flows = (uint64_t)splices * FLOW_WAYS;
	return round_up((flows + FLOW_WAYS - 1) / FLOW_WAYS, FLOW_BUCKETS_LEAST,
			FLOWS_LIMIT / FLOW_WAYS);
}

struct map_sizes map_plan(const struct model *model, bool splices)
{
	struct needs n = needs_of(model);
	struct map_sizes sizes;
	uint32_t *of = sizes.of;

	of[MAP_SIZE_SPLICES] = splices_for(model, &n, splices);
	of[MAP_SIZE_FLOWS] = buckets_for(model, &n, of[MAP_SIZE_SPLICES]);
	of[MAP_SIZE_EVENTS] = round_up((uint64_t)of[MAP_SIZE_SPLICES] * EVENT_BYTES_EACH,
				       EVENTS_BYTES_LEAST, EVENTS_BYTES);
	/* Twice, since they are written beside those that are in use. */
	of[MAP_SIZE_RING_LINES] = between(2 * 2 * n.ring_lines, RING_LINES_LEAST, RING_LINES_MAX);
	of[MAP_SIZE_ENDPOINTS] = between(2 * n.endpoints, ENDPOINTS_LEAST, ENDPOINTS_MAX);
	of[MAP_SIZE_ADDRS] = 2 * round_up(2 * 4 * n.addresses, ADDR_TABLE_LEAST, ADDR_TABLE);
	of[MAP_SIZE_VIPS] = 2 * round_up(2 * 4 * n.rows, VIP_TABLE_LEAST, VIP_TABLE);
	of[MAP_SIZE_GUARD_LINES] = n.guarded ? GUARD_LINES : GUARD_LINES_LEAST;
	return sizes;
}

bool map_plan_is_met(const struct model *model, const struct map_sizes *there, struct err *err)
{
	const struct node *node = &model->node;

	if (node->splices > there->of[MAP_SIZE_SPLICES])
		return err_set(err, "node.splices is %u, but there is room for %u" MAPS_GROW,
			       node->splices, there->of[MAP_SIZE_SPLICES]);
	if (node->flows > (uint64_t)there->of[MAP_SIZE_FLOWS] * FLOW_WAYS)
		return err_set(err, "node.flows is %u, but there is room for %u" MAPS_GROW,
			       node->flows, there->of[MAP_SIZE_FLOWS] * FLOW_WAYS);
	return true;
}

bool map_plan_lacks(const struct model *model, bool splices, const struct map_sizes *there,
		    struct err *out_what)
{
	static const struct {
		enum map_size size;
		const char *what;
	} rows[] = {
		{ MAP_SIZE_SPLICES, "spliced connections" },
		{ MAP_SIZE_FLOWS, "flows" },
	};
	struct map_sizes wanted = map_plan(model, splices);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wanted.of[rows[i].size] > there->of[rows[i].size]) {
			err_set(out_what,
				"the table of %s has 1/%u of the room that it should "
				"have" MAPS_GROW,
				rows[i].what, wanted.of[rows[i].size] / there->of[rows[i].size]);
			return true;
		}
	return false;
}
