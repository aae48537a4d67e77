#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/net/proxy_header.h"

/* Bytes of a literal; fields of a row are spelled with these. */
#define B(bytes) { bytes, sizeof(bytes) - 1 }
#define SIG      "\r\n\r\n\0\r\nQUIT\n"
/* 192.0.2.1:56324 to 198.51.100.2:443 */
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"
/* [2001:db8::1]:56324 to [2001:db8::2]:443 */
#define DB8 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define V6  DB8 "\x01" DB8 "\x02\xdc\x04\x01\xbb"
#define X9  "123456789"
#define X27 X9 X9 X9
#define X81 X27 X27 X27

static enum proxy_header_result parse(struct span in, struct proxy_header *out,
				      enum proxy_header_reason *why)
{
	return proxy_header_parse(in, out, why);
}

/*
 * Every beginning of in asks for more, up to the one that gives the answer; every longer one gives
 * the same. Parses copies of their exact length, so that ASan sees a byte read too far.
 */
static enum proxy_header_result parse_cut(struct span in, enum proxy_header_reason *out_why)
{
	enum proxy_header_result got = PROXY_HEADER_NEED_MORE, now;
	size_t used = 0;

	*out_why = PROXY_HEADER_NONE;
	for (size_t n = 0; n <= in.len; n++, got = now) {
		struct proxy_header header = { .used = 0 };
		enum proxy_header_reason why = PROXY_HEADER_NONE;
		char *copy = must_alloc(n);

		memcpy(copy, in.at, n);
		now = parse(span_make(copy, n), &header, &why);
		free(copy);
		if (got == PROXY_HEADER_NEED_MORE && now != PROXY_HEADER_NEED_MORE) {
			*out_why = why;
			used = now == PROXY_HEADER_DONE ? n : 0;
		} else {
			CHECK_INT(now, got);
		}
		CHECK_INT(why, *out_why);
		CHECK_INT(header.used, used);
	}
	return got;
}

static const char *print(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	struct addr_text text = addr_print(a);

	memcpy(out, text.text, ADDR_TEXT_MAX);
	return out;
}

TEST(a_header_says_who_speaks_to_whom)
{
	static const struct {
		const char *name;
		struct span in;
		const char *source, *destination; /* NULL without addresses */
		size_t behind;                    /* bytes that are not the header's */
		uint8_t version;
		bool is_local, is_datagram;
	} rows[] = {
		{ "v1 over IPv4", B("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
		  "192.0.2.1:56324", "198.51.100.2:443", 0, 1 },
		{ "v1 with a request behind it",
		  B("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET / HTTP/1.1\r\n"),
		  "192.0.2.1:56324", "198.51.100.2:443", 16, 1 },
		{ "v1 with the longest IPv4 addresses",
		  B("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
		  "255.255.255.255:65535", "255.255.255.255:65535", 0, 1 },
		{ "v1 with ports of 0", B("PROXY TCP4 192.0.2.1 0.0.0.0 0 0\r\n"), "192.0.2.1",
		  "0.0.0.0", 0, 1 },
		{ "v1 over IPv6", B("PROXY TCP6 2001:db8::1 ::1 56324 443\r\n"),
		  "[2001:db8::1]:56324", "[::1]:443", 0, 1 },
		{ "v1 over IPv6 in capitals and in full",
		  B("PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:00AF "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		  "[2001:db8::af]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 0, 1 },
		{ "v1 over IPv6 with a mapped address",
		  B("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 1 2\r\n"), "192.0.2.1:1",
		  "198.51.100.2:2", 0, 1 },
		{ "v1 unknown", B("PROXY UNKNOWN\r\n"), NULL, NULL, 0, 1 },
		{ "v1 unknown, with anything behind", B("PROXY UNKNOWN \0 1.2.3.4 x\r\n\r\n"), NULL,
		  NULL, 2, 1 },
		{ "v1 unknown of 107 bytes",
		  B("PROXY UNKNOWN " X81 X9 "0\r\n"
		    "x"),
		  NULL, NULL, 1, 1 },
		{ "v2 over IPv4", B(SIG "\x21\x11\0\x0c" V4 "x"), "192.0.2.1:56324",
		  "198.51.100.2:443", 1, 2 },
		{ "v2 over IPv6", B(SIG "\x21\x21\0\x24" V6 "x"), "[2001:db8::1]:56324",
		  "[2001:db8::2]:443", 1, 2 },
		{ "v2 over IPv4 for UDP", B(SIG "\x21\x12\0\x0c" V4), "192.0.2.1:56324",
		  "198.51.100.2:443", 0, 2, false, true },
		{ "v2 over IPv6 for UDP", B(SIG "\x21\x22\0\x24" V6), "[2001:db8::1]:56324",
		  "[2001:db8::2]:443", 0, 2, false, true },
		{ "v2 for Unix sockets", B(SIG "\x21\x31\0\xd8" X81 X81 X27 X27 "x"), NULL, NULL, 1,
		  2 },
		{ "v2 local", B(SIG "\x20\0\0\0x"), NULL, NULL, 1, 2, true },
		{ "v2 local with addresses", B(SIG "\x20\x11\0\x0c" V4), NULL, NULL, 0, 2, true },
		{ "v2 local with a family that nobody knows and a block of its own",
		  B(SIG "\x20\xff\0\x02zzx"), NULL, NULL, 1, 2, true },
		{ "v2 of unspecified family", B(SIG "\x21\x00\0\x00x"), NULL, NULL, 1, 2 },
		{ "v2 of unspecified family with bytes to skip", B(SIG "\x21\x00\0\x02zzx"), NULL,
		  NULL, 1, 2 },
		{ "v2 over IPv4 of unspecified transport", B(SIG "\x21\x10\0\x00"), NULL, NULL, 0,
		  2 },
	};

	FOR_ROWS (row, rows) {
		enum proxy_header_reason why = PROXY_HEADER_TLV_CUT;
		char text[ADDR_TEXT_MAX];
		struct proxy_header header;

		CHECK_INT(parse(row->in, &header, &why), PROXY_HEADER_DONE);
		CHECK_INT(why, PROXY_HEADER_TLV_CUT); /* untouched */
		CHECK_INT(row->in.len - header.used, row->behind);
		CHECK_INT(header.version, row->version);
		CHECK_INT(header.is_local, row->is_local);
		CHECK_INT(header.is_datagram, row->is_datagram);
		CHECK_INT(header.has_addresses, row->source != NULL);
		CHECK_STR(print(&header.source, text), row->source ? row->source : "::");
		CHECK_STR(print(&header.destination, text),
			  row->destination ? row->destination : "::");
		CHECK_INT(parse_cut(row->in, &why), PROXY_HEADER_DONE);
	}
}

TEST(what_is_no_good_header_is_refused_with_the_reason)
{
	static const struct {
		const char *name;
		struct span in;
		enum proxy_header_reason why;
	} rows[] = {
		{ "HTTP", B("GET / HTTP/1.1\r\n"), PROXY_HEADER_NOT_PROXY },
		{ "HTTP with a method that begins alike",
		  B("PRO"
		    "PFIND"),
		  PROXY_HEADER_NOT_PROXY },
		{ "TLS", B("\x16\x03\x01"), PROXY_HEADER_NOT_PROXY },
		{ "lower case", B("proxy TCP4"), PROXY_HEADER_NOT_PROXY },
		{ "a tab behind PROXY", B("PROXY\tTCP4"), PROXY_HEADER_NOT_PROXY },
		{ "a signature broken at its last byte", B("\r\n\r\n\0\r\nQUIT\r"),
		  PROXY_HEADER_NOT_PROXY },
		{ "an empty line before a request", B("\r\nGET"), PROXY_HEADER_NOT_PROXY },
		{ "no end in 107 bytes", B("PROXY UNKNOWN " X81 X9 "000"), PROXY_HEADER_V1_LONG },
		{ "an end one byte too late", B("PROXY UNKNOWN " X81 X9 "00\r\n"),
		  PROXY_HEADER_V1_LONG },
		{ "LF alone", B("PROXY UNKNOWN\n"), PROXY_HEADER_V1_LINE_END },
		{ "CR alone", B("PROXY UNKNOWN\rx"), PROXY_HEADER_V1_LINE_END },
		{ "CR twice", B("PROXY UNKNOWN\r\r\n"), PROXY_HEADER_V1_LINE_END },
		{ "LF alone in what is ignored", B("PROXY UNKNOWN x\ny\r\n"),
		  PROXY_HEADER_V1_LINE_END },
		{ "no protocol", B("PROXY \r\n"), PROXY_HEADER_V1_PROTOCOL },
		{ "UDP", B("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), PROXY_HEADER_V1_PROTOCOL },
		{ "tcp4 in lower case", B("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_PROTOCOL },
		{ "two spaces behind PROXY", B("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_PROTOCOL },
		{ "UNKNOWN that goes on", B("PROXY UNKNOWNS\r\n"), PROXY_HEADER_V1_PROTOCOL },
		{ "TCP4 and nothing else", B("PROXY TCP4\r\n"), PROXY_HEADER_V1_PROTOCOL },
		{ "two spaces before an address", B("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "an IPv6 address in TCP4", B("PROXY TCP4 ::1 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "a mapped address in TCP4", B("PROXY TCP4 1.2.3.4 ::ffff:5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "an IPv4 address in TCP6", B("PROXY TCP6 ::1 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "a number with a zero in front", B("PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "a number beyond 255", B("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "three numbers", B("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"), PROXY_HEADER_V1_ADDRESS },
		{ "two double colons", B("PROXY TCP6 1::2::3 ::1 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "five digits in a group", B("PROXY TCP6 ::12345 ::1 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "a zone", B("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), PROXY_HEADER_V1_ADDRESS },
		{ "an address in brackets", B("PROXY TCP6 [::1] ::1 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "NUL behind an address", B("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"),
		  PROXY_HEADER_V1_ADDRESS },
		{ "one address", B("PROXY TCP4 1.2.3.4\r\n"), PROXY_HEADER_V1_ADDRESS },
		{ "no ports", B("PROXY TCP4 1.2.3.4 5.6.7.8 \r\n"), PROXY_HEADER_V1_PORT },
		{ "one port", B("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), PROXY_HEADER_V1_PORT },
		{ "an empty port", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n"), PROXY_HEADER_V1_PORT },
		{ "three ports", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), PROXY_HEADER_V1_PORT },
		{ "a space at the end", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port beyond 65535", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port beyond 32 bits", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 4294967297\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port with a zero in front", B("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port of two zeros", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port with a sign", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "a port in hexadecimal", B("PROXY TCP4 1.2.3.4 5.6.7.8 1 0x2\r\n"),
		  PROXY_HEADER_V1_PORT },
		{ "version 1 in binary", B(SIG "\x11"), PROXY_HEADER_V2_VERSION },
		{ "version 3 in binary", B(SIG "\x31"), PROXY_HEADER_V2_VERSION },
		{ "a third command", B(SIG "\x22"), PROXY_HEADER_V2_COMMAND },
		{ "a fifth family", B(SIG "\x21\x41"), PROXY_HEADER_V2_FAMILY },
		{ "a fourth transport", B(SIG "\x21\x13"), PROXY_HEADER_V2_FAMILY },
		{ "a length beyond the limit", B(SIG "\x21\x11\x08\x01"), PROXY_HEADER_V2_LONG },
		{ "the greatest length, in LOCAL", B(SIG "\x20\0\xff\xff"), PROXY_HEADER_V2_LONG },
		{ "no room for IPv4", B(SIG "\x21\x11\0\x0b" V4), PROXY_HEADER_V2_SHORT },
		{ "no room for IPv6", B(SIG "\x21\x22\0\x23" V6), PROXY_HEADER_V2_SHORT },
		{ "no room for Unix paths", B(SIG "\x21\x31\0\xd7"), PROXY_HEADER_V2_SHORT },
		{ "one byte behind the addresses", B(SIG "\x21\x11\0\x0d" V4 "\x04"),
		  PROXY_HEADER_TLV_CUT },
		{ "half a TLV head", B(SIG "\x21\x11\0\x0e" V4 "\x04\0"), PROXY_HEADER_TLV_CUT },
		{ "a TLV longer than the header", B(SIG "\x21\x11\0\x10" V4 "\x04\0\x02zzz"),
		  PROXY_HEADER_TLV_CUT },
		{ "a second TLV longer than the header",
		  B(SIG "\x21\x11\0\x13" V4 "\x04\0\x01z\x01\xff\xff"), PROXY_HEADER_TLV_CUT },
		{ "two protocols", B(SIG "\x21\x11\0\x14" V4 "\x01\0\1a\x01\0\1a"),
		  PROXY_HEADER_TLV_TWICE },
		{ "an authority twice, once empty", B(SIG "\x21\x11\0\x13" V4 "\x02\0\0\x02\0\1a"),
		  PROXY_HEADER_TLV_TWICE },
		{ "a unique id of 129 bytes",
		  B(SIG "\x21\x11\0\x90" V4 "\x05\0\x81" X81 X27 X9 X9 "123"),
		  PROXY_HEADER_TLV_LENGTH },
		{ "a checksum of three bytes", B(SIG "\x21\x11\0\x12" V4 "\x03\0\x03\0\0\0"),
		  PROXY_HEADER_TLV_LENGTH },
		{ "a wrong checksum", B(SIG "\x21\x11\0\x13" V4 "\x03\0\x04\0\0\0\0"),
		  PROXY_HEADER_CHECKSUM },
	};

	FOR_ROWS (row, rows) {
		enum proxy_header_reason why = PROXY_HEADER_NONE;
		struct proxy_header header = { .used = 77 };

		CHECK_INT(parse(row->in, &header, &why), PROXY_HEADER_REJECT);
		CHECK_STR(proxy_header_reason_name(why), proxy_header_reason_name(row->why));
		CHECK_INT(header.used, 77); /* untouched */
		CHECK(proxy_header_reason_text(why).len > 0);
		CHECK_INT(parse_cut(row->in, &why), PROXY_HEADER_REJECT);
		CHECK_INT(why, row->why);
	}
}

/* CRC-32C bit by bit (RFC 9260, appendix A), as slow and plain as can be. */
static uint32_t plain_crc32c(const char *at, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/* Puts the right checksum into the four bytes at offset at. */
static void put_checksum(char *header, size_t len, size_t at)
{
	uint32_t crc;

	memset(header + at, 0, 4);
	crc = htonl(plain_crc32c(header, len));
	memcpy(header + at, &crc, 4);
}

TEST(a_header_says_what_was_negotiated)
{
	static const struct {
		const char *name;
		struct span in;
		struct span alpn, authority, unique_id;
	} rows[] = {
		{ "a protocol", B(SIG "\x21\x11\0\x11" V4 "\x01\0\2h2"), B("h2") },
		{ "an authority", B(SIG "\x21\x21\0\x2a" V6 "\x02\0\3a.b"), B(""), B("a.b") },
		{ "a unique id with NUL in it", B(SIG "\x21\x11\0\x12" V4 "\x05\0\3a\0b"), B(""),
		  B(""), B("a\0b") },
		{ "a unique id of 128 bytes",
		  B(SIG "\x21\x11\0\x8f" V4 "\x05\0\x80" X81 X27 X9 X9 "12"), B(""), B(""),
		  B(X81 X27 X9 X9 "12") },
		{ "all of it, in another order, among TLVs that we skip",
		  B(SIG "\x21\x11\0\x28" V4 "\x04\0\0\x05\0\1i\xea\0\2zz\x02\0\1a"
			"\x20\0\2zz\x04\0\1z\x01\0\0"),
		  B(""), B("a"), B("i") },
		{ "TLVs behind Unix paths", B(SIG "\x21\x31\0\xdd" X81 X81 X27 X27 "\x01\0\2h2"),
		  B("h2") },
		{ "TLVs behind LOCAL are skipped", B(SIG "\x20\0\0\5\x01\0\2h2") },
	};

	FOR_ROWS (row, rows) {
		enum proxy_header_reason why;
		struct proxy_header header;

		CHECK_INT(parse(row->in, &header, &why), PROXY_HEADER_DONE);
		CHECK_INT(header.used, row->in.len);
		CHECK_SPAN(header.alpn, row->alpn);
		CHECK_SPAN(header.authority, row->authority);
		CHECK_SPAN(header.unique_id, row->unique_id);
		CHECK(!header.has_checksum);
		CHECK_INT(parse_cut(row->in, &why), PROXY_HEADER_DONE);
	}
}

TEST(a_header_changed_in_any_bit_does_not_match_its_checksum)
{
	/* The checksum's value is at offset 31, with a TLV behind it. */
	char bytes[] = SIG "\x21\x11\0\x19" V4 "\x03\0\4....\x05\0\3abc";
	struct span in = span_make(bytes, sizeof(bytes) - 1);
	enum proxy_header_reason why;
	struct proxy_header header;

	CHECK_INT(plain_crc32c("123456789", 9), 0xe3069283);
	put_checksum(bytes, in.len, 31);
	CHECK_INT(parse(in, &header, &why), PROXY_HEADER_DONE);
	CHECK(header.has_checksum);
	CHECK_INT(parse_cut(in, &why), PROXY_HEADER_DONE);
	for (size_t bit = 16 * 8; bit < in.len * 8; bit++) {
		bool in_addresses = bit < 28 * 8, in_value = bit >= 31 * 8 && bit < 35 * 8;

		bytes[bit / 8] ^= (char)(1 << bit % 8);
		if (in_addresses || in_value || bit >= 38 * 8) {
			CHECK_INT(parse(in, &header, &why), PROXY_HEADER_REJECT);
			CHECK_INT(why, PROXY_HEADER_CHECKSUM);
		}
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	CHECK_INT(parse(in, &header, &why), PROXY_HEADER_DONE);
}

TEST(a_header_of_the_greatest_length_is_read_and_none_longer)
{
	static char bytes[PROXY_HEADER_MAX + 1];
	enum proxy_header_reason why;
	struct proxy_header header;
	size_t noop = PROXY_HEADER_V2_BLOCK_MAX - 12 - 3;

	memcpy(bytes, SIG "\x21\x11\x08\x00" V4 "\x04", 29);
	bytes[29] = (char)(noop >> 8);
	bytes[30] = (char)noop;
	CHECK_INT(parse(span_make(bytes, PROXY_HEADER_MAX - 1), &header, &why),
		  PROXY_HEADER_NEED_MORE);
	CHECK_INT(parse(span_make(bytes, PROXY_HEADER_MAX), &header, &why), PROXY_HEADER_DONE);
	CHECK_INT(header.used, PROXY_HEADER_MAX);
	bytes[15]++;
	CHECK_INT(parse(span_make(bytes, 16), &header, &why), PROXY_HEADER_REJECT);
	CHECK_INT(why, PROXY_HEADER_V2_LONG);
}

/* --- writing ------------------------------------------------------------------------------- */

/* Where source is NULL, without addresses. */
static struct proxy_header header_of(const char *source, const char *destination)
{
	struct proxy_header header = { .has_addresses = source != NULL };

	if (source)
		CHECK(addr_parse(span_of(source), &header.source) &&
		      addr_parse(span_of(destination), &header.destination));
	return header;
}

TEST(a_header_is_written_as_both_versions_have_it)
{
	static const struct {
		const char *name;
		const char *source, *destination;
		struct span v1, v2;
		bool is_local, is_datagram;
	} rows[] = {
		{ "IPv4", "192.0.2.1:56324", "198.51.100.2:443",
		  B("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
		  B(SIG "\x21\x11\0\x0c" V4) },
		{ "IPv6", "[2001:db8::1]:56324", "[2001:db8::2]:443",
		  B("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"),
		  B(SIG "\x21\x21\0\x24" V6) },
		{ "the longest line", "[abcd:ef01:abcd:ef01:abcd:ef01:abcd:ef01]:65535",
		  "[fedc:ba98:fedc:ba98:fedc:ba98:fedc:ba98]:65535",
		  B("PROXY TCP6 abcd:ef01:abcd:ef01:abcd:ef01:abcd:ef01 "
		    "fedc:ba98:fedc:ba98:fedc:ba98:fedc:ba98 65535 65535\r\n"),
		  B(SIG "\x21\x21\0\x24"
			"\xab\xcd\xef\1\xab\xcd\xef\1\xab\xcd\xef\1\xab\xcd\xef\1"
			"\xfe\xdc\xba\x98\xfe\xdc\xba\x98\xfe\xdc\xba\x98\xfe\xdc\xba\x98"
			"\xff\xff\xff\xff") },
		{ "from IPv4 to IPv6", "192.0.2.1:56324", "[2001:db8::2]:443",
		  B("PROXY TCP6 0:0:0:0:0:ffff:c000:201 2001:db8::2 56324 443\r\n"),
		  B(SIG "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1" DB8
			"\2\xdc\4\1\xbb") },
		{ "no addresses", NULL, NULL, B("PROXY UNKNOWN\r\n"), B(SIG "\x21\0\0\0") },
		{ "local", "192.0.2.1:56324", "198.51.100.2:443", B("PROXY UNKNOWN\r\n"),
		  B(SIG "\x20\0\0\0"), .is_local = true },
		{ "UDP", "192.0.2.1:56324", "198.51.100.2:443", B("PROXY UNKNOWN\r\n"),
		  B(SIG "\x21\x12\0\x0c" V4), .is_datagram = true },
	};

	FOR_ROWS (row, rows) {
		struct proxy_header header = header_of(row->source, row->destination);
		char out[PROXY_HEADER_WRITE_MAX];

		header.is_local = row->is_local;
		header.is_datagram = row->is_datagram;
		header.version = 1;
		CHECK_BYTES(out, proxy_header_write(&header, out), row->v1.at, row->v1.len);
		header.version = 2;
		CHECK_BYTES(out, proxy_header_write(&header, out), row->v2.at, row->v2.len);
	}
}

TEST(what_is_written_is_read_as_it_was_meant)
{
	static const struct {
		const char *name;
		const char *source, *destination;
		struct span alpn, authority, unique_id;
		bool has_checksum, is_datagram;
	} rows[] = {
		{ "IPv4", "192.0.2.1:1", "198.51.100.2:65535" },
		{ "an IPv6 address that inet_ntop would end in dots", "[::1.2.3.4]:1", "[::]:2" },
		{ "IPv4 beside IPv6", "[2001:db8::1]:1", "192.0.2.1:2" },
		{ "a checksum and nothing else", "192.0.2.1:1", "192.0.2.2:2",
		  .has_checksum = true },
		{ "UDP", "[::1]:1", "[::2]:2", .is_datagram = true, .has_checksum = true },
		{ "TLVs", "192.0.2.1:1", "192.0.2.2:2", B("h2"), B("a.b"), B("x\0y") },
		{ "as many bytes as there can be", "[::1]:1", "[::2]:2", B(X81 X81 X81 X9 "123"),
		  B(X81 X81 X81 X9 "abc"), B(X81 X27 X9 X9 "12"), true },
		{ "no addresses", NULL, NULL },
	};

	FOR_ROWS (row, rows) {
		struct proxy_header header = header_of(row->source, row->destination), got;
		enum proxy_header_reason why;
		char out[PROXY_HEADER_WRITE_MAX];
		size_t len;

		header.alpn = row->alpn;
		header.authority = row->authority;
		header.unique_id = row->unique_id;
		header.has_checksum = row->has_checksum;
		header.is_datagram = row->is_datagram;
		for (header.version = 1; header.version <= 2; header.version++) {
			bool v2 = header.version == 2;
			bool told = row->source && (v2 || !row->is_datagram);

			len = proxy_header_write(&header, out);
			CHECK_INT(parse(span_make(out, len), &got, &why), PROXY_HEADER_DONE);
			CHECK_INT(got.used, len);
			if (v2 && row->alpn.len == PROXY_HEADER_ALPN_MAX)
				CHECK_INT(len, PROXY_HEADER_WRITE_MAX);
			CHECK_INT(got.version, header.version);
			CHECK_INT(got.has_addresses, told);
			CHECK(!told || addr_is(&got.source, &header.source));
			CHECK(!told || addr_is(&got.destination, &header.destination));
			CHECK_INT(got.is_datagram, v2 && row->is_datagram);
			CHECK_INT(got.has_checksum, v2 && row->has_checksum);
			CHECK_SPAN(got.alpn, v2 ? row->alpn : SPAN(""));
			CHECK_SPAN(got.authority, v2 ? row->authority : SPAN(""));
			CHECK_SPAN(got.unique_id, v2 ? row->unique_id : SPAN(""));
		}
	}
}

TEST(a_span_beyond_its_limit_is_not_written)
{
	static const struct {
		const char *name;
		size_t alpn, authority, unique_id;
	} rows[] = {
		{ "a protocol", 256, 0, 0 },
		{ "an authority", 0, 256, 0 },
		{ "a unique id", 0, 0, 129 },
	};
	static char bytes[300];

	FOR_ROWS (row, rows) {
		struct proxy_header header = header_of("192.0.2.1:1", "192.0.2.2:2");
		char out[PROXY_HEADER_WRITE_MAX] = "untouched";

		header.version = 2;
		header.alpn = span_make(bytes, row->alpn);
		header.authority = span_make(bytes, row->authority);
		header.unique_id = span_make(bytes, row->unique_id);
		CHECK_INT(proxy_header_write(&header, out), 0);
		CHECK_STR(out, "untouched");
	}
}
