/* Which endpoint a connection has while rings change, through the verified program. */
#include "tests/harness/ingress_lab.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

TEST(connections_keep_their_endpoint_when_the_ring_changes)
{
	struct packet old = TO_VIP(.sport = 4100, .payload = "x");
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4101);
	struct packet data = TO_VIP(.sport = 4101, .payload = "x");
	struct counters before;

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&old).fate, BY_1); /* not known, but it did not begin now */
	CHECK_INT(program_run(&syn).fate, BY_2);
	CHECK_INT(program_run(&syn).fate, BY_2); /* sent again */
	CHECK_INT(program_run(&data).fate, BY_2);
	before = program_counters();
	CHECK_INT(program_run(&old).fate, BY_1);
	check_only_counted(&before, COUNT_FORWARDED_STICKY);
}

TEST(connections_keep_their_endpoint_over_many_changes)
{
	struct packet of_1 = TO_VIP(.sport = 4110, .payload = "x");
	struct packet of_2 = TO_VIP(.sport = 4111, .payload = "x");
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4111);

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&syn).fate, BY_2);
	ring_changes_to(1);
	CHECK_INT(program_run(&of_2).fate, BY_2);
	CHECK_INT(program_run(&of_1).fate, BY_1);
	ring_changes_to(2);
	ring_changes_to(1);
	ring_changes_to(2);
	CHECK_INT(program_run(&of_2).fate, BY_2);
	CHECK_INT(program_run(&of_1).fate, BY_1);
}

TEST(a_reused_port_is_a_new_connection)
{
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4120);
	struct packet data = TO_VIP(.sport = 4120, .payload = "x");

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&data).fate, BY_1);
	CHECK_INT(program_run(&data).fate, BY_1); /* two packets: it is confirmed */
	CHECK_INT(program_run(&syn).fate, BY_2);
	CHECK_INT(program_run(&data).fate, BY_2);
}

TEST(nothing_of_a_port_s_old_connection_is_found_where_the_ring_is_as_it_was_before_that)
{
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4125);
	struct packet data = TO_VIP(.sport = 4125, .payload = "x");

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&syn).fate, BY_2);
	CHECK_INT(program_run(&data).fate, BY_2);
	ring_changes_to(1); /* what it was before and is now are the same: nothing is entered */
	CHECK_INT(program_run(&data).fate, BY_2);
	CHECK_INT(program_run(&syn).fate, BY_1);
	CHECK_INT(program_run(&data).fate, BY_1);
}

TEST(nor_of_one_whose_endpoint_was_down_when_it_began)
{
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4127);
	struct packet data = TO_VIP(.sport = 4127, .payload = "x");

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&syn).fate, BY_2);
	CHECK_INT(program_run(&data).fate, BY_2);
	ring_changes_to(1);
	add_endpoint(2, HOP_OTHER, 1, ENDPOINT_USED | ENDPOINT_DOWN);
	CHECK_INT(program_run(&syn).fate, BY_1);
	add_endpoint(2, HOP_OTHER, 1, ENDPOINT_USED);
	CHECK_INT(program_run(&data).fate, BY_1);
}

TEST(what_the_ring_would_repeat_is_not_remembered)
{
	struct flow_table flows;
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4130);
	struct packet data = TO_VIP(.sport = 4130, .payload = "x");
	struct flow_key key = { .sport = htons(4130),
				.dport = htons(L4_PORT),
				.proto = IPPROTO_TCP };

	NEED_PROGRAM;
	ip_into(key.src, CLIENT);
	ip_into(key.dst, VIP);
	flows = maps_flows(program_maps());
	program_run(&syn);
	program_run(&data);
	CHECK_INT(flow_table_find(&flows, &key), 0);
	ring_changes_to(2);
	program_run(&data);
	CHECK_INT(FLOW_KIND(flow_table_find(&flows, &key)), FLOW_L4);
}

TEST(datagrams_that_stand_alone_are_not_remembered)
{
	struct packet same = TO_DNS(.sport = 4150, .payload = "x");

	NEED_PROGRAM;
	for (uint32_t to = 2; to-- > 0;) { /* there and back */
		ring_changes_to(to ? 2 : 1);
		maps_flag(program_maps(), RING, VIP_SETTLED | VIP_ALONE);
		CHECK_INT(program_run(&same).fate, to ? BY_2 : BY_1);
		CHECK_INT(program_run(&same).fate, to ? BY_2 : BY_1);
	}
}

TEST(udp_is_old_for_a_while_and_new_afterwards)
{
	struct packet first = TO_DNS(.sport = 4140, .payload = "x");
	struct packet second = TO_DNS(.sport = 4141, .payload = "x");

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&first).fate, BY_1);
	maps_flag(program_maps(), RING, VIP_SETTLED);
	CHECK_INT(program_run(&second).fate, BY_2);
	CHECK_INT(program_run(&first).fate, BY_1);
}

TEST(a_remembered_endpoint_is_used_only_while_it_is_the_same_and_up)
{
	static const struct {
		const char *name;
		uint32_t generation, flags;
		int fate;
	} rows[] = {
		{ "as it was", 1, ENDPOINT_USED, BY_1 },
		{ "it is down", 1, ENDPOINT_USED | ENDPOINT_DOWN, BY_2 },
		{ "its entry is empty", 1, 0, BY_2 },
	};
	struct packet data = TO_VIP(.sport = 4200);

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		ingress_lab();
		ring_changes_to(2);
		data.sport++; /* another connection */
		CHECK_INT(program_run(&data).fate, BY_1);
		add_endpoint(1, HOP_BACK, row->generation, row->flags);
		CHECK_INT(program_run(&data).fate, row->fate);
	}
}

TEST(an_id_with_another_generation_is_a_stranger_s)
{
	struct packet data = TO_VIP(.sport = 4210);

	NEED_PROGRAM;
	ring_changes_to(2);
	CHECK_INT(program_run(&data).fate, BY_1);
	ring_of(2); /* no ring names 1 any more */
	ring_changes_to(3);
	ring_changes_to(2);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED);
	CHECK_INT(program_run(&data).fate, BY_1);
	add_endpoint(1, HOP_BACK, 2, ENDPOINT_USED);
	CHECK_INT(program_run(&data).fate, BY_2);
}

TEST(an_endpoint_that_is_down_leaves_its_connections_to_others)
{
	uint32_t slots[SLOTS] = { 1, 1, 1, 2, 1, 1, 2 };
	struct packet packet = TO_VIP(.flags = SYN);

	NEED_PROGRAM;
	maps_ring(program_maps(), RING, slots, SLOTS, true);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED | ENDPOINT_DOWN);
	for (uint16_t i = 0; i < 200; i++) {
		packet.sport = (uint16_t)(20000 + i);
		packet.flags = SYN;
		CHECK_INT(program_run(&packet).fate, BY_2);
		packet.flags = ACK;
		CHECK_INT(program_run(&packet).fate, BY_2);
	}
}

/* A flow of endpoint 1 in a ring of both. */
static uint16_t port_of_1(struct packet *packet, uint16_t from)
{
	packet->flags = SYN;
	for (packet->sport = from; program_run(packet).fate != BY_1; packet->sport++)
		;
	return packet->sport;
}

TEST(an_endpoint_that_drains_keeps_its_connections_and_gets_none)
{
	uint32_t slots[SLOTS] = { 1, 1, 1, 2, 1, 1, 2 };
	struct packet old = TO_VIP(), new = TO_VIP(), dns = TO_DNS(.payload = "x");

	NEED_PROGRAM;
	maps_ring(program_maps(), RING, slots, SLOTS, true);
	port_of_1(&old, 21000);
	new.sport = port_of_1(&new, old.sport + 1);
	dns.sport = port_of_1(&dns, 21000);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED | ENDPOINT_DRAINING);
	old.flags = ACK;
	CHECK_INT(program_run(&old).fate, BY_1);
	CHECK_INT(program_run(&new).fate, BY_2); /* a SYN */
	new.flags = ACK;
	CHECK_INT(program_run(&new).fate, BY_2);
	CHECK_INT(program_run(&dns).fate, BY_2); /* no stream would break */
	CHECK_INT(program_run(&old).fate, BY_1);
}

TEST(who_was_sent_elsewhere_stays_there_when_the_endpoint_is_back_in_marked_slots)
{
	uint32_t slots[SLOTS] = { 1, 1, 1, 2, 1, 1, 2 };
	struct packet sent = TO_VIP(), fresh = TO_VIP();

	NEED_PROGRAM;
	maps_ring(program_maps(), RING, slots, SLOTS, true);
	port_of_1(&sent, 22000);
	port_of_1(&fresh, sent.sport + 1);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED | ENDPOINT_DRAINING);
	CHECK_INT(program_run(&sent).fate, BY_2);
	ring_store_recheck(maps_rings(program_maps()), 1, 1);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED);
	sent.flags = ACK;
	CHECK_INT(program_run(&sent).fate, BY_2);
	CHECK_INT(program_run(&fresh).fate, BY_1);
	fresh.flags = ACK;
	CHECK_INT(program_run(&fresh).fate, BY_1);
}

TEST(when_all_drain_it_is_as_if_none_did)
{
	struct packet syn = TO_VIP(.flags = SYN, .sport = 23000);

	NEED_PROGRAM;
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED | ENDPOINT_DRAINING);
	CHECK_INT(program_run(&syn).fate, BY_1);
}
