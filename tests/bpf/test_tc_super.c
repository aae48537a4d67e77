/*
 * Super-packets, and checksums yet to be made, through tc_ingress at a device: what leaves is what
 * XDP would have made of each packet on its own, byte for byte.
 */
#include "tests/harness/l4_maps.h"
#include "tests/harness/tap.h"
#include "tests/harness/tc_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "tc_ingress.skel.h"

enum { SYN = 2, PSH = 8, ACK = 16, PAYLOAD = 1690, MSS = 400 };

static struct tc_ingress *tc;
static uint32_t device;
static char text[PAYLOAD + 1];

static bool attach(struct xdp_ingress *x)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	device = tap_open();
	if (!device)
		return false;
	tc = tc_ingress__open();
	tc_share_maps(tc->obj, x);
	CHECK_INT(tc_ingress__load(tc), 0);
	hook.ifindex = (int)device;
	opts.prog_fd = bpf_program__fd(tc->progs.tc_ingress);
	CHECK_INT(bpf_tc_hook_create(&hook), 0);
	CHECK_INT(bpf_tc_attach(&hook, &opts), 0);
	for (size_t i = 0; i < PAYLOAD; i++)
		text[i] = (char)('a' + i % 23);
	return true;
}

static bool setup(uint16_t mtu, bool direct)
{
	if (!l4_maps() || (!tc && !attach(program_load())))
		return false;
	maps_flag(program_maps(), L4_RING, direct ? VIP_DSR : 0);
	l4_hop(L4_HOP_FIRST, device, mtu);
	if (direct) {
		struct next_hop hop;
		uint32_t index = L4_HOP_FIRST;
		int fd = bpf_map__fd(program_load()->maps.shunt_next_hops);

		CHECK_INT(bpf_map_lookup_elem(fd, &index, &hop), 0);
		l4_ip(hop.via, L4_HOST);
		program_set(program_load()->maps.shunt_next_hops, &index, &hop);
	}
	return true;
}

#define NEED(mtu, direct)                                                                          \
	do {                                                                                       \
		if (!setup(mtu, direct))                                                           \
			TEST_SKIP("a TAP device and BPF programs need root");                      \
	} while (0)

static struct tap_frame frame_of(const struct packet *p, uint32_t mss)
{
	struct tap_frame f = { .how = { 0 } };
	uint8_t bytes[PACKET_BYTES_MAX];

	f.len = packet_build(p, bytes);
	memcpy(f.bytes, bytes, f.len);
	tap_make_partial(&f);
	if (mss) {
		f.how.gso_size = (uint16_t)mss;
		f.how.gso_type =
			strchr(p->src, ':') ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	}
	return f;
}

/* The kernel numbers the tunnel's packets that it cuts; no fragment of them is allowed. */
static void blank_id(struct tap_frame *f)
{
	uint8_t *ip = f->bytes + ETH_HLEN;

	if (f->bytes[12] == 8 && f->bytes[13] == 0)
		ip[4] = ip[5] = ip[10] = ip[11] = 0;
}

static struct tap_frame by_xdp(const struct tap_frame *one)
{
	struct outcome got = program_run_bytes(one->bytes, one->len);
	struct tap_frame want = { .len = got.len };

	CHECK_INT(got.fate, XDP_REDIRECT); /* to the device, as it comes from lo */
	memcpy(want.bytes, got.bytes, got.len);
	return want;
}

/* The next packet that left, cut from a super-packet where it still is one. */
static bool next_out(struct tap_frame *super, uint32_t *cut, struct tap_frame *out)
{
	if (super->how.gso_size && tap_segment(super, ++*cut, out))
		return true;
	if (!tap_take(super))
		return false;
	*cut = 0;
	if (super->how.gso_size)
		return tap_segment(super, 0, out);
	*out = *super;
	tap_finish(out);
	super->how.gso_size = 0;
	return true;
}

static uint64_t packets_counted(void)
{
	struct counters c = program_counters();
	uint64_t sum = 0;

	for (int i = 0; i < COUNTERS; i++)
		sum += c.n[i];
	return sum;
}

/* begin: brings what the packets move to where it was; may be NULL. */
static void leaves_as_by_xdp(const struct tap_frame *in, void (*begin)(void))
{
	struct tap_frame one = *in, got, super = { .len = 0 };
	uint32_t cut = 0, i = 0;
	uint64_t before;

	if (begin)
		begin();
	before = packets_counted();
	tap_send(in);
	CHECK_INT(packets_counted() - before, 1); /* it stayed whole */
	if (begin)
		begin();
	if (!in->how.gso_size)
		tap_finish(&one);
	while (!in->how.gso_size ? i == 0 : tap_segment(in, i, &one)) {
		struct tap_frame want = by_xdp(&one);

		CHECK(next_out(&super, &cut, &got));
		blank_id(&got);
		blank_id(&want);
		CHECK_BYTES(got.bytes, got.len, want.bytes, want.len);
		i++;
	}
	CHECK(!next_out(&super, &cut, &got));
}

#define BIG .flags = PSH | ACK, .seq = 0xffffff00u, .payload = text, .sport = 4100

TEST(a_super_packet_leaves_as_its_packets_would)
{
	const struct {
		const char *name;
		struct packet packet;
		uint32_t mss;
	} rows[] = {
		{ "one with a partial checksum", L4_DATA(.payload = "hello"), 0 },
		{ "the same, IPv6", L4_DATA6(.payload = "hello"), 0 },
		{ "a datagram with one",
		  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = 53, .payload = "q"), 0 },
		{ "a SYN whose MSS is lowered",
		  L4_DATA(.flags = SYN, .tcp_options = (const uint8_t[]){ 2, 4, 5, 180 },
			  .tcp_options_len = 4),
		  0 },
		{ "segments", L4_DATA(BIG), MSS },
		{ "segments, IPv6", L4_DATA6(BIG), MSS },
		{ "segments of another size", L4_DATA(BIG, .id = 9), 845 },
	};

	for (int direct = 0; direct < 2; direct++) {
		NEED(1500, direct);
		FOR_ROWS (row, rows) {
			struct tap_frame in = frame_of(&row->packet, row->mss);

			leaves_as_by_xdp(&in, NULL);
		}
	}
}

/* What differs where a super-packet is quoted, or a checksum that nobody has made. */
static void blank_quote(struct tap_frame *f)
{
	bool v6 = f->bytes[ETH_HLEN] >> 4 == 6;
	size_t icmp = ETH_HLEN + (v6 ? 40 : 20), ip = icmp + 8, l4 = ip + (v6 ? 40 : 20);

	memset(f->bytes + icmp + 2, 0, 2);
	if (v6) {
		memset(f->bytes + ip + 4, 0, 2);
	} else {
		memset(f->bytes + ip + 2, 0, 4);
		memset(f->bytes + ip + 10, 0, 2);
	}
	memset(f->bytes + l4 + (f->bytes[ip + (v6 ? 6 : 9)] == IPPROTO_TCP ? 16 : 6), 0, 2);
}

static void answer_is_as_by_xdp(struct tap_frame *got, const struct tap_frame *one)
{
	struct outcome out = program_run_bytes(one->bytes, one->len);
	struct tap_frame want = { .len = out.len };

	CHECK_INT(out.fate, XDP_TX);
	memcpy(want.bytes, out.bytes, out.len);
	blank_quote(&want);
	blank_quote(got);
	CHECK_BYTES(got->bytes, got->len, want.bytes, want.len);
}

/* What it quotes is of the super-packet: all else is what XDP says of its first packet. */
TEST(what_is_too_big_is_answered_with_checksums_that_a_device_cannot_spoil)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t mss;
		uint16_t mtu;
	} rows[] = {
		{ "one with a partial checksum", L4_DATA(.payload = text), 0, 500 },
		{ "the same, IPv6", L4_DATA6(.payload = text), 0, 1400 },
		{ "an odd one", L4_DATA(.payload = text + 1), 0, 500 },
		{ "a datagram", UDP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = 53, .payload = text),
		  0, 500 },
		{ "segments", L4_DATA(BIG, .flags = ACK), 600, 500 },
		{ "segments, IPv6", L4_DATA6(BIG, .flags = ACK), 1400, 1400 },
	};

	for (int direct = 0; direct < 2; direct++)
		FOR_ROWS (row, rows) {
			struct tap_frame in, one, got;
			struct counters before;

			NEED(row->mtu, direct);
			in = one = frame_of(&row->packet, row->mss);
			before = program_counters();
			tap_send(&in);
			check_only_counted(&before, COUNT_TOO_BIG_TOLD);
			CHECK(tap_take(&got));
			CHECK_INT(got.how.gso_size, 0);
			CHECK(packet_sums_are_right(got.bytes, got.len)); /* where nobody does */
			tap_finish(&got);
			CHECK(packet_sums_are_right(got.bytes, got.len));
			if (row->mss)
				CHECK(tap_segment(&in, 0, &one));
			else
				tap_finish(&one);
			answer_is_as_by_xdp(&got, &one);
			CHECK(!tap_take(&got));
		}
}

/* To an endpoint of its family; our ports are given out by whichever program sees it first. */
static void translate(bool v6)
{
	struct settings s = { .hash_seed = 7,
			      .abi_version = ABI_VERSION,
			      .workers = 1,
			      .nat_first = 61000,
			      .nat_last = 61999,
			      .nat_v4 = 1,
			      .nat_all = 2 };
	struct endpoint_entry e = { .generation = 1,
				    .next_hop = L4_HOP_FIRST,
				    .flags = ENDPOINT_USED,
				    .port = htons(8080) };
	uint32_t id = L4_FIRST;

	l4_ip(s.nat_sources[0], "192.0.2.10");
	l4_ip(s.nat_sources[1], "2001:db8:2::10");
	maps_settings(program_maps(), &s);
	for (int i = 0; i < 2; i++)
		maps_addr(program_maps(), s.nat_sources[i], ADDR_SPLICES);
	l4_ip(e.vtep, v6 ? "2001:db8:a::2" : "10.0.1.2");
	program_set(program_load()->maps.shunt_endpoints, &id, &e);
	maps_flag(program_maps(), L4_RING, VIP_NAT);
	maps_commit(program_maps());
}

TEST(what_is_translated_leaves_as_its_packets_would)
{
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t mss;
	} rows[] = {
		{ "a SYN", L4_DATA(.flags = SYN, .sport = 4100), 0 },
		{ "its segments", L4_DATA(BIG), MSS },
		{ "a datagram",
		  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 7, .dport = 53, .payload = "q"),
		  0 },
		{ "a SYN, IPv6", L4_DATA6(.flags = SYN, .sport = 4100), 0 },
		{ "its segments, IPv6", L4_DATA6(BIG), MSS },
		{ "a datagram, IPv6",
		  UDP4(.src = L4_CLIENT6, .dst = L4_VIP6, .sport = 7, .dport = 53, .payload = "q"),
		  0 },
	};

	NEED(1500, false);
	FOR_ROWS (row, rows) {
		struct tap_frame in = frame_of(&row->packet, row->mss);

		translate(strchr(row->packet.src, ':'));
		leaves_as_by_xdp(&in, NULL);
	}
}

/* --- splices ---------------------------------------------------------------------------------- */

enum { SLOT = 3, GENERATION = 5, FLOOR = 0x7fffff00, DRAIN = 0x10000000 };

static bool begin_v6;

static struct flow_key key_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	l4_ip(key.src, src);
	l4_ip(key.dst, dst);
	return key;
}

static struct flow_key client_leg(bool v6)
{
	return v6 ? key_of(L4_CLIENT6, 4000, "2001:db8:53::10", 443)
		  : key_of(L4_CLIENT, 4000, "203.0.113.10", 443);
}

static struct flow_key endpoint_leg(bool v6)
{
	return v6 ? key_of("2001:db8:2::10", 20000, "2001:db8:11::2", 80)
		  : key_of("192.0.2.10", 20000, "10.0.1.2", 80);
}

/* From the client's packets on, of which the first is to begin at FLOOR. */
static void begin_splice(void)
{
	struct splice sp = { .state = SPLICE_SPLICED,
			     .generation = GENERATION,
			     .flags = SPLICE_TIMESTAMPS };
	struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];
	uint32_t slot = SLOT;

	c->out = endpoint_leg(begin_v6);
	c->next_hop = e->next_hop = L4_HOP_FIRST;
	c->seq_delta = 0x1000;
	c->ack_delta = 0x7000;
	c->ts_delta = 500;
	c->tsecr_delta = -1500u;
	c->ws_in = 7;
	c->ws_out = 4;
	c->floor = c->krcv = c->max_seq = FLOOR;
	c->drain = c->max_ack = DRAIN;
	e->floor = e->krcv = e->max_seq = DRAIN + 0x7000u;
	e->drain = e->max_ack = FLOOR + 0x1000u;
	c->window = e->window = 0xffff;
	program_set(program_load()->maps.shunt_splices, &slot, &sp);
}

#define FROM_CLIENT(...)                                                                           \
	TCP4(.src = L4_CLIENT, .dst = "203.0.113.10", .sport = 4000, .dport = 443, .seq = FLOOR,   \
	     .ack = DRAIN, .window = 200, __VA_ARGS__)
#define FROM_CLIENT6(...)                                                                          \
	TCP4(.src = L4_CLIENT6, .dst = "2001:db8:53::10", .sport = 4000, .dport = 443,             \
	     .seq = FLOOR, .ack = DRAIN, .window = 200, __VA_ARGS__)
#define STAMPS .tcp_options = stamps, .tcp_options_len = sizeof(stamps)

TEST(segments_of_a_splice_leave_as_one_super_packet_of_the_other_leg)
{
	static const uint8_t stamps[] = { 1, 1, 8, 10, 0, 1, 2, 3, 0, 4, 5, 6 };
	const struct {
		const char *name;
		struct packet packet;
		uint32_t mss;
	} rows[] = {
		{ "one with a partial checksum", FROM_CLIENT(.payload = "hello"), 0 },
		{ "the same with timestamps", FROM_CLIENT(.payload = "hello", STAMPS), 0 },
		{ "an ACK, IPv6", FROM_CLIENT6(STAMPS), 0 },
		{ "segments", FROM_CLIENT(.payload = text, .flags = PSH | ACK), MSS },
		{ "with timestamps", FROM_CLIENT(.payload = text, STAMPS), MSS },
		{ "IPv6", FROM_CLIENT6(.payload = text, .flags = PSH | ACK), MSS },
		{ "IPv6 with timestamps", FROM_CLIENT6(.payload = text, STAMPS), MSS },
	};

	NEED(1500, false);
	FOR_ROWS (row, rows) {
		struct tap_frame in = frame_of(&row->packet, row->mss);
		struct flow_key key;

		begin_v6 = strchr(row->packet.src, ':');
		key = client_leg(begin_v6);
		maps_addr(program_maps(), key.dst, ADDR_SPLICES);
		maps_commit(program_maps());
		maps_splice(program_maps(), &key, 0, SLOT, GENERATION);
		leaves_as_by_xdp(&in, begin_splice);
		maps_splice_remove(program_maps(), &key, SLOT, GENERATION);
	}
}
