#include "userspace/control/health_way.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/dataplane/dataplane.h"

static const struct addr none;

const struct listener *health_way_listener(const struct fast_path *fast_path,
					   const struct snapshot *snapshot,
					   const struct upstream *upstream)
{
	for (uint32_t i = 0; fast_path && i < snapshot->model->listener_count; i++) {
		const struct listener *l = snapshot->listeners[i];

		if (l->upstream == upstream && l->forward != FORWARD_NONE)
			return l;
	}
	return NULL;
}

/* Ours of that family, else the vtep if it is; all zero: the kernel knows better. */
static struct addr source_for(const struct node *node, bool v4)
{
	for (uint32_t i = 0; i < node->source_count; i++)
		if (addr_is_v4(&node->sources[i]) == v4)
			return node->sources[i];
	if (addr_is_v4(&node->tunnel_address) == v4)
		return node->tunnel_address;
	return none;
}

/* One for which we have a source, as answers must find back. */
static const struct addr *vip_of(const struct node *node, const struct vip *vip)
{
	for (uint32_t i = 0; i < vip->address_count; i++) {
		struct addr source = source_for(node, addr_is_v4(&vip->addresses[i]));

		if (!addr_is_ip(&source, &none))
			return &vip->addresses[i];
	}
	return &vip->addresses[0];
}

bool health_way_find(struct fast_path *fast_path, const struct snapshot *snapshot,
		     const struct upstream *upstream, const struct endpoint *endpoint,
		     struct health_way *out_way, struct err *err)
{
	const struct listener *l = health_way_listener(fast_path, snapshot, upstream);
	const struct node *node = &snapshot->model->node;
	struct health_way way = { .to = endpoint->address, .host = endpoint->host };
	struct dataplane_way tunnel;

	if (!l && endpoint->vpc && !fast_path)
		return err_set(err, "it is in a vpc, which is reached on the fast path only");
	if (!l && endpoint->vpc) {
		/* As the proxy's own connections. */
		if (!fast_path_way(fast_path, endpoint, false, &tunnel, err))
			return false;
		way.tunnel = true;
		way.mark = tunnel.mark;
		way.ifindex = tunnel.ifindex;
		way.mtu = tunnel.mtu;
	}
	if (l) {
		if (!fast_path_way(fast_path, endpoint, l->forward == FORWARD_DSR, &tunnel, err))
			return false;
		way.to = *vip_of(node, l->vip);
		way.to.port = endpoint->address.port;
		way.tunnel = true;
		way.mark = tunnel.mark;
		way.ifindex = tunnel.ifindex;
		way.mtu = tunnel.mtu;
		if (addr_is_v4(&way.to))
			health_way_allow(way.ifindex);
	}
	if (upstream->health.port)
		way.to.port = htons((uint16_t)upstream->health.port);
	way.source =
		!l && endpoint->vpc ? endpoint->vpc->source : source_for(node, addr_is_v4(&way.to));
	*out_way = way;
	return true;
}

static int read_setting(const char *device, const char *name)
{
	char path[128], digit = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", device, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit - '0';
}

static bool write_setting(const char *device, const char *name, char digit)
{
	char path[128];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, &digit, 1) == 1;
	close(fd);
	return ok;
}

/* The larger of both is in effect. */
static bool is_strict(const char *device)
{
	int all = read_setting("all", "rp_filter"), own = read_setting(device, "rp_filter");

	return (all > own ? all : own) == 1;
}

void health_way_allow(uint32_t ifindex)
{
	static uint32_t done[16], count; /* a hint only: what is forgotten is done again */
	char device[IF_NAMESIZE];

	for (uint32_t i = 0; i < sizeof(done) / sizeof(done[0]); i++)
		if (done[i] == ifindex)
			return;
	done[count++ % (sizeof(done) / sizeof(done[0]))] = ifindex;
	if (!if_indextoname(ifindex, device))
		return;
	if (!read_setting(device, "accept_local") && !write_setting(device, "accept_local", '1'))
		log_line(LOG_WARNING,
			 "answers to health checks from %s will be dropped: `sysctl "
			 "net.ipv4.conf.%s.accept_local=1`",
			 device, device);
	if (is_strict(device))
		log_line(LOG_WARNING,
			 "answers to health checks from %s will be dropped, since rp_filter is "
			 "strict: `sysctl net.ipv4.conf.all.rp_filter=2 "
			 "net.ipv4.conf.%s.rp_filter=2`",
			 device, device);
}
