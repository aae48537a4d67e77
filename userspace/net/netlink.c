#include "userspace/net/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/must.h"

enum {
	MESSAGE_BYTES = 32768,
	ROUTE_PROTOCOL = 0x73, /* "s": how `ip route` shows which routes are ours */
	/* Behind everybody's: beside an interface's own local route, never in its place. */
	ROUTE_METRIC = 4096,
	DRAIN_MAX = 1024,
};

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	char bytes[MESSAGE_BYTES];
};

static struct netlink *open_groups(unsigned groups, struct err *err)
{
	struct netlink *nl = must_alloc(sizeof(*nl));

	nl->seq = (uint32_t)time(NULL);
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (nl->socket && mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) == 0)
		return nl;
	err_sys(err, "cannot open a netlink socket");
	netlink_close(nl);
	return NULL;
}

struct netlink *netlink_open(struct err *err)
{
	return open_groups(0, err);
}

struct netlink *netlink_watch(struct err *err)
{
	return open_groups(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, err);
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

int netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

static enum netlink_news news_of(const struct netlink *nl, size_t bytes)
{
	const struct nlmsghdr *msg = (const struct nlmsghdr *)nl->bytes;

	for (int len = (int)bytes; mnl_nlmsg_ok(msg, len); msg = mnl_nlmsg_next(msg, &len))
		if (msg->nlmsg_type != RTM_NEWNEIGH && msg->nlmsg_type != RTM_DELNEIGH)
			return NETLINK_ROUTES;
	return NETLINK_NEIGHBOURS;
}

enum netlink_news netlink_drain(struct netlink *nl)
{
	enum netlink_news all = NETLINK_QUIET;

	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, nl->bytes, sizeof(nl->bytes));
		enum netlink_news news;

		if (n == 0 || (n < 0 && errno != ENOBUFS))
			break;
		/* Some were lost: everything may be new. */
		news = n > 0 ? news_of(nl, (size_t)n) : NETLINK_ROUTES;
		if (news > all)
			all = news;
	}
	return all;
}

static size_t ip_len(const struct addr *ip)
{
	return addr_is_v4(ip) ? 4 : 16;
}

static const void *ip_bytes(const struct addr *ip)
{
	return addr_is_v4(ip) ? &ip->ip[3] : ip->ip;
}

static uint8_t ip_family(const struct addr *ip)
{
	return addr_is_v4(ip) ? AF_INET : AF_INET6;
}

static struct nlmsghdr *begin(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(nl->bytes);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | flags;
	msg->nlmsg_seq = ++nl->seq;
	return msg;
}

/* Sends, and reads one answer into nl->bytes; false with errno where it is an error. */
static struct nlmsghdr *ask(struct netlink *nl, struct nlmsghdr *msg)
{
	uint32_t seq = nl->seq;

	if (mnl_socket_sendto(nl->socket, msg, msg->nlmsg_len) < 0)
		return NULL;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, nl->bytes, sizeof(nl->bytes));
		struct nlmsghdr *got = (void *)nl->bytes;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || !mnl_nlmsg_ok(got, left))
			return NULL;
		if (got->nlmsg_seq != seq)
			continue; /* an answer nobody waited for */
		if (got->nlmsg_type == NLMSG_ERROR) {
			errno = -((struct nlmsgerr *)mnl_nlmsg_get_payload(got))->error;
			return errno ? NULL : got;
		}
		return got;
	}
}

static struct addr addr_of(uint8_t family, const void *bytes)
{
	struct addr a = { 0 };

	if (family == AF_INET) {
		a.ip[2] = htonl(0xffff);
		memcpy(&a.ip[3], bytes, 4);
	} else {
		memcpy(a.ip, bytes, 16);
	}
	return a;
}

/* A gateway of another family than the route's: IPv4 behind an IPv6 router (RFC 8950). */
static struct addr gateway_of(const struct nlattr *attr, struct addr otherwise)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) != sizeof(*via) + sizeof(otherwise.ip) ||
	    via->rtvia_family != AF_INET6)
		return otherwise;
	return addr_of(AF_INET6, via->rtvia_addr);
}

bool netlink_route(struct netlink *nl, const struct addr *to, struct netlink_route *out_route)
{
	struct nlmsghdr *msg = begin(nl, RTM_GETROUTE, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
	struct netlink_route route = { .via = *to };
	struct nlattr *attr;

	route.via.port = 0;
	rt->rtm_family = ip_family(to);
	rt->rtm_dst_len = (uint8_t)(ip_len(to) * 8);
	mnl_attr_put(msg, RTA_DST, ip_len(to), ip_bytes(to));
	msg = ask(nl, msg);
	if (!msg || msg->nlmsg_type != RTM_NEWROUTE)
		return false;
	rt = mnl_nlmsg_get_payload(msg);
	if (rt->rtm_type != RTN_UNICAST)
		return false;
	mnl_attr_for_each(attr, msg, sizeof(*rt))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF)
			route.ifindex = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == RTA_GATEWAY &&
			 mnl_attr_get_payload_len(attr) == ip_len(to))
			route.via = addr_of(rt->rtm_family, mnl_attr_get_payload(attr));
		else if (mnl_attr_get_type(attr) == RTA_VIA)
			route.via = gateway_of(attr, route.via);
	}
	if (!route.ifindex)
		return false;
	*out_route = route;
	return true;
}

static void take_vlan(const struct nlattr *data, struct netlink_device *d)
{
	uint16_t id = 0, proto = htons(ETH_P_8021Q);
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
			id = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
			proto = mnl_attr_get_u16(attr);
	}
	if (proto == htons(ETH_P_8021Q))
		d->vlan = id;
}

/* The kind comes before what belongs to it. */
static void take_link_info(const struct nlattr *info, struct netlink_device *d)
{
	const struct nlattr *attr, *inner;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			strncpy(d->kind, mnl_attr_get_str(attr), sizeof(d->kind) - 1);
		} else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA) {
			if (strcmp(d->kind, "vlan") == 0)
				take_vlan(attr, d);
			if (strcmp(d->kind, "bond") != 0)
				continue;
			mnl_attr_for_each_nested(inner, attr)
			{
				if (mnl_attr_get_type(inner) == IFLA_BOND_MODE)
					d->bond_mode = mnl_attr_get_u8(inner);
			}
		}
	}
}

bool netlink_device(struct netlink *nl, uint32_t ifindex, struct netlink_device *out_device)
{
	struct nlmsghdr *msg = begin(nl, RTM_GETLINK, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(msg, sizeof(*link));
	struct netlink_device device = { 0 };
	struct nlattr *attr;

	link->ifi_index = (int)ifindex;
	msg = ask(nl, msg);
	if (!msg || msg->nlmsg_type != RTM_NEWLINK)
		return false;
	link = mnl_nlmsg_get_payload(msg);
	device.ethernet = link->ifi_type == ARPHRD_ETHER;
	device.up = link->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, msg, sizeof(*link))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			device.mtu = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
			 mnl_attr_get_payload_len(attr) == sizeof(device.mac))
			memcpy(device.mac, mnl_attr_get_payload(attr), sizeof(device.mac));
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			take_link_info(attr, &device);
		else if (mnl_attr_get_type(attr) == IFLA_LINK)
			device.lower = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_MASTER)
			device.master = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_PROMISCUITY)
			device.promiscuous = mnl_attr_get_u32(attr) > 0;
	}
	*out_device = device;
	return true;
}

static struct nlmsghdr *neighbour_message(struct netlink *nl, uint16_t type, uint16_t flags,
					  uint32_t ifindex, const struct addr *ip)
{
	struct nlmsghdr *msg = begin(nl, type, flags);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(msg, sizeof(*nd));

	nd->ndm_family = ip_family(ip);
	nd->ndm_ifindex = (int)ifindex;
	mnl_attr_put(msg, NDA_DST, ip_len(ip), ip_bytes(ip));
	return msg;
}

bool netlink_neighbour(struct netlink *nl, uint32_t ifindex, const struct addr *ip,
		       uint8_t out_mac[6], bool *out_stale)
{
	const uint16_t usable =
		NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
	struct nlmsghdr *msg = neighbour_message(nl, RTM_GETNEIGH, 0, ifindex, ip);
	struct nlattr *attr;
	struct ndmsg *nd;

	msg = ask(nl, msg);
	if (!msg || msg->nlmsg_type != RTM_NEWNEIGH)
		return false;
	nd = mnl_nlmsg_get_payload(msg);
	if (!(nd->ndm_state & usable))
		return false;
	mnl_attr_for_each(attr, msg, sizeof(*nd))
	{
		if (mnl_attr_get_type(attr) != NDA_LLADDR || mnl_attr_get_payload_len(attr) != 6)
			continue;
		memcpy(out_mac, mnl_attr_get_payload(attr), 6);
		*out_stale = nd->ndm_state & NUD_STALE;
		return true;
	}
	return false;
}

void netlink_probe(struct netlink *nl, uint32_t ifindex, const struct addr *ip)
{
	struct nlmsghdr *msg = neighbour_message(
		nl, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, ifindex, ip);
	struct ndmsg *nd = mnl_nlmsg_get_payload(msg);

	nd->ndm_flags = NTF_USE;
	nd->ndm_state = NUD_NONE;
	ask(nl, msg); /* a refusal shows as a neighbour that stays unknown */
}

bool netlink_local_route(struct netlink *nl, const struct addr *ip, bool add, struct err *err)
{
	struct nlmsghdr *msg = begin(nl, add ? RTM_NEWROUTE : RTM_DELROUTE,
				     NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0));
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));

	rt->rtm_family = ip_family(ip);
	rt->rtm_dst_len = (uint8_t)(ip_len(ip) * 8);
	rt->rtm_table = RT_TABLE_LOCAL;
	rt->rtm_type = RTN_LOCAL;
	rt->rtm_protocol = ROUTE_PROTOCOL;
	rt->rtm_scope = addr_is_v4(ip) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	mnl_attr_put(msg, RTA_DST, ip_len(ip), ip_bytes(ip));
	mnl_attr_put_u32(msg, RTA_OIF, if_nametoindex("lo"));
	if (add) /* those of earlier versions had none */
		mnl_attr_put_u32(msg, RTA_PRIORITY, ROUTE_METRIC);
	if (ask(nl, msg) || (!add && errno == ESRCH))
		return true;
	return err_sys(err, "cannot %s the local route for vip %s", add ? "add" : "remove",
		       addr_print(ip).text);
}

struct route_list {
	struct addr *ips;
	uint32_t count, max;
};

static int take_local_route(const struct nlmsghdr *msg, void *context)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	struct route_list *list = context;
	struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWROUTE || rt->rtm_table != RT_TABLE_LOCAL ||
	    rt->rtm_type != RTN_LOCAL || rt->rtm_protocol != ROUTE_PROTOCOL)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, msg, sizeof(*rt))
	{
		if (mnl_attr_get_type(attr) == RTA_DST && list->count < list->max)
			list->ips[list->count++] =
				addr_of(rt->rtm_family, mnl_attr_get_payload(attr));
	}
	return MNL_CB_OK;
}

uint32_t netlink_local_routes(struct netlink *nl, struct addr *out_ips, uint32_t max)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct route_list list = { .ips = out_ips, .max = max };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct nlmsghdr *msg = begin(nl, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
		int more = MNL_CB_OK;

		rt->rtm_family = families[i];
		if (mnl_socket_sendto(nl->socket, msg, msg->nlmsg_len) < 0)
			continue;
		while (more > MNL_CB_STOP) {
			ssize_t n = mnl_socket_recvfrom(nl->socket, nl->bytes, sizeof(nl->bytes));

			more = n <= 0 ? MNL_CB_ERROR
				      : mnl_cb_run(nl->bytes, (size_t)n, nl->seq,
						   mnl_socket_get_portid(nl->socket),
						   take_local_route, &list);
		}
	}
	return list.count;
}
