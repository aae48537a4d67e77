#include <arpa/inet.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"

TEST(addresses_with_ports_are_read_and_written_alike)
{
	static const struct {
		const char *name, *text, *want; /* NULL: refused */
	} rows[] = {
		{ "IPv4", "192.0.2.1:80", "192.0.2.1:80" },
		{ "IPv6", "[2001:db8::1]:443", "[2001:db8::1]:443" },
		{ "IPv6, long", "[2001:0DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443" },
		{ "mapped", "[::ffff:192.0.2.1]:1", "192.0.2.1:1" },
		{ "the largest port", "0.0.0.0:65535", "0.0.0.0:65535" },
		{ "port 0", "192.0.2.1:0", NULL },
		{ "a port too large", "192.0.2.1:65536", NULL },
		{ "a long port", "192.0.2.1:000080", NULL },
		{ "no port", "192.0.2.1", NULL },
		{ "an empty port", "192.0.2.1:", NULL },
		{ "a port with a sign", "192.0.2.1:+1", NULL },
		{ "IPv6 without brackets", "2001:db8::1:80", NULL },
		{ "IPv6 without port", "[2001:db8::1]", NULL },
		{ "an open bracket", "[2001:db8::1:80", NULL },
		{ "three numbers", "192.0.2:80", NULL },
		{ "a name", "localhost:80", NULL },
		{ "a zone", "[fe80::1%eth0]:80", NULL },
		{ "a space", " 192.0.2.1:80", NULL },
		{ "nothing", "", NULL },
	};

	FOR_ROWS (row, rows) {
		struct addr got = { .port = 7 };

		CHECK_INT(addr_parse(span_of(row->text), &got), row->want != NULL);
		if (row->want)
			CHECK_STR(addr_print(&got).text, row->want);
		else
			CHECK_INT(got.port, 7); /* untouched */
	}
}

TEST(addresses_without_ports_are_read)
{
	struct addr a = { .port = 7 }, b;

	CHECK(addr_parse_ip(SPAN("192.0.2.1"), &a));
	CHECK_INT(a.port, 0);
	CHECK(addr_is_v4(&a));
	CHECK(addr_parse_ip(SPAN("::ffff:192.0.2.1"), &b) && addr_is(&a, &b));
	CHECK(addr_parse_ip(SPAN("2001:db8::1"), &b) && !addr_is_v4(&b) && !addr_is_ip(&a, &b));
	CHECK_STR(addr_print(&b).text, "2001:db8::1");
	CHECK(!addr_parse_ip(SPAN("192.0.2.1:80"), &b));
	CHECK(!addr_parse_ip(SPAN("192.0.2.1\0"), &b));
	CHECK(!addr_parse_ip(SPAN("1111:2222:3333:4444:5555:6666:123.123.123.123.123"), &b));
}

TEST(sockaddrs_go_both_ways)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:443" };

	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_storage ss;
		struct addr a, b;

		CHECK(addr_parse(span_of(texts[i]), &a));
		CHECK_INT(addr_to_sockaddr(&a, &ss),
			  i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		CHECK_INT(ss.ss_family, i ? AF_INET6 : AF_INET);
		CHECK(addr_from_sockaddr((struct sockaddr *)&ss, &b));
		CHECK(addr_is(&a, &b));
	}
}

TEST(a_sockaddr_of_another_family_is_refused)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct addr a = { .port = 7 };

	CHECK(!addr_from_sockaddr(&sa, &a));
	CHECK_INT(a.port, 7);
}
