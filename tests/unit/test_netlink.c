/* What the kernel says of routes, devices and neighbours, in a network namespace of our own. */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"
#include "userspace/net/netlink.h"

enum { WAIT_MS = 90000, IPS_MAX = 8 };

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t next_mac[6] = { 2, 0, 0, 0, 0, 2 }, no_mac[6] = { 9, 9, 9, 9, 9, 9 };

static void ip(const char *args)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s", args);
	test_row(args);
	CHECK_INT(system(line), 0);
	test_row(NULL);
}

/* Once: "us" with addresses and routes, and its other end, which answers nothing. */
static bool network(void)
{
	static const char *const steps[] = {
		"link add us address 02:00:00:00:00:01 mtu 1400 type veth peer name other",
		"link set us addrgenmode none",
		"link set other addrgenmode none",
		"link set other up",
		"link set us up",
		"addr add 10.0.0.1/24 broadcast + dev us",
		"addr add fd00::1/64 nodad dev us",
		"route add 10.9.0.0/16 via 10.0.0.2",
		"route add fd09::/64 via fd00::2",
		"route add 10.7.0.0/16 via inet6 fd00::2",
		"route add blackhole 10.8.0.0/16",
		"route add unreachable fd08::/64",
	};
	static bool made;

	if (made)
		return true;
	if (!socket_namespace())
		return false;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		ip(steps[i]);
	made = true;
	return true;
}

#define NEED_NETWORK()                                                                             \
	do {                                                                                       \
		if (!network())                                                                    \
			TEST_SKIP("a network namespace needs root");                               \
	} while (0)

static struct netlink *must_open(struct netlink *(*open)(struct err *err))
{
	struct err err = { "" };
	struct netlink *nl = open(&err);

	CHECK_STR(err.text, "");
	CHECK(nl);
	return nl;
}

static struct addr ip_of(const char *text)
{
	struct addr a;

	CHECK(addr_parse_ip(span_of(text), &a));
	return a;
}

TEST(a_route_names_its_device_and_gateway)
{
	static const struct {
		const char *name, *to, *via; /* NULL: there is none to forward by */
	} rows[] = {
		{ "a neighbour", "10.0.0.7", "10.0.0.7" },
		{ "a neighbour of IPv6", "fd00::7", "fd00::7" },
		{ "behind a gateway", "10.9.1.1", "10.0.0.2" },
		{ "behind a gateway of IPv6", "fd09::1", "fd00::2" },
		{ "IPv4 behind a gateway of IPv6", "10.7.0.1", "fd00::2" },
		{ "nowhere", "192.0.2.1", NULL },
		{ "nowhere in IPv6", "2001:db8::1", NULL },
		{ "a black hole", "10.8.0.1", NULL },
		{ "unreachable", "fd08::1", NULL },
		{ "our own address", "10.0.0.1", NULL },
		{ "our own address of IPv6", "fd00::1", NULL },
		{ "the loopback", "127.0.0.1", NULL },
		{ "a broadcast", "10.0.0.255", NULL },
	};
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	FOR_ROWS (row, rows) {
		struct netlink_route route = { .ifindex = 77 };
		struct addr to = ip_of(row->to);

		to.port = 5;
		CHECK_INT(netlink_route(nl, &to, &route), row->via != NULL);
		CHECK_INT(route.ifindex, row->via ? if_nametoindex("us") : 77);
		if (row->via)
			CHECK_STR(addr_print(&route.via).text, row->via);
	}
	netlink_close(nl);
}

TEST(a_device_has_its_address_and_mtu)
{
	struct netlink_device device = { .mtu = 77 };
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	CHECK(!netlink_device(nl, 9999, &device));
	CHECK_INT(device.mtu, 77); /* untouched */
	CHECK(netlink_device(nl, if_nametoindex("us"), &device));
	CHECK_INT(device.mtu, 1400);
	CHECK(device.ethernet);
	CHECK_BYTES(device.mac, 6, our_mac, 6);
	CHECK(netlink_device(nl, if_nametoindex("lo"), &device));
	CHECK(!device.ethernet);
	netlink_close(nl);
}

TEST(a_neighbour_is_known_only_while_its_entry_can_be_used)
{
	static const struct {
		const char *name, *ip, *entry; /* NULL: none */
		bool known;
	} rows[] = {
		{ "permanent", "10.0.0.20", "nud permanent", true },
		{ "reachable", "10.0.0.21", "nud reachable", true },
		{ "stale", "10.0.0.22", "nud stale", true },
		{ "without ARP", "10.0.0.23", "nud noarp", true },
		{ "permanent in IPv6", "fd00::20", "nud permanent", true },
		{ "stale in IPv6", "fd00::22", "nud stale", true },
		{ "failed", "10.0.0.24", "nud failed", false },
		{ "none", "10.0.0.25", NULL, false },
		{ "none in IPv6", "fd00::25", NULL, false },
	};
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char args[128];

		snprintf(args, sizeof(args), "neigh replace %s lladdr 02:00:00:00:00:02 dev us %s",
			 rows[i].ip, rows[i].entry);
		if (rows[i].entry)
			ip(args);
	}
	FOR_ROWS (row, rows) {
		uint8_t mac[6] = { 9, 9, 9, 9, 9, 9 };
		struct addr at = ip_of(row->ip);
		bool stale = false;

		CHECK_INT(netlink_neighbour(nl, if_nametoindex("us"), &at, mac, &stale),
			  row->known);
		CHECK_BYTES(mac, 6, row->known ? next_mac : no_mac, 6);
		CHECK_INT(stale, row->entry && strcmp(row->entry, "nud stale") == 0);
		CHECK(!netlink_neighbour(nl, if_nametoindex("lo"), &at, mac, &stale));
	}
	netlink_close(nl);
}

/* The other end sees the kernel ask: one frame of ARP. */
TEST(a_probe_makes_the_kernel_ask_for_a_neighbour)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
	const struct addr who = { .ip = { 0, 0, htonl(0xffff), htonl(0x0a000042) } };
	struct pollfd poll_fd = { .events = POLLIN };
	uint8_t frame[128];
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	poll_fd.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	at.sll_ifindex = (int)if_nametoindex("other");
	CHECK_INT(bind(poll_fd.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	netlink_probe(nl, if_nametoindex("us"), &who);
	for (;;) {
		CHECK_INT(poll(&poll_fd, 1, WAIT_MS), 1);
		/* RFC 826: whose address is asked for stands behind the sender's and a MAC. */
		if (recv(poll_fd.fd, frame, sizeof(frame), 0) >= 42 &&
		    memcmp(frame + 38, &who.ip[3], 4) == 0)
			break;
	}
	CHECK_BYTES(frame + 6, 6, our_mac, 6);
	close(poll_fd.fd);
	netlink_close(nl);
}

TEST(a_watch_hears_of_every_kind_of_change_and_never_blocks)
{
	static const struct {
		const char *name, *change, *undo;
		bool neighbours_only;
	} rows[] = {
		{ "a neighbour", "neigh add 10.0.0.30 lladdr 02:00:00:00:00:03 dev us",
		  "neigh del 10.0.0.30 dev us", true },
		{ "a route", "route add 10.30.0.0/16 via 10.0.0.2", "route del 10.30.0.0/16" },
		{ "a route of IPv6", "route add fd30::/64 via fd00::2", "route del fd30::/64" },
		{ "a device", "link add third type veth peer name fourth", "link del third" },
		{ "an MTU", "link set other mtu 1300", "link set other mtu 1500" },
	};
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_watch);
	ip("neigh flush dev us nud all"); /* what still changes by itself would be heard, too */
	FOR_ROWS (row, rows) {
		struct pollfd poll_fd = { .fd = netlink_fd(nl), .events = POLLIN };

		while (netlink_drain(nl))
			;
		ip(row->change);
		test_row(row->name);
		CHECK_INT(poll(&poll_fd, 1, WAIT_MS), 1);
		CHECK_INT(netlink_drain(nl),
			  row->neighbours_only ? NETLINK_NEIGHBOURS : NETLINK_ROUTES);
		ip(row->undo);
	}
	netlink_close(nl);
}

/* Whether the stack takes packets for it. */
static bool is_local(const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "ip route get %s 2>&1 | grep -q ^local", text);
	return system(line) == 0;
}

static bool is_listed(struct netlink *nl, const char *text)
{
	struct addr ips[IPS_MAX], want = ip_of(text);
	uint32_t count = netlink_local_routes(nl, ips, IPS_MAX);

	for (uint32_t i = 0; i < count; i++)
		if (addr_is_ip(&ips[i], &want))
			return true;
	return false;
}

static void local_route(struct netlink *nl, const char *text, bool add)
{
	struct err err = { "" };
	struct addr a = ip_of(text);

	if (!netlink_local_route(nl, &a, add, &err))
		CHECK_STR(err.text, "");
}

TEST(a_local_route_makes_the_stack_answer_until_it_is_removed)
{
	static const struct {
		const char *name;
	} rows[] = { { "203.0.113.10" }, { "2001:db8::10" } };
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	FOR_ROWS (row, rows) {
		CHECK(!is_local(row->name));
		local_route(nl, row->name, true);
		local_route(nl, row->name, true); /* no error */
		CHECK(is_local(row->name));
		CHECK(is_listed(nl, row->name));
		local_route(nl, row->name, false);
		local_route(nl, row->name, false); /* no error */
		CHECK(!is_local(row->name));
		CHECK(!is_listed(nl, row->name));
	}
	netlink_close(nl);
}

TEST(no_more_local_routes_are_listed_than_there_is_room_for)
{
	static const char *const ips[] = { "203.0.113.1", "203.0.113.2", "2001:db8::1" };
	struct addr got[3];
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	CHECK_INT(netlink_local_routes(nl, got, 3), 0);
	for (size_t i = 0; i < 3; i++)
		local_route(nl, ips[i], true);
	CHECK_INT(netlink_local_routes(nl, got, 0), 0);
	CHECK_INT(netlink_local_routes(nl, got, 2), 2);
	CHECK_INT(netlink_local_routes(nl, got, 3), 3);
	for (size_t i = 0; i < 3; i++)
		local_route(nl, ips[i], false);
	CHECK_INT(netlink_local_routes(nl, got, 3), 0);
	netlink_close(nl);
}

TEST(addresses_and_local_routes_of_others_survive_ours)
{
	static const struct {
		const char *name, *ip, *before; /* NULL: it is on the interface */
	} rows[] = {
		{ "on an interface", "10.0.0.1", NULL },
		{ "on an interface, IPv6", "fd00::1", NULL },
		{ "an operator's route", "10.50.0.1", "route add local 10.50.0.1 dev lo" },
		{ "an operator's route of IPv6", "fd50::1", "route add local fd50::1 dev lo" },
	};
	struct netlink *nl;

	NEED_NETWORK();
	nl = must_open(netlink_open);
	FOR_ROWS (row, rows) {
		if (row->before)
			ip(row->before);
		test_row(row->name);
		CHECK(is_local(row->ip));
		CHECK(!is_listed(nl, row->ip));
		local_route(nl, row->ip, true);
		CHECK(is_local(row->ip));
		local_route(nl, row->ip, false);
		CHECK(is_local(row->ip));
		CHECK(!is_listed(nl, row->ip));
	}
	netlink_close(nl);
}
