/* L4 and L7 vips, odd packets, VXLAN in and out, through the verified program. */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#define CLIENT  "198.51.100.2"
#define CLIENT6 "2001:db8:1::2"
#define VIP     "203.0.113.53"
#define VIP6    "2001:db8:53::53"
#define WEB     "203.0.113.10"
#define ELSE    "192.0.2.99"
#define TUNNEL  "192.0.2.10"
#define HOST    "192.0.3.21"

enum { SYN = 2, FIN = 1, RST = 4, ACK = 16, L4_PORT = 8000, WEB_PORT = 80, VNI = 5001 };
enum { RING = 1, SLOTS = 7, HOP_BACK = 1, HOP_OTHER = 2, HOP_UNREADY = 3, HOP_SMALL = 4 };

static struct xdp_ingress *x;

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
		return;
	}
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static void add_vip(const char *ip, uint16_t port, uint8_t proto, uint32_t kind)
{
	struct vip_key key = { .port = htons(port), .proto = proto };

	ip_into(key.addr, ip);
	maps_vip(program_maps(), &key, kind, RING);
	maps_addr(program_maps(), key.addr, kind == VIP_L4 ? ADDR_ANSWER : ADDR_STACK);
}

static void add_endpoint(uint32_t id, uint32_t hop, uint32_t generation, uint32_t flags)
{
	struct endpoint_entry e = { .generation = generation,
				    .next_hop = hop,
				    .vni = VNI,
				    .inner_dst = { 2, 0, 0, 0, 0, 4 },
				    .inner_src = { 2, 0x73, 0x68, 0x75, 0x6e, 0 },
				    .flags = flags };

	ip_into(e.vtep, HOST);
	program_set(x->maps.shunt_endpoints, &id, &e);
}

static void add_hop(uint32_t index, uint32_t ifindex, bool ready, uint16_t mtu)
{
	struct next_hop hop = { .ifindex = ifindex,
				.ready = ready,
				.mtu = mtu,
				.dst_mac = { 2, 0, 0, 0, 0, 9 },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };

	program_set(x->maps.shunt_next_hops, &index, &hop);
}

static void ring_is(uint32_t endpoint, bool fresh)
{
	uint32_t slots[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		slots[i] = endpoint;
	maps_ring(program_maps(), RING, slots, SLOTS, fresh);
}

static void ring_of(uint32_t endpoint)
{
	ring_is(endpoint, true);
}

static void ring_changes_to(uint32_t endpoint)
{
	ring_is(endpoint, false);
}

/* False where the test cannot run here. */
static bool setup(void)
{
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = 1 };
	struct vtep_key vtep = { .vni = VNI };
	uint8_t one = 1;

	x = program_load();
	if (!x)
		return false;
	ip_into(s.tunnel, TUNNEL);
	ip_into(vtep.addr, HOST);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.tunnel, ADDR_TUNNEL);
	program_set(x->maps.shunt_vteps, &vtep, &one);
	add_vip(VIP, L4_PORT, IPPROTO_TCP, VIP_L4);
	add_vip(VIP, 53, IPPROTO_UDP, VIP_L4);
	add_vip(VIP6, L4_PORT, IPPROTO_TCP, VIP_L4);
	add_vip(WEB, WEB_PORT, IPPROTO_TCP, VIP_L7);
	add_hop(HOP_BACK, RUN_IFINDEX, true, 1500);
	add_hop(HOP_OTHER, 999, true, 1500);
	add_hop(HOP_UNREADY, RUN_IFINDEX, false, 1500);
	add_hop(HOP_SMALL, RUN_IFINDEX, true, 80);
	add_endpoint(1, HOP_BACK, 1, ENDPOINT_USED);
	add_endpoint(2, HOP_OTHER, 1, ENDPOINT_USED);
	ring_of(1);
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define TO_VIP(...)  TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = L4_PORT, __VA_ARGS__)
#define TO_WEB(...)  TCP4(.src = CLIENT, .dst = WEB, .sport = 4000, .dport = WEB_PORT, __VA_ARGS__)
#define TO_ELSE(...) TCP4(.src = CLIENT, .dst = ELSE, .sport = 4000, .dport = 80, __VA_ARGS__)
#define TO_DNS(...)  UDP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = 53, __VA_ARGS__)
#define TO_VIP6(...) TCP4(.src = CLIENT6, .dst = VIP6, .sport = 4000, .dport = L4_PORT, __VA_ARGS__)

TEST(a_packet_meets_its_fate_and_is_counted_once)
{
	static const struct {
		const char *name;
		struct packet packet;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "a SYN to a vip", TO_VIP(.flags = SYN), XDP_TX, COUNT_FORWARDED },
		{ "the same over IPv6", TO_VIP6(.flags = SYN), XDP_TX, COUNT_FORWARDED },
		{ "a datagram", TO_DNS(.payload = "q"), XDP_TX, COUNT_FORWARDED },
		{ "with a VLAN tag", TO_VIP(.flags = SYN, .vlan_tags = 1), XDP_TX,
		  COUNT_FORWARDED },
		{ "with two", TO_VIP(.flags = SYN, .vlan_tags = 2), XDP_TX, COUNT_FORWARDED },
		{ "with three", TO_VIP(.flags = SYN, .vlan_tags = 3), XDP_PASS, COUNT_NOT_IP },
		{ "with IPv4 options", TO_VIP(.flags = SYN, .ip_options = 8), XDP_TX,
		  COUNT_FORWARDED },
		{ "with all IPv4 options", TO_VIP(.flags = SYN, .ip_options = 40), XDP_TX,
		  COUNT_FORWARDED },
		{ "with IPv6 extension headers", TO_VIP6(.flags = SYN, .hop_headers = 3), XDP_TX,
		  COUNT_FORWARDED },
		{ "with as many as we walk", TO_VIP6(.flags = SYN, .hop_headers = 6), XDP_TX,
		  COUNT_FORWARDED },
		{ "with more", TO_VIP6(.flags = SYN, .hop_headers = 7), XDP_DROP,
		  COUNT_BAD_HEADER },
		{ "padded by Ethernet", TO_VIP(.flags = SYN, .pad = 20), XDP_TX, COUNT_FORWARDED },
		{ "to the proxy", TO_WEB(.flags = SYN), XDP_PASS, COUNT_TO_STACK },
		{ "to the proxy, fragmented", TO_WEB(.fragment = 0x2000, .payload = "xx"), XDP_PASS,
		  COUNT_TO_STACK },
		{ "to nobody", TO_ELSE(.flags = SYN), XDP_PASS, COUNT_NOT_OURS },
		{ "to nobody, SYN and FIN", TO_ELSE(.flags = SYN | FIN), XDP_PASS, COUNT_NOT_OURS },
		{ "to nobody, a fragment", TO_ELSE(.fragment = 0x2000), XDP_PASS, COUNT_NOT_OURS },
		{ "to nobody, a later one", TO_ELSE(.fragment = 10), XDP_PASS, COUNT_NOT_OURS },
		{ "to nobody, lengths that lie", TO_ELSE(.length_lie = 5000), XDP_PASS,
		  COUNT_NOT_OURS },
		{ "a port without listener",
		  TCP4(.src = CLIENT, .dst = VIP, .sport = 1, .dport = 9), XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "total length beyond the frame", TO_VIP(.length_lie = 1), XDP_DROP,
		  COUNT_BAD_LENGTH },
		{ "total length of 65535", TO_VIP(.length_lie = 65535 - 40), XDP_DROP,
		  COUNT_BAD_LENGTH },
		{ "total length below the headers", TO_VIP(.length_lie = -21), XDP_DROP,
		  COUNT_BAD_LENGTH },
		{ "UDP length beyond the packet", TO_DNS(.payload = "q", .udp_length_lie = 1),
		  XDP_DROP, COUNT_BAD_LENGTH },
		{ "UDP length below its header", TO_DNS(.udp_length_lie = -1), XDP_DROP,
		  COUNT_BAD_LENGTH },
		{ "SYN and FIN", TO_VIP(.flags = SYN | FIN), XDP_DROP, COUNT_BAD_FLAGS },
		{ "SYN and RST", TO_VIP(.flags = SYN | RST), XDP_DROP, COUNT_BAD_FLAGS },
		{ "no flag but congestion's", TO_VIP(.flags = 0xc0), XDP_DROP, COUNT_BAD_FLAGS },
		{ "a wrong IPv4 checksum", TO_VIP(.checksum_lie = 1), XDP_DROP,
		  COUNT_BAD_CHECKSUM },
		{ "a wrong IPv4 checksum with options", TO_VIP(.ip_options = 12, .checksum_lie = 1),
		  XDP_DROP, COUNT_BAD_CHECKSUM },
		{ "a wrong IPv4 checksum to nobody", TO_ELSE(.checksum_lie = 1), XDP_PASS,
		  COUNT_NOT_OURS },
		{ "from the vip itself", TCP4(.src = VIP, .dst = VIP, .sport = 1, .dport = L4_PORT),
		  XDP_DROP, COUNT_LAND },
		{ "from loopback",
		  TCP4(.src = "127.0.0.1", .dst = VIP, .sport = 1, .dport = L4_PORT), XDP_DROP,
		  COUNT_MARTIAN },
		{ "from multicast",
		  TCP4(.src = "ff02::1", .dst = VIP6, .sport = 1, .dport = L4_PORT), XDP_DROP,
		  COUNT_MARTIAN },
		{ "a later fragment before its first", TO_VIP(.fragment = 10), XDP_DROP,
		  COUNT_FRAGMENT_LOST },
		{ "a later fragment to the proxy", TO_WEB(.fragment = 10), XDP_PASS,
		  COUNT_ODD_TO_STACK },
		{ "a first fragment", TO_VIP(.fragment = 0x2000), XDP_TX, COUNT_FORWARDED },
		{ "a later fragment", TO_VIP(.fragment = 10), XDP_TX, COUNT_FORWARDED },
		{ "TTL used up", TO_VIP(.flags = SYN, .ttl = 1), XDP_DROP, COUNT_TTL_EXPIRED },
		{ "hop limit used up", TO_VIP6(.flags = SYN, .ttl = 1), XDP_DROP,
		  COUNT_TTL_EXPIRED },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct counters before = program_counters();

		CHECK_INT(program_run(&row->packet).fate, row->fate);
		check_only_counted(&before, row->counted);
	}
}

TEST(truncated_at_every_length_only_a_vip_drops)
{
	static const struct {
		const char *name;
		struct packet packet;
		bool ours;
	} rows[] = {
		{ "TCP to a vip", TO_VIP(.payload = "hello"), true },
		{ "UDP to a vip", TO_DNS(.payload = "hello"), true },
		{ "IPv6 to a vip", TO_VIP6(.payload = "hello", .hop_headers = 2), true },
		{ "options and tags to a vip", TO_VIP(.ip_options = 12, .vlan_tags = 2), true },
		{ "TCP to nobody", TO_ELSE(.payload = "hello"), false },
		{ "options to nobody", TO_ELSE(.ip_options = 40), false },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX];
		size_t whole = packet_build(&row->packet, frame);

		for (size_t len = ETH_HLEN; len < whole; len++) {
			struct counters before = program_counters(), after;
			int fate = program_run_bytes(frame, len).fate;
			uint64_t counted = 0;

			after = program_counters();
			for (int i = 0; i < COUNTERS; i++)
				counted += after.n[i] - before.n[i];
			CHECK_INT(counted, 1);
			CHECK(fate == XDP_PASS || (row->ours && fate == XDP_DROP));
		}
	}
}

/* What scapy builds for Ether/IP/UDP/VXLAN around the inner packet; see make_expected.py. */
#include "tests/bpf/expected.h"

TEST(the_wrapped_packet_is_what_another_implementation_builds)
{
	static const struct {
		const char *name;
		struct packet packet;
		const uint8_t *want;
		size_t want_len;
	} rows[] = {
		{ "IPv4", TO_VIP(.flags = SYN, .seq = 1), expected_v4, sizeof(expected_v4) },
		{ "IPv4 with a tag and padding",
		  TO_VIP(.flags = SYN, .seq = 1, .vlan_tags = 1, .pad = 9), expected_v4,
		  sizeof(expected_v4) },
		{ "IPv6", TO_VIP6(.flags = SYN, .seq = 1), expected_v6, sizeof(expected_v6) },
	};
	enum { UDP_SPORT_AT = ETH_HLEN + 20 };

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct outcome got = program_run(&row->packet);
		uint16_t sport =
			(uint16_t)(got.bytes[UDP_SPORT_AT] << 8 | got.bytes[UDP_SPORT_AT + 1]);

		CHECK(sport >= 49152); /* the flow's hash, in the dynamic range */
		memcpy(got.bytes + UDP_SPORT_AT, row->want + UDP_SPORT_AT, 2);
		CHECK_BYTES(got.bytes, got.len, row->want, row->want_len);
	}
}

/* Endpoint 1 is reached through the device on which packets come, 2 through another. */
enum { BY_1 = XDP_TX, BY_2 = XDP_REDIRECT };

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
		setup();
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

TEST(what_cannot_be_sent_is_counted_by_its_reason)
{
	static const struct {
		const char *name;
		uint32_t hop, flags;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "the next hop is not resolved", HOP_UNREADY, ENDPOINT_USED, XDP_PASS,
		  COUNT_UNRESOLVED },
		{ "it does not fit the tunnel", HOP_SMALL, ENDPOINT_USED, XDP_DROP, COUNT_TOO_BIG },
		{ "its endpoint is down", HOP_BACK, ENDPOINT_USED | ENDPOINT_DOWN, XDP_DROP,
		  COUNT_NO_ENDPOINT },
		{ "its slot is empty", HOP_BACK, 0, XDP_DROP, COUNT_NO_ENDPOINT },
	};
	struct packet syn = TO_VIP(.flags = SYN, .sport = 4300);

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		struct counters before;

		add_endpoint(1, row->hop, 1, row->flags);
		before = program_counters();
		CHECK_INT(program_run(&syn).fate, row->fate);
		check_only_counted(&before, row->counted);
	}
}

/* A VXLAN packet around an inner one, built by hand around packet_build. */
static size_t wrap(uint8_t *out, const char *from, uint32_t vni, uint32_t flags,
		   const struct packet *inner)
{
	uint8_t inside[PACKET_BYTES_MAX], outer[PACKET_BYTES_MAX];
	size_t inside_len = packet_build(inner, inside), head;
	char filler[PACKET_BYTES_MAX];
	struct packet udp =
		UDP4(.src = from, .dst = TUNNEL, .sport = 50000, .dport = 4789, .payload = filler);
	uint32_t vx[2] = { htonl(flags), htonl(vni << 8) };

	memset(filler, 'x', 8 + inside_len);
	filler[8 + inside_len] = 0;
	head = packet_build(&udp, outer) - 8 - inside_len;
	memcpy(out, outer, head);
	memcpy(out + head, vx, sizeof(vx));
	memcpy(out + head + 8, inside, inside_len);
	return head + 8 + inside_len;
}

TEST(vxlan_for_us_is_unwrapped_only_from_those_we_know)
{
	static const struct {
		const char *name;
		const char *from;
		uint32_t vni, flags;
		struct packet inner;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "to the stack", HOST, VNI, 0x08000000, TO_ELSE(.payload = "x"), XDP_PASS,
		  COUNT_DECAP_TO_STACK },
		{ "to a vip of ours", HOST, VNI, 0x08000000, TO_VIP(.flags = SYN, .sport = 4400),
		  XDP_TX, COUNT_FORWARDED },
		{ "from an unknown vtep", "192.0.3.22", VNI, 0x08000000, TO_ELSE(.payload = "x"),
		  XDP_DROP, COUNT_TUNNEL_UNKNOWN },
		{ "of an unknown VNI", HOST, VNI + 1, 0x08000000, TO_ELSE(.payload = "x"), XDP_DROP,
		  COUNT_TUNNEL_UNKNOWN },
		{ "without a VNI", HOST, VNI, 0, TO_ELSE(.payload = "x"), XDP_DROP,
		  COUNT_TUNNEL_BAD },
	};

	NEED_PROGRAM;
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX], inside[PACKET_BYTES_MAX];
		size_t len = wrap(frame, row->from, row->vni, row->flags, &row->inner);
		size_t inside_len = packet_build(&row->inner, inside);
		struct counters before = program_counters();
		struct outcome got = program_run_bytes(frame, len);

		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate == XDP_PASS)
			CHECK_BYTES(got.bytes, got.len, inside, inside_len);
	}
}
