/* Listeners with affinity: client-address, through the verified program. */
#include "tests/harness/ingress_lab.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

BOTH_TWINS

enum { CLIENTS = 64, PORTS = 8 };

static uint32_t both[SLOTS] = { 1, 2, 1, 2, 1, 2, 1 }, first[SLOTS] = { 1, 1, 1, 1, 1, 1, 1 };

static const char *client(char out[INET6_ADDRSTRLEN], uint32_t i, bool v6)
{
	snprintf(out, INET6_ADDRSTRLEN, v6 ? "2001:db8:1::%x" : "198.51.100.%u", i + 1);
	return out;
}

static void ring(const uint32_t *slots, bool fresh, uint32_t more_flags)
{
	maps_ring(program_maps(), RING, slots, SLOTS, fresh);
	maps_mode(program_maps(), RING, VIP_BY_CLIENT | more_flags);
}

static int fate_of(struct packet packet, const char *src, uint16_t sport)
{
	packet.src = src;
	packet.sport = sport;
	return program_run(&packet).fate;
}

TEST(a_client_has_one_endpoint_whatever_its_ports_and_protocol)
{
	struct packet tcp = TO_VIP(.flags = SYN), udp = TO_DNS(.payload = "x");
	char text[INET6_ADDRSTRLEN];
	int of_1 = 0;

	NEED_PROGRAM;
	ring(both, true, VIP_SETTLED);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int fate = fate_of(tcp, client(text, i, false), 5000);

		of_1 += fate == BY_1;
		for (uint16_t k = 0; k < PORTS; k++) {
			CHECK_INT(fate_of(tcp, text, 6000 + k), fate);
			CHECK_INT(fate_of(udp, text, 6000 + k), fate);
		}
	}
	/* Of 64 clients with 4 of 7 slots: outside only once in 10^6 seeds, and the seed is set. */
	CHECK(of_1 > 16 && of_1 < 56);
}

TEST(of_ipv6_too)
{
	struct packet tcp = TO_VIP6(.flags = SYN);
	char text[INET6_ADDRSTRLEN];
	int of_1 = 0;

	NEED_PROGRAM;
	ring(both, true, 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int fate = fate_of(tcp, client(text, i, true), 5000);

		of_1 += fate == BY_1;
		for (uint16_t k = 0; k < PORTS; k++)
			CHECK_INT(fate_of(tcp, text, 6000 + k), fate);
	}
	CHECK(of_1 > 16 && of_1 < 56);
}

TEST(without_affinity_its_connections_spread)
{
	struct packet tcp = TO_VIP(.flags = SYN);
	int of_1 = 0;

	NEED_PROGRAM;
	maps_ring(program_maps(), RING, both, SLOTS, true);
	for (uint16_t k = 0; k < CLIENTS; k++)
		of_1 += fate_of(tcp, CLIENT, 6000 + k) == BY_1;
	CHECK(of_1 > 16 && of_1 < 56);
}

TEST(established_ones_stay_when_their_client_gets_another_endpoint)
{
	struct packet data = TO_VIP(.payload = "x"), syn = TO_VIP(.flags = SYN);
	char text[INET6_ADDRSTRLEN];

	NEED_PROGRAM;
	ring(first, true, 0);
	ring(both, false, 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int now = fate_of(syn, client(text, i, false), 7000);

		CHECK_INT(fate_of(data, text, 7001), BY_1);
		CHECK_INT(fate_of(syn, text, 7002), now);
		CHECK_INT(fate_of(data, text, 7000), now);
	}
	/* The sweep asks for slots by the same hash: what is known stays known. */
	maps_age(program_maps(), 100);
	for (uint32_t i = 0; i < CLIENTS; i++)
		CHECK_INT(fate_of(data, client(text, i, false), 7001), BY_1);
}

TEST(where_its_endpoint_is_down_another_one_has_all_of_the_client)
{
	static const uint32_t three[SLOTS] = { 1, 1, 2, 1, 3, 1, 1 };
	struct packet tcp = TO_VIP(.flags = SYN);
	char text[INET6_ADDRSTRLEN];
	int of_2 = 0;

	NEED_PROGRAM;
	add_hop(HOP_UNREADY, RUN_IFINDEX, true, 1500);
	add_endpoint(3, HOP_UNREADY, 1, ENDPOINT_USED);
	ring(three, true, 0);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED | ENDPOINT_DOWN);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int fate = fate_of(tcp, client(text, i, false), 8000);

		of_2 += fate == BY_2;
		for (uint16_t k = 0; k < PORTS; k++)
			CHECK_INT(fate_of(tcp, text, 8001 + k), fate);
	}
	CHECK(of_2 > 8 && of_2 < 56);
}

TEST(fragments_follow_the_client_too)
{
	struct packet first_part =
		TO_DNS(.payload = "xxxxxxxxxxxxxxxxxxxxxxxx", .fragment = 0x2000);
	struct packet rest = TO_DNS(.payload = "xxxxxxxx", .fragment = 4);
	struct packet plain = TO_DNS(.payload = "x");
	char text[INET6_ADDRSTRLEN];

	NEED_PROGRAM;
	ring(both, true, VIP_SETTLED);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int fate = fate_of(plain, client(text, i, false), 9000);

		first_part.id = rest.id = (uint16_t)i;
		CHECK_INT(fate_of(first_part, text, 9001), fate);
		CHECK_INT(fate_of(rest, text, 9001), fate);
	}
}
