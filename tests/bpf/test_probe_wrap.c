/* What our own stack sends with a probe's mark, through tc_egress. */
#include "tests/harness/packet.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <unistd.h>

#include "tc_egress.skel.h"

#define OURS    "192.0.2.10"
#define OURS6   "2001:db8:2::10"
#define VIP     "203.0.113.53"
#define VIP6    "2001:db8:53::53"
#define HOST    "192.0.3.21"
#define HOST6   "2001:db8:3::21"
#define TUNNEL  "192.0.2.11"
#define TUNNEL6 "2001:db8:2::11"

enum { VNI = 5001, LO = 1, ELSEWHERE = 999, HOP = 4, ID = 9, WRAP4 = 50, WRAP6 = 70 };

static struct tc_egress *tc;

static bool program_ready(void)
{
	struct bpf_map *map;
	int err;

	if (tc || geteuid() != 0)
		return tc;
	tc = tc_egress__open();
	bpf_object__for_each_map(map, tc->obj)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	err = tc_egress__load(tc);
	if (err) {
		tc_egress__destroy(tc);
		tc = NULL;
		CHECK_INT(err, -EPERM); /* anything else is the program's fault, and no skip */
	}
	return tc;
}

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	if (strchr(text, ':')) {
		inet_pton(AF_INET6, text, out);
	} else {
		out[2] = htonl(0xffff);
		inet_pton(AF_INET, text, &out[3]);
	}
}

static const uint8_t mac_of_endpoint[6] = { 2, 0, 0, 0, 0, 4 };
static const uint8_t mac_of_ours[6] = { 2, 0x73, 0x68, 0x75, 0x6e, 0 };
static const uint8_t mac_of_hop[6] = { 2, 0, 0, 0, 0, 9 };

struct way {
	const char *host, *tunnel;
	uint32_t ifindex, ready, flags;
	uint16_t mtu;
};

static const struct way good = { HOST, TUNNEL, LO, 1, ENDPOINT_USED, 1500 };

static bool set_way(const struct way *way)
{
	struct endpoint_entry e = { .next_hop = HOP, .vni = VNI, .flags = way->flags };
	struct next_hop hop = { .ifindex = way->ifindex,
				.ready = way->ready,
				.mtu = way->mtu,
				.src_mac = { 2, 0, 0, 0, 0, 8 } };
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION };
	uint32_t id = ID, at = HOP, zero = 0;

	if (!program_ready())
		return false;
	memcpy(e.inner_dst, mac_of_endpoint, 6);
	memcpy(e.inner_src, mac_of_ours, 6);
	memcpy(hop.dst_mac, mac_of_hop, 6);
	ip_into(e.vtep, way->host);
	ip_into(s.tunnel, way->tunnel);
	program_set(tc->maps.shunt_endpoints, &id, &e);
	program_set(tc->maps.shunt_next_hops, &at, &hop);
	program_set(tc->maps.shunt_settings, &zero, &s);
	return true;
}

#define NEED_WAY(way)                                                                              \
	do {                                                                                       \
		if (!set_way(way))                                                                 \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

static int run(const struct packet *packet, uint32_t mark, uint8_t *out, size_t *out_len)
{
	uint8_t frame[PACKET_BYTES_MAX];
	struct __sk_buff in = { .mark = mark, .ifindex = LO }, left = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out,
		    .data_size_out = PACKET_BYTES_MAX, .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &left, .ctx_size_out = sizeof(left), .repeat = 1);

	opts.data_size_in = (uint32_t)packet_build(packet, frame);
	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(tc->progs.tc_egress), &opts), 0);
	*out_len = opts.data_size_out;
	if (*out_len > opts.data_size_in) /* what is wrapped is not wrapped again */
		CHECK_INT(left.mark, 0);
	return (int)opts.retval;
}

static uint64_t counted(enum counter which)
{
	struct tally per_cpu[1024];
	uint64_t sum = 0;
	uint32_t key = which;

	CHECK_INT(bpf_map_lookup_elem(bpf_map__fd(tc->maps.shunt_counters), &key, per_cpu), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += per_cpu[i].packets;
	return sum;
}

#define PROBE(...)  TCP4(.src = OURS, .dst = VIP, .sport = 4000, .dport = 53, __VA_ARGS__)
#define PROBE6(...) TCP4(.src = OURS6, .dst = VIP6, .sport = 4000, .dport = 53, __VA_ARGS__)

/* The outer IP header is one of `tunnel` to `host`, of the right length and sum. */
static void check_outer(const uint8_t *got, size_t len, const struct way *way, size_t inner)
{
	bool v6 = strchr(way->host, ':');
	const uint8_t *ip = got + ETH_HLEN;
	__be32 src[4], dst[4];

	ip_into(src, way->tunnel);
	ip_into(dst, way->host);
	CHECK_INT(len, inner + (v6 ? WRAP6 : WRAP4));
	CHECK_INT(got[12] << 8 | got[13], v6 ? ETH_P_IPV6 : ETH_P_IP);
	CHECK(memcmp(got, mac_of_hop, 6) == 0);
	if (v6) {
		CHECK_INT(ip[4] << 8 | ip[5], len - ETH_HLEN - 40);
		CHECK(memcmp(ip + 8, src, 16) == 0 && memcmp(ip + 24, dst, 16) == 0);
	} else {
		uint32_t sum = 0;

		CHECK_INT(ip[2] << 8 | ip[3], len - ETH_HLEN);
		CHECK(memcmp(ip + 12, &src[3], 4) == 0 && memcmp(ip + 16, &dst[3], 4) == 0);
		for (int i = 0; i < 20; i += 2)
			sum += (uint32_t)ip[i] << 8 | ip[i + 1];
		CHECK_INT((sum & 0xffff) + (sum >> 16), 0xffff);
		CHECK_INT(ip[6] << 8 | ip[7], 0x4000); /* don't fragment: too small a way shows */
	}
}

TEST(what_is_marked_goes_to_the_endpoint_as_a_client_s_packet_would)
{
	static const struct way over6 = { HOST6, TUNNEL6, LO, 1, ENDPOINT_USED, 1500 };
	static const struct way drains = { HOST, TUNNEL, LO, 1, ENDPOINT_USED | ENDPOINT_DRAINING,
					   1500 };
	static const struct way down = { HOST, TUNNEL, LO, 1, ENDPOINT_USED | ENDPOINT_DOWN, 1500 };
	static const struct {
		const char *name;
		struct packet packet;
		const struct way *way;
	} rows[] = {
		{ "a SYN", PROBE(.flags = 2), &good },
		{ "data", PROBE(.payload = "GET / HTTP/1.0\r\n\r\n"), &good },
		{ "UDP", UDP4(.src = OURS, .dst = VIP, .sport = 4000, .dport = 53, .payload = "q"),
		  &good },
		{ "IPv6 in IPv4", PROBE6(.flags = 2), &good },
		{ "IPv4 in IPv6", PROBE(.flags = 2), &over6 },
		{ "IPv6 in IPv6", PROBE6(.payload = "x"), &over6 },
		{ "to one that drains", PROBE(.flags = 2), &drains },
		{ "to one that is down", PROBE(.flags = 2), &down },
	};

	FOR_ROWS (row, rows) {
		uint8_t got[PACKET_BYTES_MAX] = { 0 }, plain[PACKET_BYTES_MAX];
		size_t inner = packet_build(&row->packet, plain), len, head;
		uint64_t wrapped;
		uint8_t *udp;

		NEED_WAY(row->way);
		wrapped = counted(COUNT_EGRESS_WRAPPED);
		CHECK_INT(run(&row->packet, PROBE_MARK | ID, got, &len), TC_ACT_UNSPEC);
		CHECK_INT(counted(COUNT_EGRESS_WRAPPED) - wrapped, 1);
		check_outer(got, len, row->way, inner);
		head = len - inner;
		udp = got + ETH_HLEN + (head == WRAP6 ? 40 : 20);
		CHECK_INT(udp[2] << 8 | udp[3], VXLAN_PORT);
		CHECK_INT(udp[4] << 8 | udp[5], 8 + 8 + inner);
		CHECK_INT(udp[8], 8);
		CHECK_INT(udp[12] << 16 | udp[13] << 8 | udp[14], VNI);
		CHECK(memcmp(got + head, mac_of_endpoint, 6) == 0);
		CHECK(memcmp(got + head + 6, mac_of_ours, 6) == 0);
		CHECK(memcmp(got + head + 12, plain + 12, inner - 12) ==
		      0); /* the type, all bytes */
	}
}

TEST(what_cannot_be_wrapped_never_leaves_for_another_place)
{
	static const struct way unready = { HOST, TUNNEL, LO, 0, ENDPOINT_USED, 1500 };
	static const struct way unused = { HOST, TUNNEL, LO, 1, 0, 1500 };
	static const struct way small = { HOST, TUNNEL, LO, 1, ENDPOINT_USED, 89 };
	static const struct {
		const char *name;
		const struct way *way;
		uint32_t mark;
	} rows[] = {
		{ "the next hop has no MAC yet", &unready, PROBE_MARK | ID },
		{ "nobody has this id", &unused, PROBE_MARK | ID },
		{ "an id beyond the table", &good, PROBE_MARK | PROBE_MARK_ID },
		{ "a byte more than fits", &small, PROBE_MARK | ID },
	};
	struct packet syn = PROBE(.flags = 2);

	FOR_ROWS (row, rows) {
		uint8_t got[PACKET_BYTES_MAX];
		uint64_t unsent;
		size_t len;

		NEED_WAY(row->way);
		unsent = counted(COUNT_EGRESS_UNSENT);
		CHECK_INT(run(&syn, row->mark, got, &len), TC_ACT_SHOT);
		CHECK_INT(counted(COUNT_EGRESS_UNSENT) - unsent, 1);
	}
}

TEST(a_packet_of_just_the_size_goes_and_another_device_gets_its_own)
{
	struct way way = { HOST, TUNNEL, LO, 1, ENDPOINT_USED, 90 };
	struct packet syn = PROBE(.flags = 2);
	uint8_t got[PACKET_BYTES_MAX];
	size_t len;

	NEED_WAY(&way);
	CHECK_INT(run(&syn, PROBE_MARK | ID, got, &len), TC_ACT_UNSPEC);
	way.ifindex = ELSEWHERE;
	NEED_WAY(&way);
	CHECK_INT(run(&syn, PROBE_MARK | ID, got, &len), TC_ACT_REDIRECT);
}

TEST(on_the_same_link_only_the_frame_s_addresses_change)
{
	struct packet syn = PROBE(.flags = 2);
	uint8_t got[PACKET_BYTES_MAX], plain[PACKET_BYTES_MAX];
	size_t len, whole = packet_build(&syn, plain);
	struct next_hop hop = {
		.ifindex = LO, .ready = 1, .mtu = 1500, .src_mac = { 2, 0, 0, 0, 0, 8 }
	};
	uint32_t at = HOP, mark = PROBE_MARK | PROBE_MARK_DIRECT | ID;

	NEED_WAY(&good);
	CHECK_INT(run(&syn, mark, got, &len), TC_ACT_SHOT); /* a router is between us */
	memcpy(hop.dst_mac, mac_of_hop, 6);
	ip_into(hop.via, HOST);
	program_set(tc->maps.shunt_next_hops, &at, &hop);
	CHECK_INT(run(&syn, mark, got, &len), TC_ACT_UNSPEC);
	CHECK_INT(len, whole);
	CHECK(memcmp(got, mac_of_hop, 6) == 0);
	CHECK(memcmp(got + 6, hop.src_mac, 6) == 0);
	CHECK(memcmp(got + 12, plain + 12, whole - 12) == 0);
}

TEST(marks_of_others_are_left_alone)
{
	static const uint32_t marks[] = { 0, 1, ID, 0x73600000 | ID, 0xf3680000 | ID };
	struct packet syn = PROBE(.flags = 2);
	uint8_t got[PACKET_BYTES_MAX], plain[PACKET_BYTES_MAX];
	size_t len, whole = packet_build(&syn, plain);

	NEED_WAY(&good);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		CHECK_INT(run(&syn, marks[i], got, &len), TC_ACT_UNSPEC);
		CHECK_INT(len, whole);
		CHECK(memcmp(got, plain, whole) == 0);
	}
}

#define INSIDE "172.16.0.250"
#define TENANT(...)                                                                                \
	TCP4(.src = INSIDE, .dst = "172.16.0.4", .sport = 4000, .dport = 80, __VA_ARGS__)

/* Our address in a vpc: what leaves from it stays in that vpc. */
static void own_inside(uint32_t vni)
{
	static struct maps *maps;
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION };
	__be32 ip[4];

	if (!maps)
		maps = maps_open(tc->maps.shunt_settings, tc->maps.shunt_addrs, tc->maps.shunt_vips,
				 NULL, NULL);
	ip_into(s.tunnel, TUNNEL);
	ip_into(ip, INSIDE);
	maps_settings(maps, &s);
	maps_addr(maps, ip, ADDR_SPLICES | ADDR_OWN);
	maps_inside(maps, ip, vni);
	maps_commit(maps);
}

TEST(what_comes_from_our_address_in_a_vpc_leaves_in_its_tunnel_or_not_at_all)
{
	static const struct {
		const char *name;
		uint32_t vni, mark;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "to an endpoint there", VNI, PROBE_MARK | ID, TC_ACT_UNSPEC,
		  COUNT_EGRESS_WRAPPED },
		{ "to an id that another vpc's endpoint has by now", VNI + 1, PROBE_MARK | ID,
		  TC_ACT_SHOT, COUNT_EGRESS_UNSENT },
		{ "to nobody: a reset of the stack's", VNI, 0, TC_ACT_SHOT, COUNT_EGRESS_UNSENT },
	};
	struct packet syn = TENANT(.flags = 2);

	FOR_ROWS (row, rows) {
		uint8_t got[PACKET_BYTES_MAX];
		uint64_t before;
		size_t len;

		NEED_WAY(&good);
		own_inside(row->vni);
		before = counted(row->counted);
		CHECK_INT(run(&syn, row->mark, got, &len), row->fate);
		CHECK_INT(counted(row->counted) - before, 1);
	}
}
