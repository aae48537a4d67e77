#include "loader/check_judge.h"

#include <linux/if_bonding.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	/* A page, less XDP's headroom, what the kernel puts behind a frame, Ethernet and two tags.
	 */
	MTU_ONE_BUFFER = 4096 - 256 - 320 - 22,
	MTU_CLIENT = 1500,
	MTU_LEAST = 1280, /* RFC 8200, 5 */
};

/* mend: the command, "" where none does it. */
__attribute__((format(printf, 4, 5))) static void find(struct check_findings *all,
						       enum check_severity severity,
						       const char *mend, const char *fmt, ...)
{
	struct check_finding *f = &all->list[all->count];
	va_list args;

	if (all->count == FINDINGS_MAX)
		return;
	all->count++;
	f->severity = severity;
	snprintf(f->mend, sizeof(f->mend), "%s", mend);
	va_start(args, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, args);
	va_end(args);
}

struct mend {
	char text[FINDING_TEXT_MAX];
};

__attribute__((format(printf, 1, 2))) static struct mend mend(const char *fmt, ...)
{
	struct mend m;
	va_list args;

	va_start(args, fmt);
	vsnprintf(m.text, sizeof(m.text), fmt, args);
	va_end(args);
	return m;
}

static void judge_link(const struct device_facts *d, struct check_findings *all)
{
	if (!d->ethernet)
		find(all, CHECK_BREAKS, "", "%s is no Ethernet device, its packets are not read",
		     d->name);
	if (!d->up)
		find(all, CHECK_BREAKS, mend("ip link set dev %s up", d->name).text, "%s is down",
		     d->name);
	if (strcmp(d->master_kind, "bond") == 0)
		find(all, CHECK_BREAKS, mend("shunt-loader attach --dev %s", d->master).text,
		     "%s is part of the bond %s, which takes XDP for all its parts", d->name,
		     d->master);
	else if (d->master[0])
		find(all, CHECK_ADVICE, "",
		     "%s is a port of %s: what is forwarded here does not pass through that",
		     d->name, d->master);
	if (strcmp(d->kind, "vlan") == 0)
		find(all, CHECK_ADVICE, mend("shunt-loader attach --dev %s", d->parent).text,
		     "%s is a VLAN of %s: attached there, tags are read and written and XDP may be "
		     "native",
		     d->name, d->parent);
	if (d->promiscuous)
		find(all, CHECK_ADVICE, mend("ip link set dev %s promisc off", d->name).text,
		     "%s is promiscuous: frames for other hosts are looked at too", d->name);
}

static void judge_offloads(const struct device_facts *d, struct check_findings *all)
{
	if (d->lro)
		find(all, CHECK_BREAKS, mend("ethtool -K %s lro off", d->name).text,
		     "LRO is on: packets are merged to ones that cannot be forwarded");
	if (d->gro_hw)
		find(all, CHECK_BREAKS, mend("ethtool -K %s rx-gro-hw off", d->name).text,
		     "GRO in hardware is on: packets are merged before XDP sees them");
	if (strcmp(d->kind, "veth") == 0 && d->tx_checksum)
		find(all, CHECK_BREAKS, mend("ethtool -K %s tx off", d->name).text,
		     "veth hands over packets without their checksum: for XDP it must be off at "
		     "both "
		     "ends, else attach with --mode tc");
	if (d->has_vlans && d->rx_vlan_offload)
		find(all, CHECK_BREAKS, mend("ethtool -K %s rxvlan off", d->name).text,
		     "tags are taken off before XDP sees them, but %s has VLANs", d->name);
}

static void judge_mtu(const struct device_facts *d, struct check_findings *all)
{
	if (d->mtu > MTU_ONE_BUFFER)
		find(all, CHECK_BREAKS,
		     mend("ip link set dev %s mtu %d", d->name, MTU_ONE_BUFFER).text,
		     "an MTU of %u does not fit one buffer, of which XDP has %d bytes", d->mtu,
		     MTU_ONE_BUFFER);
	if (!d->tunnel_bytes)
		return;
	if (d->mtu < MTU_LEAST + d->tunnel_bytes)
		find(all, CHECK_BREAKS,
		     mend("ip link set dev %s mtu %u", d->name, MTU_CLIENT + d->tunnel_bytes).text,
		     "an MTU of %u leaves %d bytes in the tunnel, IPv6 needs %d", d->mtu,
		     (int)d->mtu - (int)d->tunnel_bytes, MTU_LEAST);
	else if (d->mtu < MTU_CLIENT + d->tunnel_bytes)
		find(all, CHECK_ADVICE,
		     mend("ip link set dev %s mtu %u", d->name, MTU_CLIENT + d->tunnel_bytes).text,
		     "an MTU of %u leaves %u bytes in the tunnel: where the way allows %u, nothing "
		     "is too big",
		     d->mtu, d->mtu - d->tunnel_bytes, MTU_CLIENT + d->tunnel_bytes);
}

static bool bond_is_native(uint32_t mode)
{
	return mode == BOND_MODE_ROUNDROBIN || mode == BOND_MODE_ACTIVEBACKUP ||
	       mode == BOND_MODE_XOR || mode == BOND_MODE_8023AD;
}

static void judge_xdp(const struct device_facts *d, struct check_findings *all)
{
	bool bond = strcmp(d->kind, "bond") == 0;

	if (bond && !bond_is_native(d->bond_mode))
		find(all, CHECK_ADVICE,
		     mend("ip link set dev %s type bond mode 802.3ad", d->name).text,
		     "a bond of this mode has no native XDP");
	else if (d->features_known && !d->native)
		find(all, CHECK_ADVICE, "",
		     "%s has no native XDP%s: the generic mode works but is much slower", d->name,
		     bond ? ", since one of its parts has none" : "");
	if (d->attached && !d->attached_native && d->native)
		find(all, CHECK_ADVICE,
		     mend("shunt-loader detach --dev %s && shunt-loader attach --dev %s --mode "
			  "native",
			  d->name, d->name)
			     .text,
		     "XDP is attached in generic mode though %s could do it natively", d->name);
	if (d->features_known && d->native && !d->redirect_target)
		find(all, CHECK_ADVICE,
		     strcmp(d->kind, "veth") == 0 ? mend("ethtool -K %s gro on", d->name).text : "",
		     "packets from other devices cannot be sent out of %s by XDP", d->name);
}

static void judge_queues(const struct device_facts *d, struct check_findings *all)
{
	uint32_t wanted = d->queues_max && d->queues_max < d->cpus ? d->queues_max : d->cpus;

	if (d->queues && d->queues < wanted)
		find(all, CHECK_ADVICE,
		     d->queues_apart
			     ? mend("ethtool -L %s rx %u tx %u", d->name, wanted, wanted).text
			     : mend("ethtool -L %s combined %u", d->name, wanted).text,
		     "%u of %u CPUs receive packets", d->queues, d->cpus);
	if (d->queues && d->rss_queues && d->rss_queues < d->queues)
		find(all, CHECK_ADVICE, mend("ethtool -X %s equal %u", d->name, d->queues).text,
		     "RSS leads to %u of %u queues", d->rss_queues, d->queues);
	if (d->queues > 1 && d->udp_ports_known && !d->udp_ports_hashed)
		find(all, CHECK_ADVICE, mend("ethtool -N %s rx-flow-hash udp4 sdfn", d->name).text,
		     "RSS looks at UDP's addresses only: all VXLAN of one host meets one CPU");
}

static void judge_way(const struct device_facts *d, struct check_findings *all)
{
	if (d->rp_filter == 1)
		find(all, CHECK_ADVICE,
		     mend("sysctl net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.%s.rp_filter=2",
			  d->name)
			     .text,
		     "rp_filter is strict: clients whose way back is another device are dropped");
	if (d->gateway_known && !d->gateway[0])
		find(all, CHECK_ADVICE,
		     mend("ip route add default via GATEWAY dev %s", d->name).text,
		     "no gateway lies behind %s: hosts beyond its own networks are not reached by "
		     "it",
		     d->name);
	else if (d->gateway_known && !d->gateway_resolved)
		find(all, CHECK_ADVICE, mend("ping -c 1 -I %s %s", d->name, d->gateway).text,
		     "the gateway %s has no MAC address: packets to it go to the stack until it "
		     "has",
		     d->gateway);
}

void check_judge(const struct device_facts *facts, struct check_findings *out_findings)
{
	out_findings->count = 0;
	judge_link(facts, out_findings);
	judge_offloads(facts, out_findings);
	judge_mtu(facts, out_findings);
	judge_xdp(facts, out_findings);
	judge_queues(facts, out_findings);
	judge_way(facts, out_findings);
}

bool check_breaks(const struct check_findings *findings)
{
	for (uint32_t i = 0; i < findings->count; i++)
		if (findings->list[i].severity == CHECK_BREAKS)
			return true;
	return false;
}
