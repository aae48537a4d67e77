#include "userspace/dataplane/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/sample.h"
#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/mapped.h"
#include "userspace/dataplane/pinned.h"
#include "userspace/dataplane/tallies.h"
#include "userspace/dataplane/vip_sync.h"
#include "userspace/net/conn.h"
#include "userspace/net/neighbour.h"
#include "userspace/net/netlink.h"

_Static_assert((int)SOURCES_MAX <= (int)NAT_SOURCES_MAX, "all may be used by forward: nat");

/* Seconds since the machine started, so that it goes on over a restart of ours; never 0. */
static uint32_t epoch_now(void)
{
	return (uint32_t)(clock_ns(CLOCK_BOOTTIME) / 1000000000u) + 1;
}

struct dataplane {
	struct pinned maps;
	struct neighbours *neighbours;
	struct netlink *netlink;
	struct vip_sync *vips;
	struct mapped mapped;
	bool held; /* another process is about to take our place */
};

/* Under the neighbours' lock. */
static void on_hop(void *context, uint32_t index, const struct hop *hop)
{
	struct dataplane *dp = context;
	struct next_hop entry = {
		.ifindex = hop->out, .ready = hop->ready, .vlan = hop->vlan, .mtu = hop->mtu
	};

	memcpy(entry.dst_mac, hop->dst_mac, sizeof(entry.dst_mac));
	memcpy(entry.src_mac, hop->src_mac, sizeof(entry.src_mac));
	memcpy(entry.via, hop->via.ip, sizeof(entry.via));
	if (bpf_map_update_elem(dp->maps.fds[PINNED_NEXT_HOPS], &index, &entry, BPF_ANY) < 0)
		log_line(LOG_ERROR, "cannot write next hop %u", index);
}

/* Splices that outlived the last daemon go on by the numbers that it gave. */
static void restore_hops(struct dataplane *dp)
{
	for (uint32_t i = 0; i < NEXT_HOPS_MAX; i++) {
		struct next_hop entry;
		struct addr via = { 0 };

		if (bpf_map_lookup_elem(dp->maps.fds[PINNED_NEXT_HOPS], &i, &entry) < 0 ||
		    !entry.ifindex)
			continue;
		memcpy(via.ip, entry.via, sizeof(via.ip));
		neighbours_restore(dp->neighbours, i, entry.ifindex, entry.vlan, &via);
	}
}

static struct dataplane *open_rest(const struct pinned *maps, struct err *err)
{
	struct dataplane *dp = must_alloc(sizeof(*dp));

	dp->maps = *maps;
	if (!mapped_open(&dp->mapped, &dp->maps, err))
		goto close_dataplane;
	dp->netlink = netlink_open(err);
	dp->neighbours = neighbours_create(NEXT_HOPS_MAX, on_hop, dp, err);
	if (!dp->netlink || !dp->neighbours)
		goto close_dataplane;
	restore_hops(dp);
	dp->vips = vip_sync_create(&dp->maps, &dp->mapped, dp->neighbours);
	return dp;

close_dataplane:
	dataplane_close(dp);
	return NULL;
}

struct dataplane *dataplane_open(const char *pin_dir, struct err *err)
{
	struct pinned maps;

	return pinned_open(&maps, pin_dir, err) ? open_rest(&maps, err) : NULL;
}

struct dataplane *dataplane_inherit(const int *fds, uint32_t count, struct err *err)
{
	struct pinned maps;

	return pinned_inherit(&maps, fds, count, err) ? open_rest(&maps, err) : NULL;
}

const int *dataplane_maps(const struct dataplane *dp, uint32_t *out_count)
{
	*out_count = PINNED_MAPS;
	return dp->maps.fds;
}

void dataplane_hold(struct dataplane *dp, bool hold)
{
	dp->held = hold;
	neighbours_hold(dp->neighbours, hold);
}

void dataplane_close(struct dataplane *dp)
{
	if (!dp)
		return;
	vip_sync_destroy(dp->vips);
	mapped_close(&dp->mapped);
	neighbours_destroy(dp->neighbours);
	netlink_close(dp->netlink);
	pinned_close(&dp->maps);
	free(dp);
}

/* By its hash every flow is found: with another seed none would be. */
static bool seed_is_kept(const struct settings *s, uint64_t seed, struct err *err)
{
	if (!s->buckets || s->hash_seed == seed)
		return true;
	return err_set(err, "node.hash_seed cannot change while the fast path is attached, because "
			    "all of its connections would be lost; `shunt-loader detach` first");
}

static void write_nat(struct settings *s, const struct node *node)
{
	s->nat_first = node->nat_port_first;
	s->nat_last = node->nat_port_last;
	s->nat_all = 0;
	for (int family = 0; family < 2; family++) {
		for (uint32_t i = 0; i < node->source_count; i++)
			if (addr_is_v4(&node->sources[i]) == (family == 0))
				memcpy(s->nat_sources[s->nat_all++], node->sources[i].ip,
				       sizeof(s->nat_sources[0]));
		if (family == 0)
			s->nat_v4 = s->nat_all;
	}
}

static bool write_settings(struct dataplane *dp, const struct snapshot *snapshot, uint32_t workers,
			   struct err *err)
{
	const struct node *node = &snapshot->model->node;
	struct settings *s = dp->mapped.settings;

	if (!seed_is_kept(s, node->hash_seed, err))
		return false;
	memcpy(s->tunnel, node->tunnel_address.ip, sizeof(s->tunnel));
	s->hash_seed = node->hash_seed;
	s->workers = workers;
	write_nat(s, node);
	if (!s->epoch)
		s->epoch = epoch_now();
	__atomic_store_n(&s->buckets, dp->mapped.sizes.of[MAP_SIZE_FLOWS], __ATOMIC_SEQ_CST);
	return true;
}

/* Who may send VXLAN to us: the hosts of all endpoints that are in a vpc. */
static bool add_vteps(struct dataplane *dp, const struct snapshot *snapshot, struct err *err)
{
	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++) {
		const struct endpoint *e = snapshot->endpoints[i];
		struct vtep_key key = { .vni = e->vpc ? e->vpc->vni : VXLAN_VNI_CLASSIC };
		uint8_t one = 1;

		memcpy(key.addr, e->host.ip, sizeof(key.addr));
		if (bpf_map_update_elem(dp->maps.fds[PINNED_VTEPS], &key, &one, BPF_ANY) < 0)
			return err_sys(err, "cannot write the map shunt_vteps");
	}
	return true;
}

static bool is_vtep(const struct snapshot *snapshot, const struct vtep_key *key)
{
	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++) {
		const struct endpoint *e = snapshot->endpoints[i];

		if (key->vni == (e->vpc ? e->vpc->vni : VXLAN_VNI_CLASSIC) &&
		    memcmp(key->addr, e->host.ip, sizeof(key->addr)) == 0)
			return true;
	}
	return false;
}

static void remove_vteps(struct dataplane *dp, const struct snapshot *snapshot)
{
	struct vtep_key key, next;
	int fd = dp->maps.fds[PINNED_VTEPS];
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	for (uint32_t n = 0; more && n < VTEPS_MAX; n++) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!is_vtep(snapshot, &key))
			bpf_map_delete_elem(fd, &key);
	}
}

static bool add_local_routes(struct dataplane *dp, const struct snapshot *snapshot, struct err *err)
{
	for (uint32_t i = 0; i < snapshot->model->vip_count; i++) {
		const struct vip *vip = &snapshot->model->vips[i];

		for (uint32_t k = 0; k < vip->address_count; k++)
			if (!netlink_local_route(dp->netlink, &vip->addresses[k], true, err))
				return false;
	}
	for (uint32_t i = 0; i < snapshot->model->vpc_count; i++)
		if (vpc_has_source(&snapshot->model->vpcs[i]) &&
		    !netlink_local_route(dp->netlink, &snapshot->model->vpcs[i].source, true, err))
			return false;
	return true;
}

static bool is_vip(const struct snapshot *snapshot, const struct addr *ip)
{
	for (uint32_t i = 0; i < snapshot->model->vip_count; i++)
		for (uint32_t k = 0; k < snapshot->model->vips[i].address_count; k++)
			if (addr_is_ip(&snapshot->model->vips[i].addresses[k], ip))
				return true;
	for (uint32_t i = 0; i < snapshot->model->vpc_count; i++)
		if (addr_is_ip(&snapshot->model->vpcs[i].source, ip))
			return true;
	return false;
}

/* What stays behind would make the stack answer for an address that is no vip any more. */
static void remove_local_routes(struct dataplane *dp, const struct snapshot *snapshot)
{
	struct addr *ours = must_alloc(VIPS_MAX * sizeof(*ours));
	uint32_t count = netlink_local_routes(dp->netlink, ours, VIPS_MAX);

	for (uint32_t i = 0; i < count; i++)
		if (!is_vip(snapshot, &ours[i]))
			netlink_local_route(dp->netlink, &ours[i], false, NULL);
	free(ours);
}

bool dataplane_apply(struct dataplane *dp, const struct snapshot *snapshot, uint32_t workers,
		     struct err *err)
{
	if (!write_settings(dp, snapshot, workers, err) || !add_vteps(dp, snapshot, err) ||
	    !add_local_routes(dp, snapshot, err) || !vip_sync_apply(dp->vips, snapshot, err))
		return false;
	remove_vteps(dp, snapshot);
	remove_local_routes(dp, snapshot);
	return true;
}

uint32_t dataplane_row(const struct dataplane *dp, const struct addr *address)
{
	return vip_sync_row(dp->vips, address);
}

bool dataplane_listener_set(struct dataplane *dp, uint32_t row, uint32_t worker, int fd,
			    struct err *err)
{
	uint32_t key = row * WORKERS_MAX + worker;
	uint64_t value = (uint64_t)fd;

	if (bpf_map_update_elem(dp->maps.fds[PINNED_LISTENERS], &key, &value, BPF_ANY) < 0)
		return err_sys(err, "cannot give a listener socket to sk_lookup");
	return true;
}

enum { WRAP_V4 = 50, WRAP_V6 = 70 }; /* as in bpf/lib/vxlan_headers.h */

bool dataplane_way(const struct dataplane *dp, const struct endpoint *endpoint, bool direct,
		   struct dataplane_way *out_way, struct err *err)
{
	uint32_t id = vip_sync_endpoint(dp->vips, endpoint);
	uint32_t wrap = direct ? 0 : addr_is_v4(&endpoint->host) ? WRAP_V4 : WRAP_V6, at;
	struct addr_text host = addr_print(&endpoint->host);
	struct next_hop hop;

	if (id == SAMPLE_NONE)
		return err_set(err, "no listener of packets has it");
	at = vip_sync_hop(dp->vips, id);
	if (at >= NEXT_HOPS_MAX ||
	    bpf_map_lookup_elem(dp->maps.fds[PINNED_NEXT_HOPS], &at, &hop) < 0)
		return err_set(err, "no route to its host %s", host.text);
	if (!hop.ready || hop.mtu <= wrap)
		return err_set(err, "the next hop towards its host %s does not answer", host.text);
	if (direct && memcmp(hop.via, endpoint->host.ip, sizeof(hop.via)) != 0)
		return err_set(err, "it is behind a router, where forward dsr cannot reach it");
	id |= PROBE_MARK | (direct ? PROBE_MARK_DIRECT : 0);
	*out_way = (struct dataplane_way){ id, neighbours_ifindex(dp->neighbours, at),
					   hop.mtu - wrap };
	return true;
}

/* Any thread: what it reads is there as long as the process, or has a lock of its own. */
static bool find_tunnel(void *context, const struct endpoint *to, uint32_t id,
			struct conn_tunnel *out_tunnel)
{
	uint32_t wrap = addr_is_v4(&to->host) ? WRAP_V4 : WRAP_V6, at;
	struct dataplane *dp = context;
	struct next_hop hop;
	bool ready;

	if (!id || !neighbours_find(dp->neighbours, &to->host, &at, &ready) || !ready ||
	    bpf_map_lookup_elem(dp->maps.fds[PINNED_NEXT_HOPS], &at, &hop) < 0 || hop.mtu <= wrap)
		return false;
	*out_tunnel = (struct conn_tunnel){ .host = to->host,
					    .vni = to->vpc->vni,
					    .mark = PROBE_MARK | id,
					    .ifindex = neighbours_ifindex(dp->neighbours, at),
					    .mtu = hop.mtu - wrap };
	memcpy(out_tunnel->mac, to->mac, sizeof(out_tunnel->mac));
	return true;
}

void dataplane_tunnels(struct dataplane *dp, struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++) {
		uint32_t id = SAMPLE_NONE;

		if (snapshot->endpoints[i]->vpc)
			id = vip_sync_endpoint(dp->vips, snapshot->endpoints[i]);
		snapshot->ids[i] = id == SAMPLE_NONE ? 0 : id;
	}
	snapshot->tunnel = find_tunnel;
	snapshot->tunnel_context = dp;
}

void dataplane_drain(struct dataplane *dp, const struct endpoint *endpoint, bool drain)
{
	uint32_t id = vip_sync_endpoint(dp->vips, endpoint);

	if (id != SAMPLE_NONE && !dp->held)
		vip_sync_drain(dp->vips, id, drain);
}

void dataplane_press(struct dataplane *dp, const struct addr *address, bool pressed)
{
	if (!dp->held)
		vip_sync_press(dp->vips, address, pressed);
}

void dataplane_counters(const struct dataplane *dp, uint64_t out_counts[COUNTERS])
{
	struct tally reasons[COUNTERS];

	tallies_reasons(&dp->maps, reasons);
	for (uint32_t which = 0; which < COUNTERS; which++)
		out_counts[which] = reasons[which].packets;
}

void dataplane_traffic(const struct dataplane *dp, const struct snapshot *snapshot,
		       struct traffic *out_traffic)
{
	tallies_read(&dp->maps, dp->vips, snapshot, out_traffic);
}

const struct map_sizes *dataplane_sizes(const struct dataplane *dp)
{
	return &dp->mapped.sizes;
}

struct splice *dataplane_splices(const struct dataplane *dp, uint32_t *out_count)
{
	*out_count = dp->mapped.sizes.of[MAP_SIZE_SPLICES];
	return dp->mapped.splices;
}

struct flow_table dataplane_flows(const struct dataplane *dp)
{
	return (struct flow_table){ dp->mapped.flows, dp->mapped.sizes.of[MAP_SIZE_FLOWS],
				    &dp->mapped.settings->hash_seed };
}

int dataplane_events_fd(const struct dataplane *dp)
{
	return dp->maps.fds[PINNED_EVENTS];
}

bool dataplane_next_hop(void *context, const struct addr *to, uint32_t *out_index)
{
	struct dataplane *dp = context;
	bool ready = false;

	return neighbours_find(dp->neighbours, to, out_index, &ready) && ready;
}

bool dataplane_next_hop_of(void *context, const struct addr *to, uint32_t *out_index,
			   bool *out_ready)
{
	struct dataplane *dp = context;

	return neighbours_find(dp->neighbours, to, out_index, out_ready);
}

uint32_t dataplane_device(void *context, uint32_t hop)
{
	struct dataplane *dp = context;

	return neighbours_ifindex(dp->neighbours, hop);
}

int dataplane_fd(const struct dataplane *dp)
{
	return neighbours_fd(dp->neighbours);
}

bool dataplane_dispatch(struct dataplane *dp)
{
	enum netlink_news news = neighbours_dispatch(dp->neighbours);

	if (news != NETLINK_QUIET)
		vip_sync_refresh(dp->vips);
	return news == NETLINK_ROUTES;
}

void dataplane_refresh(struct dataplane *dp)
{
	neighbours_refresh(dp->neighbours);
}

void dataplane_tick(struct dataplane *dp)
{
	if (!dp->held)
		vip_sync_tick(dp->vips, epoch_now());
}

bool dataplane_expects(void *context, const struct addr *address)
{
	const struct dataplane *dp = context;

	return vip_sync_expects(dp->vips, address);
}

bool dataplane_is_own(void *context, const struct addr *address)
{
	const struct dataplane *dp = context;

	return vip_sync_is_own(dp->vips, address);
}
