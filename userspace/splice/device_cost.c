#include "userspace/splice/device_cost.h"

#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/net/netlink.h"

enum {
	DEVICES_MAX = 64,    /* remembered; by index, a newer one takes the place of an older one */
	BELIEVED_MS = 10000, /* a device may be attached otherwise, or be another by then */
};

struct device_costs {
	pthread_mutex_t lock;
	struct netlink *netlink;
	struct {
		uint32_t ifindex;
		bool pays;
		uint64_t until_ms;
	} devices[DEVICES_MAX];
};

struct device_costs *device_costs_create(void)
{
	struct device_costs *costs;
	struct err ignored;
	struct netlink *netlink = netlink_open(&ignored);

	if (!netlink)
		return NULL;
	costs = must_alloc(sizeof(*costs));
	costs->netlink = netlink;
	pthread_mutex_init(&costs->lock, NULL);
	return costs;
}

void device_costs_destroy(struct device_costs *costs)
{
	if (!costs)
		return;
	netlink_close(costs->netlink);
	pthread_mutex_destroy(&costs->lock);
	free(costs);
}

/* What cannot be found out is taken for a NIC. */
static bool look(struct device_costs *costs, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct netlink_device device;

	if (bpf_xdp_query((int)ifindex, 0, &query) < 0)
		return true;
	if (query.attach_mode == XDP_ATTACHED_SKB)
		return false;
	if (query.attach_mode != XDP_ATTACHED_DRV)
		return true;
	return !netlink_device(costs->netlink, ifindex, &device) ||
	       strcmp(device.kind, "veth") != 0;
}

bool device_costs_pay(struct device_costs *costs, uint32_t ifindex, uint64_t now_ms)
{
	uint32_t i = ifindex % DEVICES_MAX;
	bool pays;

	if (!costs)
		return true;
	pthread_mutex_lock(&costs->lock);
	if (costs->devices[i].ifindex != ifindex || now_ms >= costs->devices[i].until_ms) {
		costs->devices[i].ifindex = ifindex;
		costs->devices[i].pays = look(costs, ifindex);
		costs->devices[i].until_ms = now_ms + BELIEVED_MS;
	}
	pays = costs->devices[i].pays;
	pthread_mutex_unlock(&costs->lock);
	return pays;
}
