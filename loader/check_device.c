#include "loader/check_device.h"

#include <bpf/libbpf.h>
#include <jansson.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/ethtool.h"
#include "loader/xdp_features.h"
#include "userspace/net/netlink.h"

enum {
	WRAP_V4 = 50,
	WRAP_V6 = 70,
	RTF_GATEWAY_UP = 0x0003,
};

static void look_at_link(struct netlink *nl, uint32_t ifindex, struct device_facts *d)
{
	struct netlink_device device, master;

	if (!netlink_device(nl, ifindex, &device))
		return;
	d->ethernet = device.ethernet;
	d->up = device.up;
	d->promiscuous = device.promiscuous;
	d->mtu = device.mtu;
	d->bond_mode = device.bond_mode;
	memcpy(d->kind, device.kind, sizeof(d->kind));
	if (strcmp(device.kind, "vlan") == 0)
		if_indextoname(device.lower, d->parent);
	if (device.master && if_indextoname(device.master, d->master) &&
	    netlink_device(nl, device.master, &master))
		memcpy(d->master_kind, master.kind, sizeof(d->master_kind));
}

static bool has_vlans(struct netlink *nl, uint32_t ifindex)
{
	struct if_nameindex *all = if_nameindex();
	struct netlink_device device;
	bool found = false;

	for (struct if_nameindex *i = all; i && i->if_index && !found; i++)
		found = netlink_device(nl, i->if_index, &device) && device.lower == ifindex &&
			strcmp(device.kind, "vlan") == 0;
	if (all)
		if_freenameindex(all);
	return found;
}

static void look_at_driver(struct device_facts *d)
{
	struct ethtool e;

	if (!ethtool_open(&e, d->name))
		return;
	d->lro = ethtool_feature(&e, "rx-lro");
	d->gro_hw = ethtool_feature(&e, "rx-gro-hw");
	d->gro = ethtool_feature(&e, "rx-gro");
	d->tx_checksum = ethtool_feature(&e, "tx-checksum-ip*");
	d->rx_vlan_offload = ethtool_feature(&e, "rx-vlan-hw-parse");
	ethtool_queues(&e, &d->queues, &d->queues_max, &d->queues_apart);
	d->rss_queues = ethtool_rss_queues(&e);
	d->udp_ports_known = ethtool_udp_hash(&e, &d->udp_ports_hashed);
	ethtool_close(&e);
}

static void look_at_xdp(uint32_t ifindex, struct device_facts *d)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint64_t features = 0;

	d->features_known = xdp_features(ifindex, &features);
	d->native = features & XDP_FEATURE_NATIVE;
	d->redirect_target = features & XDP_FEATURE_TARGET;
	if (bpf_xdp_query((int)ifindex, 0, &query) < 0)
		return;
	d->attached = query.prog_id != 0;
	d->attached_native = query.attach_mode == XDP_ATTACHED_DRV;
}

static uint32_t read_setting(const char *device)
{
	char path[128];
	unsigned value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", device);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%u", &value) != 1) /* NOLINT: a number of the kernel */
		value = 0;
	fclose(f);
	return value;
}

/* The default route of IPv4 out of this device. */
static bool find_gateway(const char *device, struct addr *out_gateway)
{
	char line[256], name[64];
	unsigned to, via, flags;
	bool found = false;
	FILE *f = fopen("/proc/net/route", "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %x %x %x", name, &to, &via, &flags) != 4 || to != 0 ||
		    strcmp(name, device) != 0 || (flags & RTF_GATEWAY_UP) != RTF_GATEWAY_UP)
			continue;
		*out_gateway = (struct addr){ .ip = { 0, 0, htonl(0xffff), via } };
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static void look_at_way(struct netlink *nl, uint32_t ifindex, struct device_facts *d)
{
	uint32_t all = read_setting("all"), own = read_setting(d->name);
	struct addr gateway;
	uint8_t mac[6];
	bool stale;

	d->rp_filter = all > own ? all : own; /* the larger holds */
	d->gateway_known = d->up;
	if (!find_gateway(d->name, &gateway))
		return;
	snprintf(d->gateway, sizeof(d->gateway), "%s", addr_print(&gateway).text);
	d->gateway_resolved = netlink_neighbour(nl, ifindex, &gateway, mac, &stale);
}

bool check_device(const char *device, const struct addr *tunnel,
		  struct check_findings *out_findings, struct err *err)
{
	uint32_t ifindex = if_nametoindex(device);
	struct device_facts d = { .name = device };
	struct netlink *nl;

	if (!ifindex)
		return err_set(err,
			       "there is no device \"%s\"; `ip link` lists those of this network "
			       "namespace",
			       device);
	nl = netlink_open(err);
	if (!nl)
		return false;
	if (tunnel)
		d.tunnel_bytes = addr_is_v4(tunnel) ? WRAP_V4 : WRAP_V6;
	d.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	look_at_link(nl, ifindex, &d);
	d.has_vlans = has_vlans(nl, ifindex);
	look_at_driver(&d);
	look_at_xdp(ifindex, &d);
	look_at_way(nl, ifindex, &d);
	netlink_close(nl);
	check_judge(&d, out_findings);
	return true;
}

void check_device_print(const char *device, const struct check_findings *findings, bool json)
{
	json_t *all = json_object(), *list = json_array();

	for (uint32_t i = 0; i < findings->count; i++) {
		const struct check_finding *f = &findings->list[i];
		const char *severity = f->severity == CHECK_BREAKS ? "breaks" : "advice";

		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "severity", severity,
						      "what", f->what, "mend", f->mend));
		if (!json)
			printf("%s: %s%s%s%s\n", severity, f->what, f->mend[0] ? "; `" : "",
			       f->mend, f->mend[0] ? "`" : "");
	}
	json_object_set_new(all, "device", json_string(device));
	json_object_set_new(all, "ok", json_boolean(!check_breaks(findings)));
	json_object_set_new(all, "findings", list);
	if (json) {
		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		puts("");
	} else if (!findings->count) {
		printf("%s: nothing is wrong\n", device);
	}
	json_decref(all);
}
