#include "tests/harness/test.h"
#include "userspace/splice/ports.h"

static struct addr to(const char *text)
{
	struct addr a = { 0 };

	CHECK(addr_parse(span_of(text), &a));
	return a;
}

TEST(a_port_is_given_once_an_endpoint_and_again_for_another)
{
	struct addr a = to("10.0.0.5:80"), b = to("10.0.0.6:80");
	struct ports *ports = ports_create(20000, 20001);

	CHECK_INT(ports_take(ports, &a), 20000);
	CHECK_INT(ports_take(ports, &a), 20001);
	CHECK_INT(ports_take(ports, &a), 0);
	CHECK_INT(ports_take(ports, &b), 20000);
	ports_destroy(ports);
}

TEST(a_port_that_came_back_rests_before_it_is_given_again)
{
	struct addr a = to("[2001:db8::5]:80");
	struct ports *ports = ports_create(20000, 20002);

	CHECK_INT(ports_take(ports, &a), 20000);
	ports_give(ports, &a, 20000);
	CHECK_INT(ports_take(ports, &a), 20001);
	CHECK_INT(ports_take(ports, &a), 20002);
	CHECK_INT(ports_take(ports, &a), 20000);
	ports_destroy(ports);
}

TEST(an_adopted_port_is_not_given_to_others)
{
	struct addr a = to("10.0.0.5:80");
	struct ports *ports = ports_create(20000, 20001);

	CHECK(ports_mark(ports, &a, 20000));
	CHECK(!ports_mark(ports, &a, 20000));
	CHECK(!ports_mark(ports, &a, 19999));
	CHECK(!ports_mark(ports, &a, 20002));
	CHECK_INT(ports_take(ports, &a), 20001);
	CHECK_INT(ports_take(ports, &a), 0);
	ports_destroy(ports);
}

TEST(giving_back_what_was_never_taken_changes_nothing)
{
	struct addr a = to("10.0.0.5:80");
	struct ports *ports = ports_create(20000, 20000);

	ports_give(ports, &a, 20000);
	ports_give(ports, &a, 1);
	CHECK_INT(ports_take(ports, &a), 20000);
	ports_give(ports, &a, 20000);
	ports_give(ports, &a, 20000);
	CHECK_INT(ports_take(ports, &a), 20000);
	CHECK_INT(ports_take(ports, &a), 0);
	ports_destroy(ports);
}
