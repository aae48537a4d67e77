/* L4 and L7 vips, odd packets, VXLAN in and out, through the verified program. */
#include "tests/harness/ingress_lab.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

BOTH_TWINS

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
		{ "TTL used up", TO_VIP(.flags = SYN, .ttl = 1), XDP_TX, COUNT_TTL_TOLD },
		{ "hop limit used up", TO_VIP6(.flags = SYN, .ttl = 1), XDP_TX, COUNT_TTL_TOLD },
		{ "TTL of a later fragment used up", TO_VIP(.fragment = 10, .ttl = 1), XDP_DROP,
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

TEST(what_cannot_be_sent_is_counted_by_its_reason)
{
	static const struct {
		const char *name;
		uint32_t hop, flags;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "the next hop is not resolved", HOP_UNREADY, ENDPOINT_USED, XDP_DROP,
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
