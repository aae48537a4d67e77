#include "loader/attach_pick.h"

#include <net/if.h>
#include <string.h>

#include "loader/attach_tc.h"
#include "loader/attach_xdp.h"
#include "loader/ethtool.h"
#include "loader/xdp_features.h"
#include "userspace/net/netlink.h"

/* Its other end leaves out checksums and hands over super-packets: offloads are alike at both ends
 * unless somebody has changed that. */
static bool is_veth_with_offloads(uint32_t ifindex, const struct ethtool *e)
{
	struct netlink *nl = netlink_open(NULL);
	struct netlink_device device;
	bool veth = nl && netlink_device(nl, ifindex, &device) && strcmp(device.kind, "veth") == 0;

	netlink_close(nl);
	return veth && ethtool_feature(e, "tx-checksum-ip*");
}

/* Generic XDP comes behind GRO, and would have to take apart what that has put together. */
static bool is_generic_with_gro(uint32_t ifindex, const struct ethtool *e)
{
	uint64_t features = 0;

	return xdp_features(ifindex, &features) && !(features & XDP_FEATURE_NATIVE) &&
	       ethtool_feature(e, "rx-gro");
}

enum attach_mode attach_pick(const char *pin_dir, const char *device, enum attach_mode wanted,
			     struct notices *notices)
{
	uint32_t ifindex = if_nametoindex(device);
	enum attach_mode mode = ATTACH_AUTO;
	struct ethtool e;

	if (wanted != ATTACH_AUTO || !ifindex || attach_xdp_is(pin_dir, ifindex))
		return wanted;
	if (attach_tc_ingress_is(pin_dir, ifindex))
		return ATTACH_TC;
	if (!ethtool_open(&e, device))
		return wanted;
	if (is_veth_with_offloads(ifindex, &e)) {
		mode = ATTACH_TC;
		notice(notices,
		       "device %s is attached by tc: it is a veth with offloads on, whose packets "
		       "have no checksums and come as super-packets, which XDP cannot take",
		       device);
	} else if (is_generic_with_gro(ifindex, &e)) {
		mode = ATTACH_TC;
		notice(notices,
		       "device %s is attached by tc: it has no native XDP, and with GRO its "
		       "packets come as super-packets",
		       device);
	}
	ethtool_close(&e);
	return mode;
}
