#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "tests/harness/packet.h"
#include "tests/harness/test.h"
#include "userspace/control/packet_words.h"

TEST(words_are_the_packet_that_they_say)
{
	static const struct {
		const char *name, *text;
		struct packet want;
	} rows[] = {
		{ "TCP, a SYN",
		  "tcp 198.51.100.7:4000 > 203.0.113.10:443",
		  { .proto = 6,
		    .flags = 2,
		    .src = "198.51.100.7",
		    .dst = "203.0.113.10",
		    .sport = 4000,
		    .dport = 443,
		    .seq = 1,
		    .window = 65535 } },
		{ "flags, in any case and order",
		  "TCP  198.51.100.7:4000 > 203.0.113.10:443 ACK|syn",
		  { .proto = 6,
		    .flags = 18,
		    .src = "198.51.100.7",
		    .dst = "203.0.113.10",
		    .sport = 4000,
		    .dport = 443,
		    .seq = 1,
		    .window = 65535 } },
		{ "UDP over IPv6",
		  "udp [2001:db8::7]:4000 > [2001:db8::10]:53 ttl 3",
		  { .proto = 17,
		    .src = "2001:db8::7",
		    .dst = "2001:db8::10",
		    .sport = 4000,
		    .dport = 53,
		    .ttl = 3 } },
		{ "TCP over IPv6",
		  "tcp [2001:db8::7]:4000 > [2001:db8::10]:53 fin|ack",
		  { .proto = 6,
		    .flags = 17,
		    .src = "2001:db8::7",
		    .dst = "2001:db8::10",
		    .sport = 4000,
		    .dport = 53,
		    .seq = 1,
		    .window = 65535 } },
	};

	FOR_ROWS (row, rows) {
		uint8_t got[PACKET_FRAME_MAX], want[PACKET_BYTES_MAX];
		size_t want_len = packet_build(&row->want, want), got_len;
		struct packet_words words;
		struct err err = { "" };

		if (!packet_words_parse(row->text, &words, &err))
			CHECK_STR(err.text, "");
		got_len = packet_words_build(&words, got);
		CHECK_BYTES(got, got_len, want, want_len);
	}
}

TEST(length_and_tags_are_built_and_read_back)
{
	uint8_t frame[PACKET_FRAME_MAX];
	struct packet_words words;
	struct frame_view view;
	struct err err;

	CHECK(packet_words_parse("udp 198.51.100.7:4000 > 203.0.113.10:53 vlan 12 len 101 vlan 7",
				 &words, &err));
	CHECK_INT(words.vlan_count, 2);
	CHECK_INT(packet_words_build(&words, frame), 14 + 8 + 20 + 8 + 101);
	view = frame_view_read(frame, 14 + 8 + 20 + 8 + 101);
	CHECK(view.ip && !view.vxlan);
	CHECK_INT(view.vlan, 12);
	CHECK_INT(view.ttl, 64);
	CHECK_STR(addr_print(&view.src).text, "198.51.100.7:4000");
	CHECK_STR(addr_print(&view.dst).text, "203.0.113.10:53");
	CHECK(packet_words_parse("tcp 198.51.100.7:1 > 203.0.113.10:2 len 333", &words, &err));
	CHECK_INT(packet_words_build(&words, frame), 14 + 40 + 333);
	CHECK(packet_sums_are_right(frame, 14 + 40 + 333));
}

TEST(a_wrong_word_gets_a_sentence)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "nothing", "", "a packet begins with tcp or udp, found \"\"" },
		{ "another protocol", "sctp 1.2.3.4:5 > 1.2.3.5:6",
		  "a packet begins with tcp or udp, found \"sctp\"" },
		{ "no port", "tcp 1.2.3.4 > 1.2.3.5:6",
		  "expected a source such as 198.51.100.7:4000 or [2001:db8::7]:4000, found "
		  "\"1.2.3.4\"" },
		{ "no arrow", "tcp 1.2.3.4:5 1.2.3.5:6",
		  "expected \">\" behind the source, found \"1.2.3.5:6\"" },
		{ "no destination", "tcp 1.2.3.4:5 >",
		  "expected a destination such as 203.0.113.10:443, found \"\"" },
		{ "both families", "tcp 1.2.3.4:5 > [2001:db8::1]:6",
		  "source and destination must both be IPv4, or both IPv6" },
		{ "an unknown flag", "tcp 1.2.3.4:5 > 1.2.3.5:6 syn|sin",
		  "expected flags of TCP such as syn|ack, or len, ttl or vlan with a number, found "
		  "\"syn|sin\"" },
		{ "a bar at the end", "tcp 1.2.3.4:5 > 1.2.3.5:6 syn|",
		  "expected flags of TCP such as syn|ack, or len, ttl or vlan with a number, found "
		  "\"syn|\"" },
		{ "flags of UDP", "udp 1.2.3.4:5 > 1.2.3.5:6 syn",
		  "expected len, ttl or vlan with a number, found \"syn\"" },
		{ "too long", "udp 1.2.3.4:5 > 1.2.3.5:6 len 3001",
		  "\"len\" takes a number from 0 to 3000, found \"3001\"" },
		{ "a number that is none", "udp 1.2.3.4:5 > 1.2.3.5:6 vlan -1",
		  "\"vlan\" takes a number from 1 to 4094, found \"-1\"" },
		{ "a number that is missing", "udp 1.2.3.4:5 > 1.2.3.5:6 ttl",
		  "\"ttl\" takes a number from 1 to 255, found \"\"" },
		{ "three tags", "udp 1.2.3.4:5 > 1.2.3.5:6 vlan 1 vlan 2 vlan 3",
		  "a packet has at most 2 vlan tags" },
	};

	FOR_ROWS (row, rows) {
		struct packet_words words = { .proto = 99 };
		struct err err = { "" };

		CHECK(!packet_words_parse(row->text, &words, &err));
		CHECK_STR(err.text, row->want);
		CHECK_INT(words.proto, 99);
	}
}

TEST(a_frame_that_ends_anywhere_is_read_without_harm)
{
	uint8_t frame[PACKET_FRAME_MAX];
	struct packet_words words;
	struct err err;
	size_t len;

	CHECK(packet_words_parse("udp 198.51.100.7:4000 > 203.0.113.10:4789 vlan 1 len 8", &words,
				 &err));
	len = packet_words_build(&words, frame);
	frame[len - 2] = 5;
	CHECK(frame_view_read(frame, len).vxlan);
	CHECK_INT(frame_view_read(frame, len).vni, 5);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *alone = malloc(cut + 1);

		memcpy(alone, frame, cut);
		CHECK(!frame_view_read(alone, cut).vxlan);
		free(alone);
	}
}
