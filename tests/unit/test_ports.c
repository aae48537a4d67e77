#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

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

enum { TAKERS = 4, TARGETS = 3, FIRST = 30000, COUNT = 40, HELD = 25, TURNS = 20000 };

static struct ports *contested;
static struct addr targets[TARGETS];
static atomic_uint owners[TARGETS][COUNT];
static atomic_uint twice;

/* Takes and gives at random; a port is somebody's from take to give, and of nobody else. */
static void *take_and_give(void *context)
{
	unsigned seed = (unsigned)(uintptr_t)context;
	struct {
		uint32_t target;
		uint16_t port;
	} held[HELD];
	uint32_t n = 0;

	for (uint32_t i = 0; i < TURNS || n > 0; i++) {
		if (n < HELD && i < TURNS && rand_r(&seed) % 2) {
			held[n].target = (uint32_t)rand_r(&seed) % TARGETS;
			held[n].port = ports_take(contested, &targets[held[n].target]);
			if (held[n].port == 0) /* all in use */
				continue;
			if (atomic_exchange(&owners[held[n].target][held[n].port - FIRST], 1))
				atomic_fetch_add(&twice, 1);
			n++;
		} else if (n > 0) {
			uint32_t at = (uint32_t)rand_r(&seed) % n;

			atomic_store(&owners[held[at].target][held[at].port - FIRST], 0);
			ports_give(contested, &targets[held[at].target], held[at].port);
			held[at] = held[--n];
		}
	}
	return NULL;
}

TEST(no_port_is_given_to_two_at_once_whoever_asks_and_all_come_back)
{
	static const char *const names[] = { "10.0.0.5:80", "10.0.0.5:81", "[2001:db8::5]:80" };
	pthread_t threads[TAKERS];

	for (int i = 0; i < TARGETS; i++)
		targets[i] = to(names[i]);
	contested = ports_create(FIRST, FIRST + COUNT - 1);
	for (uintptr_t i = 0; i < TAKERS; i++)
		pthread_create(&threads[i], NULL, take_and_give, (void *)(i + 1));
	for (int i = 0; i < TAKERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(atomic_load(&twice), 0);
	CHECK_INT(ports_in_use(contested), 0);
	for (int i = 0; i < COUNT; i++)
		CHECK(ports_take(contested, &targets[0]) != 0);
	CHECK_INT(ports_take(contested, &targets[0]), 0);
	CHECK_INT(ports_in_use(contested), COUNT);
	ports_destroy(contested);
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
