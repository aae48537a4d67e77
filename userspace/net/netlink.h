/*
 * netlink.h - what we ask the kernel of routes, neighbours and devices (rtnetlink, libmnl).
 *
 * A netlink is one socket with one owner at a time; every call waits for the kernel's answer, which
 * comes at once.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"

struct netlink;

struct netlink *netlink_open(struct err *err);
/* Hears of changes of routes, neighbours and links instead of asking. */
struct netlink *netlink_watch(struct err *err);
void netlink_close(struct netlink *nl);
int netlink_fd(const struct netlink *nl);

enum netlink_news {
	NETLINK_QUIET,
	NETLINK_NEIGHBOURS, /* and nothing else */
	NETLINK_ROUTES,     /* or devices */
};

/* Reads all that waits: what may have changed. Never blocks. */
enum netlink_news netlink_drain(struct netlink *nl);

struct netlink_route {
	uint32_t ifindex;
	struct addr via; /* the gateway, or the address itself; port 0 */
};

struct netlink_device {
	uint8_t mac[6];
	uint32_t mtu;
	bool ethernet;
	bool up, promiscuous;
	char kind[16];      /* "vlan", "bond", "veth"; "" for hardware */
	uint32_t lower;     /* of a VLAN: the device below, by index */
	uint32_t master;    /* the bond or bridge that it is a part of */
	uint16_t vlan;      /* 0: it is none, or of another kind than 802.1Q */
	uint32_t bond_mode; /* BOND_MODE_... */
};

bool netlink_route(struct netlink *nl, const struct addr *to, struct netlink_route *out_route);
bool netlink_device(struct netlink *nl, uint32_t ifindex, struct netlink_device *out_device);
/* The neighbour's MAC; false while it is not known. *out_stale: it was not heard of for long. */
bool netlink_neighbour(struct netlink *nl, uint32_t ifindex, const struct addr *ip,
		       uint8_t out_mac[6], bool *out_stale);
/* Makes the kernel look for it, or whether it is there still. */
void netlink_probe(struct netlink *nl, uint32_t ifindex, const struct addr *ip);
/*
 * A local route, so that the stack takes packets for an address that is on no interface. add is
 * no error where the route is there; remove takes only ours (by its protocol number).
 */
bool netlink_local_route(struct netlink *nl, const struct addr *ip, bool add, struct err *err);
/* The addresses of those that we added, at most max; returns how many. */
uint32_t netlink_local_routes(struct netlink *nl, struct addr *out_ips, uint32_t max);
