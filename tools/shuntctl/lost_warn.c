#include "tools/shuntctl/lost_warn.h"

static bool uses(const struct route *route, const struct upstream *u)
{
	for (uint32_t i = 0; route->split && i < route->split->count; i++)
		if (route->split->shares[i].upstream == u && route->split->shares[i].weight > 0)
			return true;
	return route->action == ROUTE_UPSTREAM && !route->split && route->upstream == u;
}

/* Whether something that comes to the listener goes to the upstream. */
static bool leads_to(const struct listener *l, const struct upstream *u)
{
	for (uint32_t i = 0; l->routes && i < l->routes->count; i++)
		if (uses(&l->routes->routes[i], u))
			return true;
	for (uint32_t i = 0; i < l->sni_count; i++)
		if (l->sni[i].upstream == u)
			return true;
	return l->upstream == u;
}

static bool is_at(const struct vip *vip, const struct listener *l, const struct endpoint *e)
{
	for (uint32_t i = 0; i < vip->address_count; i++)
		if (addr_is_ip(&vip->addresses[i], &e->address) && !e->vpc &&
		    ntohs(e->address.port) == l->port)
			return true;
	return false;
}

static void circles(const struct model *model, const struct upstream *u, const struct endpoint *e,
		    struct warnings *out)
{
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++) {
			const struct listener *l = &model->vips[i].listeners[k];

			if (!l->forward && is_at(&model->vips[i], l, e) && leads_to(l, u))
				warnings_add(out,
					     "%s:%u: the endpoint %s of the upstream \"%s\" is the "
					     "listener %s:%u, which leads there: what goes there "
					     "comes back, again and again",
					     e->at.file, e->at.line, addr_print(&e->address).text,
					     u->name, model->vips[i].name, l->port);
		}
}

void lost_warn(const struct model *model, struct warnings *out)
{
	out->count = out->more = 0;
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];
		uint32_t weights = 0;

		for (uint32_t k = 0; k < u->endpoint_count; k++) {
			weights += u->endpoints[k].weight;
			circles(model, u, &u->endpoints[k], out);
		}
		if (u->endpoint_count > 0 && !weights && !u->has_names)
			warnings_add(out,
				     "%s:%u: no endpoint of the upstream \"%s\" has a weight above "
				     "0: all that is new gets 503",
				     u->at.file, u->at.line, u->name);
		if (u->failover && u->failover->endpoint_count == 0 && !u->failover->has_names)
			warnings_add(out,
				     "%s:%u: \"%s\", which stands in for the upstream \"%s\", has "
				     "no endpoint",
				     u->at.file, u->at.line, u->failover->name, u->name);
	}
}
