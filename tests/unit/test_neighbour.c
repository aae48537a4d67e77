/* Next hops: shared, numbered for good, and kept current; in a network namespace of our own. */
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"
#include "userspace/net/neighbour.h"

enum { WAIT_MS = 90000, HOPS = 4 };

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };

static void ip(const char *args)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s", args);
	test_row(args);
	CHECK_INT(system(line), 0);
	test_row(NULL);
}

/* What on_hop was told last of each hop, and how often. */
struct told {
	struct hop hops[HOPS];
	uint32_t count;
};

static void on_hop(void *context, uint32_t index, const struct hop *hop)
{
	struct told *told = context;

	CHECK(index < HOPS);
	told->hops[index] = *hop;
	told->count++;
}

static bool network(void)
{
	static const char *const steps[] = {
		"link add us address 02:00:00:00:00:01 mtu 1400 type veth peer name other",
		"link set us addrgenmode none",
		"link set other addrgenmode none",
		"link set other up",
		"link set us up",
		"addr add 10.0.0.1/24 dev us",
		"addr add fd00::1/64 nodad dev us",
		"route add 10.9.0.0/16 via 10.0.0.2",
		"route add fd09::/64 via fd00::2",
		"route add 10.7.0.0/16 via inet6 fd00::2",
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
		ip("neigh flush dev us nud all");                                                  \
		ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev us nud permanent");        \
		ip("neigh replace fd00::2 lladdr 02:00:00:00:00:06 dev us nud permanent");         \
	} while (0)

static struct neighbours *open_hops(uint32_t max, struct told *told)
{
	struct err err = { "" };
	struct neighbours *n = neighbours_create(max, on_hop, told, &err);

	CHECK_STR(err.text, "");
	CHECK(n);
	return n;
}

static struct addr ip_of(const char *text)
{
	struct addr a;

	CHECK(addr_parse_ip(span_of(text), &a));
	return a;
}

/* The hop's number, or -1; *out_ready as neighbours_find says. */
static int find(struct neighbours *n, const char *to, bool *out_ready)
{
	struct addr a = ip_of(to);
	uint32_t index;

	return neighbours_find(n, &a, &index, out_ready) ? (int)index : -1;
}

static const uint8_t *mac_ending_in(uint8_t last)
{
	static uint8_t mac[6] = { 2 };

	mac[5] = last;
	return mac;
}

TEST(all_addresses_behind_one_gateway_share_a_hop)
{
	static const struct {
		const char *name, *to;
		int hop;
		uint8_t mac; /* its last byte */
	} rows[] = {
		{ "behind a gateway", "10.9.0.1", 0, 2 },
		{ "another behind it", "10.9.200.7", 0, 2 },
		{ "the gateway itself", "10.0.0.2", 0, 2 },
		{ "a gateway of IPv6", "fd09::1", 1, 6 },
		{ "IPv4 behind that one", "10.7.0.1", 1, 6 },
		{ "no route", "192.0.2.1", -1, 0 },
		{ "an address of ours", "10.0.0.1", -1, 0 },
	};
	struct told told = { 0 };
	struct neighbours *n;

	NEED_NETWORK();
	n = open_hops(HOPS, &told);
	FOR_ROWS (row, rows) {
		bool ready = false;

		CHECK_INT(find(n, row->to, &ready), row->hop);
		CHECK_INT(ready, row->hop >= 0);
		if (row->hop < 0)
			continue;
		CHECK_BYTES(told.hops[row->hop].dst_mac, 6, mac_ending_in(row->mac), 6);
		CHECK_BYTES(told.hops[row->hop].src_mac, 6, our_mac, 6);
		CHECK_INT(told.hops[row->hop].mtu, 1400);
		CHECK_INT(neighbours_ifindex(n, (uint32_t)row->hop), if_nametoindex("us"));
	}
	CHECK_INT(told.count, 2); /* once each */
	CHECK_INT(neighbours_ifindex(n, 2), 0);
	neighbours_destroy(n);
}

/* Until what was changed has been heard; other changes may be heard before. */
static void wait_for_change(struct neighbours *n, const struct told *told, uint32_t count)
{
	struct pollfd poll_fd = { .fd = neighbours_fd(n), .events = POLLIN };

	while (told->count <= count) {
		CHECK_INT(poll(&poll_fd, 1, WAIT_MS), 1);
		CHECK(neighbours_dispatch(n));
	}
}

TEST(a_hop_keeps_its_number_and_is_told_again_when_something_changes)
{
	static const struct {
		const char *name, *change;
		bool ready;
		uint8_t mac;
		uint16_t mtu;
	} rows[] = {
		{ "resolved", "neigh replace 10.0.0.2 lladdr 02:00:00:00:00:03 dev us nud stale",
		  true, 3, 1400 },
		{ "another MAC",
		  "neigh replace 10.0.0.2 lladdr 02:00:00:00:00:04 dev us nud permanent", true, 4,
		  1400 },
		{ "another MTU", "link set us mtu 1300", true, 4, 1300 },
		{ "the former MTU", "link set us mtu 1400", true, 4, 1400 },
		{ "lost", "neigh del 10.0.0.2 dev us", false, 4, 1400 },
		{ "back", "neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev us nud permanent",
		  true, 2, 1400 },
	};
	struct told told = { 0 };
	struct neighbours *n;
	bool ready = true;

	NEED_NETWORK();
	ip("neigh del 10.0.0.2 dev us");
	n = open_hops(HOPS, &told);
	CHECK_INT(find(n, "10.9.0.1", &ready), 0);
	CHECK(!ready);
	FOR_ROWS (row, rows) {
		uint32_t count = told.count;

		ip(row->change);
		test_row(row->name);
		wait_for_change(n, &told, count);
		CHECK_INT(told.hops[0].ready, row->ready);
		CHECK_INT(told.hops[0].mtu, row->mtu);
		CHECK_BYTES(told.hops[0].dst_mac, 6, mac_ending_in(row->mac), 6);
		CHECK_INT(find(n, "10.9.0.1", &ready), 0);
		CHECK_INT(ready, row->ready);
	}
	neighbours_destroy(n);
}

TEST(what_did_not_change_is_not_told_again)
{
	struct told told = { 0 };
	struct neighbours *n;
	bool ready;

	NEED_NETWORK();
	n = open_hops(HOPS, &told);
	CHECK_INT(find(n, "10.9.0.1", &ready), 0);
	CHECK_INT(told.count, 1);
	neighbours_refresh(n);
	while (neighbours_dispatch(n))
		;
	CHECK_INT(find(n, "10.9.0.2", &ready), 0);
	CHECK_INT(told.count, 1);
	neighbours_destroy(n);
}

TEST(without_room_only_the_hops_that_are_there_are_found)
{
	struct told told = { 0 };
	struct neighbours *n;
	bool ready = false;

	NEED_NETWORK();
	n = open_hops(1, &told);
	CHECK_INT(find(n, "10.9.0.1", &ready), 0);
	CHECK_INT(find(n, "fd09::1", &ready), -1);
	CHECK_INT(find(n, "10.9.0.2", &ready), 0);
	CHECK(ready);
	neighbours_destroy(n);
}

TEST(hops_of_an_earlier_process_keep_their_numbers)
{
	struct told told = { 0 };
	struct addr gateway = ip_of("10.0.0.2"), gone = ip_of("10.0.0.99");
	struct neighbours *n;
	uint32_t us;
	bool ready = false;

	NEED_NETWORK();
	us = if_nametoindex("us");
	n = open_hops(HOPS, &told);
	CHECK(neighbours_restore(n, 2, us, 0, &gateway));
	CHECK(!neighbours_restore(n, 2, us, 0, &gone)); /* taken */
	CHECK(!neighbours_restore(n, HOPS, us, 0, &gone));
	CHECK(neighbours_restore(n, 0, 9999, 0, &gone)); /* its device is gone */
	CHECK_INT(find(n, "10.9.0.1", &ready), 2);
	CHECK(ready);
	CHECK(told.hops[2].ready);
	CHECK(!told.hops[0].ready);
	CHECK_INT(find(n, "fd09::1", &ready), 3); /* behind all that were restored */
	neighbours_refresh(n);
	CHECK_INT(find(n, "10.9.0.1", &ready), 2);
	neighbours_destroy(n);
	neighbours_destroy(NULL);
}
