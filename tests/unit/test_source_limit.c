#include <arpa/inet.h>
#include <pthread.h>

#include "tests/harness/test.h"
#include "userspace/proxy/source_limit.h"

static const uint64_t seeds[2] = { 1, 2 };

static struct addr ip(const char *text)
{
	struct addr a;

	CHECK(addr_parse_ip(span_of(text), &a));
	return a;
}

TEST(a_source_gets_so_many_and_no_more)
{
	struct source_limit *limit = source_limit_create(seeds);
	struct addr a = ip("192.0.2.1"), b = ip("192.0.2.2");

	for (int i = 0; i < 3; i++)
		CHECK(source_limit_take(limit, &a, 3));
	CHECK(!source_limit_take(limit, &a, 3));
	CHECK(!source_limit_take(limit, &a, 3)); /* a refusal counts nothing */
	CHECK(source_limit_take(limit, &b, 3));
	source_limit_give(limit, &a);
	CHECK(source_limit_take(limit, &a, 3));
	CHECK(!source_limit_take(limit, &a, 3));
	source_limit_destroy(limit);
}

TEST(the_port_does_not_matter_and_neither_does_the_end_of_an_ipv6_address)
{
	static const struct {
		const char *name, *one, *two;
		bool same;
	} rows[] = {
		{ "IPv4", "192.0.2.1", "192.0.2.1", true },
		{ "another IPv4", "192.0.2.1", "192.0.3.1", false },
		{ "the same /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true },
		{ "another /64", "2001:db8:1:2::1", "2001:db8:1:3::1", false },
	};

	FOR_ROWS (row, rows) {
		struct source_limit *limit = source_limit_create(seeds);
		struct addr one = ip(row->one), two = ip(row->two);

		two.port = htons(7);
		CHECK(source_limit_take(limit, &one, 1));
		CHECK_INT(source_limit_take(limit, &two, 1), !row->same);
		source_limit_destroy(limit);
	}
}

TEST(ten_thousand_others_do_not_disturb_one)
{
	struct source_limit *limit = source_limit_create(seeds);
	struct addr other = ip("10.0.0.0"), one = ip("192.0.2.1");
	uint32_t refused = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		other.ip[3] = htonl(0x0a000000 + i);
		source_limit_take(limit, &other, UINT32_MAX);
	}
	/* Some of a thousand new sources meet an old one in both rows: (10000/65536)^2 of them. */
	for (uint32_t i = 0; i < 1000; i++) {
		one.ip[3] = htonl(0xc0000000 + i);
		refused += !source_limit_take(limit, &one, 1);
	}
	CHECK(refused < 60);
	source_limit_destroy(limit);
}

static void *take_and_give(void *context)
{
	struct addr a = ip("192.0.2.1");

	for (int i = 0; i < 20000; i++)
		if (source_limit_take(context, &a, 1000000))
			source_limit_give(context, &a);
	return NULL;
}

TEST(threads_lose_no_count)
{
	struct source_limit *limit = source_limit_create(seeds);
	struct addr a = ip("192.0.2.1");
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, take_and_give, limit), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(source_limit_take(limit, &a, 1));
	CHECK(!source_limit_take(limit, &a, 1));
	source_limit_destroy(limit);
}
