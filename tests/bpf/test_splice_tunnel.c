/* A splice to an endpoint in a vpc: wrapped on its way there, unwrapped on the way back. */
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

#define CLIENT   "198.51.100.2"
#define VIP      "203.0.113.10"
#define INSIDE   "172.16.0.250" /* ours in the vpc */
#define ENDPOINT "172.16.0.4"
#define HOST     "192.0.3.21"
#define TUNNEL   "192.0.2.10"

enum { SLOT = 3, TO_HOST = 9, TO_CLIENT = 10, GENERATION = 5, VNI = 5001, OTHER_VNI = 5002 };
enum { WRAP = 50, VXLAN_AT = ETH_HLEN + 20 + 8, INNER_AT = VXLAN_AT + 8, MTU = 1500 };
enum { C_SEQ = 1000, E_SEQ = 2000, C_DELTA = 0x1000, E_DELTA = 0x7000 };

static const uint8_t endpoint_mac[6] = { 2, 0, 0, 0, 0, 4 };
static struct xdp_ingress *x;

static void ip_into(__be32 out[4], const char *text)
{
	memset(out, 0, 16);
	out[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &out[3]);
}

static struct flow_key key_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key = { .sport = htons(sport),
				.dport = htons(dport),
				.proto = IPPROTO_TCP };

	ip_into(key.src, src);
	ip_into(key.dst, dst);
	return key;
}

static void put_splice(void)
{
	struct splice sp = { .state = SPLICE_SPLICED, .generation = GENERATION };
	struct splice_dir *c = &sp.dir[0], *e = &sp.dir[1];
	uint32_t slot = SLOT;

	c->out = key_of(INSIDE, 20000, ENDPOINT, 80);
	e->out = key_of(VIP, 443, CLIENT, 4000);
	c->next_hop = TO_HOST;
	e->next_hop = TO_CLIENT;
	c->wraps = WRAP;
	c->seq_delta = C_DELTA;
	c->ack_delta = E_DELTA;
	e->seq_delta = -(uint32_t)E_DELTA;
	e->ack_delta = -(uint32_t)C_DELTA;
	c->floor = c->krcv = c->max_seq = C_SEQ;
	c->drain = c->max_ack = E_SEQ - E_DELTA;
	e->floor = e->krcv = e->max_seq = E_SEQ;
	e->drain = e->max_ack = C_SEQ + C_DELTA;
	c->window = e->window = 0xffff;
	ip_into(sp.tunnel.vtep, HOST);
	sp.tunnel.vni = VNI;
	memcpy(sp.tunnel.inner_dst, endpoint_mac, 6);
	program_set(x->maps.shunt_splices, &slot, &sp);
}

static void put_hop(uint32_t index, uint8_t last)
{
	struct next_hop hop = { .ifindex = RUN_IFINDEX,
				.ready = 1,
				.mtu = MTU,
				.dst_mac = { 2, 0, 0, 0, 0, last },
				.src_mac = { 2, 0, 0, 0, 0, 8 } };

	program_set(x->maps.shunt_next_hops, &index, &hop);
}

static bool setup(void)
{
	struct flow_key c = key_of(CLIENT, 4000, VIP, 443), e = key_of(ENDPOINT, 80, INSIDE, 20000);
	struct settings s = { .abi_version = ABI_VERSION };
	const uint32_t vnis[] = { VNI, OTHER_VNI };
	struct vtep_key vtep = { 0 };
	uint8_t one = 1;

	x = program_load();
	if (!x)
		return false;
	ip_into(s.tunnel, TUNNEL);
	ip_into(vtep.addr, HOST);
	maps_settings(program_maps(), &s);
	maps_addr(program_maps(), s.tunnel, ADDR_TUNNEL);
	maps_addr(program_maps(), c.dst, ADDR_SPLICES);
	maps_addr(program_maps(), e.dst, ADDR_SPLICES | ADDR_OWN);
	maps_inside(program_maps(), e.dst, VNI);
	for (int i = 0; i < 2; i++) { /* both tenants are behind one host */
		vtep.vni = vnis[i];
		program_set(x->maps.shunt_vteps, &vtep, &one);
	}
	put_hop(TO_HOST, 9);
	put_hop(TO_CLIENT, 10);
	maps_splice(program_maps(), &c, 0, SLOT, GENERATION);
	maps_splice(program_maps(), &e, 1, SLOT, GENERATION);
	put_splice();
	return true;
}

#define NEED_PROGRAM                                                                               \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
	} while (0)

#define FROM_C(...)                                                                                \
	TCP4(.src = CLIENT, .dst = VIP, .sport = 4000, .dport = 443, .seq = C_SEQ,                 \
	     .ack = E_SEQ - E_DELTA, __VA_ARGS__)
#define FROM_E(...)                                                                                \
	TCP4(.src = ENDPOINT, .dst = INSIDE, .sport = 80, .dport = 20000, .seq = E_SEQ,            \
	     .ack = C_SEQ + C_DELTA, __VA_ARGS__)

/* The packet in VXLAN from the host. */
static size_t wrapped(uint8_t out[PACKET_BYTES_MAX], uint32_t vni, const struct packet *inner)
{
	uint8_t inside[PACKET_BYTES_MAX];
	size_t len = packet_build(inner, inside);
	uint32_t vx[2] = { htonl(0x08000000), htonl(vni << 8) };
	char filler[PACKET_BYTES_MAX];
	struct packet udp =
		UDP4(.src = HOST, .dst = TUNNEL, .sport = 50000, .dport = 4789, .payload = filler);

	memset(filler, 'x', sizeof(vx) + len);
	filler[sizeof(vx) + len] = 0;
	packet_build(&udp, out);
	memcpy(out + VXLAN_AT, vx, sizeof(vx));
	memcpy(out + INNER_AT, inside, len);
	return INNER_AT + len;
}

/* From our vtep to the host's, of the right length and sum; UDP has none (RFC 7348, 4.1). */
static void check_outer(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;
	__be32 src[4], dst[4];
	uint32_t sum = 0;

	ip_into(src, TUNNEL);
	ip_into(dst, HOST);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	CHECK_INT((sum & 0xffff) + (sum >> 16), 0xffff);
	CHECK_INT(ip[2] << 8 | ip[3], len - ETH_HLEN);
	CHECK_BYTES(ip + 12, 4, (const uint8_t *)&src[3], 4);
	CHECK_BYTES(ip + 16, 4, (const uint8_t *)&dst[3], 4);
	CHECK_INT(ip[22] << 8 | ip[23], VXLAN_PORT);
	CHECK_INT(ip[24] << 8 | ip[25], len - ETH_HLEN - 20);
	CHECK_INT(ip[26] | ip[27], 0);
}

TEST(what_goes_to_the_endpoint_is_wrapped_as_it_will_be_read_there)
{
	struct packet data = FROM_C(.payload = "hello"), want;
	uint8_t plain[PACKET_BYTES_MAX];
	struct counters before;
	struct outcome got;
	size_t len;

	NEED_PROGRAM;
	want = (struct packet)TCP4(.src = INSIDE, .dst = ENDPOINT, .sport = 20000, .dport = 80,
				   .seq = C_SEQ + C_DELTA, .ack = E_SEQ, .ttl = 63,
				   .payload = "hello");
	len = packet_build(&want, plain);
	before = program_counters();
	got = program_run(&data);
	CHECK_INT(got.fate, XDP_TX);
	check_only_counted(&before, COUNT_SPLICED);
	CHECK_INT(got.len, len + WRAP);
	CHECK_INT(got.bytes[5], 9); /* the host's next hop */
	check_outer(got.bytes, got.len);
	CHECK_INT(got.bytes[VXLAN_AT + 4] << 16 | got.bytes[VXLAN_AT + 5] << 8 |
			  got.bytes[VXLAN_AT + 6],
		  VNI);
	CHECK_BYTES(got.bytes + INNER_AT, 6, endpoint_mac, 6);
	CHECK(packet_sums_are_right(got.bytes + INNER_AT, got.len - INNER_AT));
	CHECK_BYTES(got.bytes + INNER_AT + ETH_HLEN, got.len - INNER_AT - ETH_HLEN,
		    plain + ETH_HLEN, len - ETH_HLEN);
}

TEST(what_comes_back_counts_only_in_the_tunnel_of_its_vpc)
{
	static const struct {
		const char *name;
		uint32_t vni; /* 0: in no tunnel */
		int fate;
		enum counter counted;
	} rows[] = {
		{ "as it should", VNI, XDP_TX, COUNT_SPLICED },
		{ "from a tenant with the same address", OTHER_VNI, XDP_DROP,
		  COUNT_TUNNEL_FOREIGN },
		{ "from outside", 0, XDP_DROP, COUNT_TUNNEL_FOREIGN },
	};
	struct packet data = FROM_E(.payload = "hello"), want;
	uint8_t plain[PACKET_BYTES_MAX];
	size_t len;

	want = (struct packet)TCP4(.src = VIP, .dst = CLIENT, .sport = 443, .dport = 4000,
				   .seq = E_SEQ - E_DELTA, .ack = C_SEQ, .ttl = 63,
				   .payload = "hello");
	len = packet_build(&want, plain);
	FOR_ROWS (row, rows) {
		uint8_t frame[PACKET_BYTES_MAX];
		size_t bytes =
			row->vni ? wrapped(frame, row->vni, &data) : packet_build(&data, frame);
		struct counters before;
		struct outcome got;

		NEED_PROGRAM;
		before = program_counters();
		got = program_run_bytes(frame, bytes);
		CHECK_INT(got.fate, row->fate);
		check_only_counted(&before, row->counted);
		if (row->fate != XDP_TX)
			continue;
		CHECK_INT(got.bytes[5], 10);
		CHECK_BYTES(got.bytes + ETH_HLEN, got.len - ETH_HLEN, plain + ETH_HLEN,
			    len - ETH_HLEN);
	}
}

TEST(what_does_not_fit_the_tunnel_is_not_sent_into_it)
{
	char payload[MTU];
	static const struct {
		const char *name;
		uint32_t bytes; /* of the IP packet */
		enum counter counted;
	} rows[] = {
		{ "just", MTU - WRAP, COUNT_SPLICED },
		{ "a byte more", MTU - WRAP + 1, COUNT_TOO_BIG_TOLD },
	};

	FOR_ROWS (row, rows) {
		struct packet data = FROM_C(.payload = payload);
		struct counters before;

		NEED_PROGRAM;
		memset(payload, 'x', row->bytes - 40);
		payload[row->bytes - 40] = 0;
		before = program_counters();
		CHECK_INT(program_run(&data).fate, XDP_TX);
		check_only_counted(&before, row->counted);
	}
}
