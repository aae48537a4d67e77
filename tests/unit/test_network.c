#include "tests/harness/test.h"
#include "userspace/base/network.h"

TEST(networks_are_read_and_written_alike)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "IPv4", "10.0.0.0/8", "10.0.0.0/8" },
		{ "a length within a byte", "192.0.2.128/25", "192.0.2.128/25" },
		{ "an address of IPv4", "192.0.2.1", "192.0.2.1/32" },
		{ "the same with a length", "192.0.2.1/32", "192.0.2.1/32" },
		{ "all of IPv4", "0.0.0.0/0", "0.0.0.0/0" },
		{ "IPv6", "2001:db8::/32", "2001:db8::/32" },
		{ "across a word of IPv6", "2001:db8:8000::/33", "2001:db8:8000::/33" },
		{ "an address of IPv6", "2001:db8::1", "2001:db8::1/128" },
		{ "all of IPv6", "::/0", "::/0" },
		{ "mapped IPv4", "::ffff:10.0.0.0/104", "10.0.0.0/8" },
	};

	FOR_ROWS (row, rows) {
		struct network n;
		struct err err;

		CHECK(network_parse(span_of(row->text), &n, &err));
		CHECK_STR(network_print(&n).text, row->want);
	}
}

TEST(what_is_no_network_is_refused_with_its_reason)
{
#define EXPECTED "expected a network such as 10.0.0.0/8 or 2001:db8::/32, found "
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "host bits", "10.1.2.3/8",
		  "\"10.1.2.3/8\" has bits beyond its length; the network that it is in is "
		  "10.0.0.0/8" },
		{ "the last host bit", "192.0.2.1/31",
		  "\"192.0.2.1/31\" has bits beyond its length; the network that it is in is "
		  "192.0.2.0/31" },
		{ "host bits of IPv6", "2001:db8::1/32",
		  "\"2001:db8::1/32\" has bits beyond its length; the network that it is in is "
		  "2001:db8::/32" },
		{ "too long for IPv4", "10.0.0.0/33",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/33\"" },
		{ "too long for IPv6", "2001:db8::/129",
		  "expected a length of 0 to 128 after the slash, found \"2001:db8::/129\"" },
		{ "no length", "10.0.0.0/",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/\"" },
		{ "a length with a sign", "10.0.0.0/+8",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/+8\"" },
		{ "a length that could be octal", "10.0.0.0/010",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/010\"" },
		{ "a long length", "10.0.0.0/4294967304",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/4294967304\"" },
		{ "a mask", "10.0.0.0/255.0.0.0",
		  "expected a length of 0 to 32 after the slash, found \"10.0.0.0/255.0.0.0\"" },
		{ "three numbers", "10.0.0/8", EXPECTED "\"10.0.0/8\"" },
		{ "a port", "10.0.0.1:80", EXPECTED "\"10.0.0.1:80\"" },
		{ "a name", "localhost", EXPECTED "\"localhost\"" },
		{ "a slash", "/", EXPECTED "\"/\"" },
		{ "nothing", "", EXPECTED "\"\"" },
	};

	FOR_ROWS (row, rows) {
		struct network n = { .bits = 7 };
		struct err err;

		CHECK(!network_parse(span_of(row->text), &n, &err));
		CHECK_STR(err.text, row->want);
		CHECK_INT(n.bits, 7); /* untouched */
	}
}

TEST(a_network_has_its_addresses_and_no_others)
{
	static const struct {
		const char *name, *network, *addr;
		bool want;
	} rows[] = {
		{ "the first", "10.0.0.0/8", "10.0.0.0", true },
		{ "the last", "10.0.0.0/8", "10.255.255.255", true },
		{ "one before", "10.0.0.0/8", "9.255.255.255", false },
		{ "one behind", "10.0.0.0/8", "11.0.0.0", false },
		{ "the last within a byte", "192.0.2.128/25", "192.0.2.255", true },
		{ "one before within a byte", "192.0.2.128/25", "192.0.2.127", false },
		{ "itself", "192.0.2.1", "192.0.2.1", true },
		{ "its neighbour", "192.0.2.1", "192.0.2.0", false },
		{ "all of IPv4", "0.0.0.0/0", "255.255.255.255", true },
		{ "all of IPv4, asked for IPv6", "0.0.0.0/0", "2001:db8::1", false },
		{ "all of IPv6", "::/0", "2001:db8::1", true },
		{ "all of IPv6, asked for IPv4", "::/0", "192.0.2.1", false },
		{ "the first of IPv6", "2001:db8::/33", "2001:db8::", true },
		{ "the last of IPv6", "2001:db8::/33", "2001:db8:7fff::ffff", true },
		{ "one behind in IPv6", "2001:db8::/33", "2001:db8:8000::", false },
		{ "loopback", "::1", "::1", true },
		{ "loopback's neighbour", "::1", "::2", false },
	};

	FOR_ROWS (row, rows) {
		struct network n;
		struct addr a;

		CHECK(network_parse(span_of(row->network), &n, NULL));
		CHECK(addr_parse_ip(span_of(row->addr), &a));
		a.port = 7;
		CHECK_INT(network_has(&n, &a), row->want);
	}
}

TEST(a_list_has_what_any_of_its_networks_has)
{
	struct network networks[2];
	struct network_list list = { networks, 2 }, none = { 0 };
	struct addr a;

	CHECK(network_parse(SPAN("10.0.0.0/8"), &networks[0], NULL));
	CHECK(network_parse(SPAN("2001:db8::/32"), &networks[1], NULL));
	CHECK(addr_parse_ip(SPAN("10.1.1.1"), &a));
	CHECK(network_list_has(&list, &a) && !network_list_has(&none, &a));
	CHECK(addr_parse_ip(SPAN("2001:db8::9"), &a) && network_list_has(&list, &a));
	CHECK(addr_parse_ip(SPAN("192.0.2.1"), &a) && !network_list_has(&list, &a));
}
