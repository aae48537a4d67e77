/* Fragments to an L4 vip follow their first; segments asked for are made to fit the tunnel. */
#include "bpf/abi/sizes.h"
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>

BOTH_TWINS

enum { MORE = 0x2000, LATER = 100, MORE6 = 1, LATER6 = 800, WRAP_BYTES = ETH_HLEN + 50 };

#define DNS(...)  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .sport = 4700, .dport = 53, __VA_ARGS__)
#define DNS6(...) UDP4(.src = L4_CLIENT6, .dst = L4_VIP6, .sport = 4700, .dport = 53, __VA_ARGS__)

static void forget_fragments(void)
{
	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++) {
		uint64_t none = 0;

		program_set(program_load()->maps.shunt_fragments, &i, &none);
	}
}

TEST(a_later_fragment_goes_where_its_first_went_and_no_other)
{
	static const struct {
		const char *name;
		struct packet first, later;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "the same datagram", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER, .id = 7), XDP_TX, COUNT_FORWARDED_STICKY },
		{ "one in the middle", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER | MORE, .id = 7), XDP_TX, COUNT_FORWARDED_STICKY },
		{ "with IPv4 options and tags", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER, .id = 7, .ip_options = 8, .vlan_tags = 2), XDP_TX,
		  COUNT_FORWARDED_STICKY },
		{ "a segment of TCP", L4_DATA(.sport = 4700, .fragment = MORE, .id = 8),
		  L4_DATA(.fragment = LATER, .id = 8), XDP_TX, COUNT_FORWARDED_STICKY },
		{ "IPv6", DNS6(.fragment = MORE6, .id = 7), DNS6(.fragment = LATER6, .id = 7),
		  XDP_TX, COUNT_FORWARDED_STICKY },
		{ "IPv6 with other headers before",
		  DNS6(.fragment = MORE6, .id = 7, .hop_headers = 1),
		  DNS6(.fragment = LATER6, .id = 7, .hop_headers = 1), XDP_TX,
		  COUNT_FORWARDED_STICKY },
		{ "another datagram", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER, .id = 8), XDP_DROP, COUNT_FRAGMENT_LOST },
		{ "another sender", DNS(.fragment = MORE, .id = 7),
		  UDP4(.src = "198.51.100.3", .dst = L4_VIP, .fragment = LATER, .id = 7), XDP_DROP,
		  COUNT_FRAGMENT_LOST },
		{ "another protocol", DNS(.fragment = MORE, .id = 7),
		  L4_DATA(.fragment = LATER, .id = 7), XDP_DROP, COUNT_FRAGMENT_LOST },
		{ "another datagram, IPv6", DNS6(.fragment = MORE6, .id = 7),
		  DNS6(.fragment = LATER6, .id = 8), XDP_DROP, COUNT_FRAGMENT_LOST },
		{ "after a first without listener",
		  UDP4(.src = L4_CLIENT, .dst = L4_VIP, .dport = 9, .fragment = MORE, .id = 9),
		  DNS(.fragment = LATER, .id = 9), XDP_DROP, COUNT_FRAGMENT_LOST },
		{ "a wrong checksum", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER, .id = 7, .checksum_lie = 1), XDP_DROP,
		  COUNT_BAD_CHECKSUM },
		{ "its TTL used up", DNS(.fragment = MORE, .id = 7),
		  DNS(.fragment = LATER, .id = 7, .ttl = 1), XDP_DROP, COUNT_TTL_EXPIRED },
	};
	struct packet whole = DNS(.payload = "x"), whole6 = DNS6(.payload = "x"),
		      data = L4_DATA(.sport = 4700);

	NEED_L4_MAPS;
	CHECK_INT(program_run(&whole).fate, XDP_TX);
	CHECK_INT(program_run(&whole6).fate, XDP_TX);
	CHECK_INT(program_run(&data).fate, XDP_TX);
	/* All that is known from before is with the first endpoint, the rest would be redirected.
	 */
	l4_ring(L4_OTHER);
	FOR_ROWS (row, rows) {
		struct counters before;

		forget_fragments();
		program_run(&row->first);
		before = program_counters();
		CHECK_INT(program_run(&row->later).fate, row->fate);
		check_only_counted(&before, row->counted);
	}
	l4_ring(L4_FIRST);
}

TEST(an_atomic_fragment_is_whole)
{
	/* RFC 6946: neither offset nor more to come; the header alone makes no fragment. */
	struct packet atomic = DNS6(.fragment = 2 /* reserved bits only */, .payload = "q");
	struct counters before;

	NEED_L4_MAPS;
	before = program_counters();
	CHECK_INT(program_run(&atomic).fate, XDP_TX);
	CHECK(program_counters().n[COUNT_FRAGMENT_LOST] == before.n[COUNT_FRAGMENT_LOST]);
}

TEST(a_later_fragment_too_big_is_dropped_without_an_answer)
{
	static char text[1460];
	struct packet first = DNS(.fragment = MORE, .id = 7),
		      later = DNS(.fragment = LATER, .id = 7, .payload = text);
	struct counters before;

	NEED_L4_MAPS;
	memset(text, 'x', sizeof(text) - 1);
	program_run(&first);
	before = program_counters();
	CHECK_INT(program_run(&later).fate, XDP_DROP);
	check_only_counted(&before, COUNT_TOO_BIG);
}

/* Tunnel and headers off 1500: 1410 over IPv4, 1390 over IPv6. */
#define MSS(n) 2, 4, (n) >> 8, (n) & 255

TEST(a_segment_size_that_would_not_fit_is_lowered_and_nothing_else_is_touched)
{
	static const struct {
		const char *name;
		const char *dst;
		uint8_t flags;
		uint8_t len;
		uint8_t options[40], want[40];
	} rows[] = {
		{ "as Linux sends it",
		  L4_VIP,
		  2,
		  20,
		  { MSS(1460), 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 },
		  { MSS(1410), 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 } },
		{ "over IPv6", L4_VIP6, 2, 4, { MSS(1440) }, { MSS(1390) } },
		{ "never raised", L4_VIP, 2, 4, { MSS(536) }, { MSS(536) } },
		{ "exactly", L4_VIP, 2, 4, { MSS(1410) }, { MSS(1410) } },
		{ "one more", L4_VIP, 2, 4, { MSS(1411) }, { MSS(1410) } },
		{ "at an odd place",
		  L4_VIP,
		  2,
		  8,
		  { 1, MSS(1460), 1, 1, 1 },
		  { 1, MSS(1410), 1, 1, 1 } },
		{ "at an odd place, all bits",
		  L4_VIP,
		  2,
		  8,
		  { 1, MSS(65535), 1, 1, 1 },
		  { 1, MSS(1410), 1, 1, 1 } },
		{ "the last of 40",
		  L4_VIP,
		  2,
		  40,
		  { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,        1,
		    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, MSS(1460) },
		  { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,        1,
		    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, MSS(1410) } },
		{ "none is added", L4_VIP, 2, 4, { 1, 1, 4, 2 }, { 1, 1, 4, 2 } },
		{ "behind the end of options",
		  L4_VIP,
		  2,
		  8,
		  { 0, 0, 0, 0, MSS(1460) },
		  { 0, 0, 0, 0, MSS(1460) } },
		{ "behind an option of no length",
		  L4_VIP,
		  2,
		  8,
		  { 9, 0, 1, 1, MSS(1460) },
		  { 9, 0, 1, 1, MSS(1460) } },
		{ "behind one that is too long",
		  L4_VIP,
		  2,
		  8,
		  { 9, 9, 1, 1, MSS(1460) },
		  { 9, 9, 1, 1, MSS(1460) } },
		{ "of a wrong length",
		  L4_VIP,
		  2,
		  8,
		  { 2, 5, 5, 180, 1, 1, 1, 1 },
		  { 2, 5, 5, 180, 1, 1, 1, 1 } },
		{ "cut off", L4_VIP, 2, 4, { 1, 2, 4, 5 }, { 1, 2, 4, 5 } },
		{ "of what begins no connection", L4_VIP, 16, 4, { MSS(1460) }, { MSS(1460) } },
	};

	NEED_L4_MAPS;
	FOR_ROWS (row, rows) {
		bool v6 = strchr(row->dst, ':');
		struct packet packet =
			TCP4(.src = v6 ? L4_CLIENT6 : L4_CLIENT, .dst = row->dst, .sport = 4800,
			     .dport = L4_PORT, .flags = row->flags, .tcp_options = row->options,
			     .tcp_options_len = row->len, .payload = "abc");
		uint8_t want[PACKET_BYTES_MAX];
		struct outcome got = program_run(&packet);
		size_t len;

		CHECK_INT(got.fate, XDP_TX);
		packet.tcp_options = row->want;
		packet.ttl = 63;
		len = packet_build(&packet, want);
		CHECK_BYTES(got.bytes + WRAP_BYTES, got.len - WRAP_BYTES, want + ETH_HLEN,
			    len - ETH_HLEN);
	}
}
