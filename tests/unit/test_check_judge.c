#include <linux/if_bonding.h>

#include "loader/check_judge.h"
#include "tests/harness/test.h"

/* A device without a fault; a row says what is otherwise. */
#define DEVICE(...)                                                                                \
	{ .name = "eth0",                                                                          \
	  .ethernet = true,                                                                        \
	  .up = true,                                                                              \
	  .mtu = 1500,                                                                             \
	  .cpus = 4,                                                                               \
	  .queues = 4,                                                                             \
	  .queues_max = 8,                                                                         \
	  .features_known = true,                                                                  \
	  .native = true,                                                                          \
	  .redirect_target = true,                                                                 \
	  __VA_ARGS__ }

TEST(a_device_without_a_fault_has_no_findings)
{
	struct device_facts good = DEVICE(.tunnel_bytes = 0);
	struct check_findings got;

	check_judge(&good, &got);
	CHECK_INT(got.count, 0);
	CHECK(!check_breaks(&got));
}

TEST(each_fault_is_named_with_the_command_that_mends_it)
{
	static const struct {
		const char *name;
		struct device_facts facts;
		bool breaks;
		const char *mend;
	} rows[] = {
		{ "no Ethernet", DEVICE(.ethernet = false), true, "" },
		{ "down", DEVICE(.up = false), true, "ip link set dev eth0 up" },
		{ "part of a bond", DEVICE(.master = "bond0", .master_kind = "bond"), true,
		  "shunt-loader attach --dev bond0" },
		{ "port of a bridge", DEVICE(.master = "br0", .master_kind = "bridge"), false, "" },
		{ "a VLAN", DEVICE(.kind = "vlan", .parent = "eth9"), false,
		  "shunt-loader attach --dev eth9" },
		{ "promiscuous", DEVICE(.promiscuous = true), false,
		  "ip link set dev eth0 promisc off" },
		{ "LRO", DEVICE(.lro = true), true, "ethtool -K eth0 lro off" },
		{ "GRO in hardware", DEVICE(.gro_hw = true), true,
		  "ethtool -K eth0 rx-gro-hw off" },
		{ "veth without checksums", DEVICE(.kind = "veth", .tx_checksum = true), true,
		  "ethtool -K eth0 tx off" },
		{ "tags that vanish", DEVICE(.has_vlans = true, .rx_vlan_offload = true), true,
		  "ethtool -K eth0 rxvlan off" },
		{ "an MTU beyond one buffer", DEVICE(.mtu = 9000), true,
		  "ip link set dev eth0 mtu 3498" },
		{ "an MTU too small for IPv6 in the tunnel",
		  DEVICE(.mtu = 1300, .tunnel_bytes = 50), true, "ip link set dev eth0 mtu 1550" },
		{ "one that is smaller than could be", DEVICE(.tunnel_bytes = 70), false,
		  "ip link set dev eth0 mtu 1570" },
		{ "a bond without native XDP", DEVICE(.kind = "bond", .bond_mode = BOND_MODE_ALB),
		  false, "ip link set dev eth0 type bond mode 802.3ad" },
		{ "no native XDP", DEVICE(.native = false), false, "" },
		{ "generic where native could be", DEVICE(.attached = true), false,
		  "shunt-loader detach --dev eth0 && shunt-loader attach --dev eth0 --mode "
		  "native" },
		{ "no target of redirects", DEVICE(.kind = "veth", .redirect_target = false), false,
		  "ethtool -K eth0 gro on" },
		{ "few queues", DEVICE(.queues = 1), false, "ethtool -L eth0 combined 4" },
		{ "few queues, apart from those that send",
		  DEVICE(.queues = 1, .queues_apart = true), false, "ethtool -L eth0 rx 4 tx 4" },
		{ "few queues, and few possible", DEVICE(.queues = 1, .queues_max = 2), false,
		  "ethtool -L eth0 combined 2" },
		{ "RSS to some of them", DEVICE(.rss_queues = 2), false,
		  "ethtool -X eth0 equal 4" },
		{ "UDP by address only", DEVICE(.udp_ports_known = true), false,
		  "ethtool -N eth0 rx-flow-hash udp4 sdfn" },
		{ "strict rp_filter", DEVICE(.rp_filter = 1), false,
		  "sysctl net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2" },
		{ "no gateway", DEVICE(.gateway_known = true), false,
		  "ip route add default via GATEWAY dev eth0" },
		{ "a gateway that is not there",
		  DEVICE(.gateway_known = true, .gateway = "192.0.2.1"), false,
		  "ping -c 1 -I eth0 192.0.2.1" },
	};

	FOR_ROWS (row, rows) {
		struct check_findings got;

		check_judge(&row->facts, &got);
		CHECK_INT(got.count, 1);
		CHECK_STR(got.list[0].mend, row->mend);
		CHECK_INT(got.list[0].severity, row->breaks ? CHECK_BREAKS : CHECK_ADVICE);
		CHECK_INT(check_breaks(&got), row->breaks);
		CHECK(got.list[0].what[0] != '\0');
	}
}

TEST(what_is_right_or_not_known_is_not_judged)
{
	static const struct {
		const char *name;
		struct device_facts facts;
	} rows[] = {
		{ "a bond in a native mode",
		  DEVICE(.kind = "bond", .bond_mode = BOND_MODE_8023AD) },
		{ "room for the tunnel", DEVICE(.mtu = 1550, .tunnel_bytes = 50) },
		{ "tags that are taken off, and nobody wants them",
		  DEVICE(.rx_vlan_offload = true) },
		{ "checksums of hardware", DEVICE(.tx_checksum = true) },
		{ "features that the kernel does not say",
		  DEVICE(.features_known = false, .native = false, .redirect_target = false) },
		{ "queues that the driver does not say", DEVICE(.queues = 0, .queues_max = 0) },
		{ "loose rp_filter", DEVICE(.rp_filter = 2) },
		{ "UDP by ports", DEVICE(.udp_ports_known = true, .udp_ports_hashed = true) },
		{ "a gateway",
		  DEVICE(.gateway_known = true, .gateway = "192.0.2.1", .gateway_resolved = true) },
	};

	FOR_ROWS (row, rows) {
		struct check_findings got;

		check_judge(&row->facts, &got);
		CHECK_INT(got.count, 0);
	}
}
