#include "userspace/net/neighbour.h"

#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"

struct neighbours {
	pthread_mutex_t lock;
	struct netlink *ask, *watch;
	void (*on_hop)(void *context, uint32_t index, const struct hop *hop);
	void *context;
	uint32_t count, max;
	bool held;
	struct hop hops[];
};

struct neighbours *neighbours_create(uint32_t hops_max,
				     void (*on_hop)(void *context, uint32_t index,
						    const struct hop *hop),
				     void *context, struct err *err)
{
	struct neighbours *n = must_alloc(sizeof(*n) + hops_max * sizeof(n->hops[0]));

	pthread_mutex_init(&n->lock, NULL);
	n->max = hops_max;
	n->on_hop = on_hop;
	n->context = context;
	n->ask = netlink_open(err);
	n->watch = n->ask ? netlink_watch(err) : NULL;
	if (n->watch)
		return n;
	neighbours_destroy(n);
	return NULL;
}

void neighbours_destroy(struct neighbours *n)
{
	if (!n)
		return;
	netlink_close(n->ask);
	netlink_close(n->watch);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* Under the lock. A hop that was ready stays so while its neighbour is being asked again. */
static void resolve(struct neighbours *n, uint32_t index)
{
	struct hop *hop = &n->hops[index];
	struct hop now = *hop;
	struct netlink_device device;
	bool stale = false;

	now.out = hop->ifindex;
	now.vlan = 0;
	if (!netlink_device(n->ask, hop->ifindex, &device) || !device.ethernet) {
		now.ready = false;
	} else {
		memcpy(now.src_mac, device.mac, sizeof(now.src_mac));
		if (device.vlan && device.lower) { /* XDP sends by the trunk, with the tag */
			now.out = device.lower;
			now.vlan = device.vlan;
		}
		now.mtu = device.mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)device.mtu;
		now.ready = netlink_neighbour(n->ask, hop->ifindex, &hop->via, now.dst_mac, &stale);
		if (!now.ready || stale)
			netlink_probe(n->ask, hop->ifindex, &hop->via);
	}
	if (memcmp(&now, hop, sizeof(now)) == 0)
		return;
	*hop = now;
	n->on_hop(n->context, index, hop);
}

static uint32_t index_of(struct neighbours *n, const struct netlink_route *route)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (n->hops[i].ifindex == route->ifindex &&
		    addr_is_ip(&n->hops[i].via, &route->via))
			return i;
	if (n->count == n->max || n->held)
		return UINT32_MAX;
	n->hops[n->count].ifindex = route->ifindex;
	n->hops[n->count].via = route->via;
	return n->count++;
}

/* The device by which the kernel knows that tag; the trunk itself without one. Under the lock. */
static uint32_t behind_tag(struct neighbours *n, uint32_t out, uint16_t vlan)
{
	struct if_nameindex *all = vlan ? if_nameindex() : NULL;
	struct netlink_device device;
	uint32_t found = out;

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		if (netlink_device(n->ask, i->if_index, &device) && device.lower == out &&
		    device.vlan == vlan)
			found = i->if_index;
	if (all)
		if_freenameindex(all);
	return found;
}

bool neighbours_restore(struct neighbours *n, uint32_t index, uint32_t out, uint16_t vlan,
			const struct addr *via)
{
	if (index >= n->max || n->hops[index].ifindex)
		return false;
	pthread_mutex_lock(&n->lock);
	n->hops[index].ifindex = behind_tag(n, out, vlan);
	n->hops[index].via = *via;
	if (n->count <= index)
		n->count = index + 1;
	resolve(n, index);
	pthread_mutex_unlock(&n->lock);
	return true;
}

bool neighbours_find(struct neighbours *n, const struct addr *to, uint32_t *out_index,
		     bool *out_ready)
{
	struct netlink_route route;
	uint32_t index = UINT32_MAX;

	pthread_mutex_lock(&n->lock);
	if (netlink_route(n->ask, to, &route)) {
		index = index_of(n, &route);
		if (index != UINT32_MAX && !n->hops[index].ready)
			resolve(n, index);
	}
	if (index != UINT32_MAX) {
		*out_index = index;
		*out_ready = n->hops[index].ready;
	}
	pthread_mutex_unlock(&n->lock);
	return index != UINT32_MAX;
}

void neighbours_hold(struct neighbours *n, bool hold)
{
	pthread_mutex_lock(&n->lock);
	n->held = hold;
	pthread_mutex_unlock(&n->lock);
}

uint32_t neighbours_ifindex(struct neighbours *n, uint32_t index)
{
	uint32_t ifindex;

	pthread_mutex_lock(&n->lock);
	ifindex = index < n->count ? n->hops[index].ifindex : 0;
	pthread_mutex_unlock(&n->lock);
	return ifindex;
}

int neighbours_fd(const struct neighbours *n)
{
	return netlink_fd(n->watch);
}

void neighbours_refresh(struct neighbours *n)
{
	pthread_mutex_lock(&n->lock);
	for (uint32_t i = 0; i < n->count; i++)
		if (n->hops[i].ifindex)
			resolve(n, i);
	pthread_mutex_unlock(&n->lock);
}

enum netlink_news neighbours_dispatch(struct neighbours *n)
{
	enum netlink_news news = netlink_drain(n->watch);

	if (news != NETLINK_QUIET)
		neighbours_refresh(n);
	return news;
}
