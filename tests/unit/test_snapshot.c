/* A snapshot finds listeners and endpoints by number, and lives as long as somebody holds it. */
#include <pthread.h>

#include "tests/harness/test.h"
#include "userspace/snapshot/snapshot.h"

static const char text[] = "node: { tunnel_address: 192.0.2.1 }\n"
			   "vips:\n"
			   "- name: a\n"
			   "  addresses: [10.0.0.1, 10.0.0.2]\n"
			   "  listeners:\n"
			   "  - { port: 80, protocol: http, routes: r }\n"
			   "  - { port: 53, protocol: udp, upstream: two, forward: vxlan }\n"
			   "- name: b\n"
			   "  addresses: [10.0.0.3]\n"
			   "  listeners:\n"
			   "  - { port: 81, protocol: tcp-proxy, upstream: one }\n"
			   "routes: { r: [ { name: all, upstream: one } ] }\n"
			   "upstreams:\n"
			   "  one: { endpoints: [ { address: \"10.1.0.1:1\" } ] }\n"
			   "  none: { endpoints: [] }\n"
			   "  two: { balance: maglev, endpoints: [ { address: \"10.1.0.2:53\" },\n"
			   "    { address: \"10.1.0.3:53\" } ] }\n";

static struct snapshot *snapshot_of(const char *yaml, uint64_t number)
{
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", yaml, strlen(yaml), &findings);

	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	return snapshot_create(model, number);
}

TEST(listeners_and_endpoints_are_found_by_their_numbers)
{
	struct snapshot *s = snapshot_of(text, 42);
	bool ports[100] = { 0 };

	CHECK_INT(s->number, 42);
	CHECK_INT(s->model->listener_count, 3);
	CHECK_INT(s->model->endpoint_count, 3);
	for (uint32_t i = 0; i < s->model->listener_count; i++) {
		CHECK(s->listeners[i]);
		CHECK_INT(s->listeners[i]->index, i);
		ports[s->listeners[i]->port] = true;
	}
	CHECK(ports[80] && ports[53] && ports[81]);
	for (uint32_t i = 0; i < s->model->endpoint_count; i++) {
		CHECK(s->endpoints[i]);
		CHECK_INT(s->endpoints[i]->index, i);
		for (uint32_t k = 0; k < i; k++)
			CHECK(!addr_is(&s->endpoints[i]->address, &s->endpoints[k]->address));
	}
	snapshot_unref(s);
}

TEST(a_configuration_without_anything_is_a_snapshot_too)
{
	struct snapshot *s = snapshot_of("{}\n", 1);

	CHECK_INT(s->model->listener_count, 0);
	CHECK_INT(s->model->endpoint_count, 0);
	snapshot_unref(s);
	snapshot_unref(NULL);
}

/* Reading after the first holder has let go: the sanitizer sees whether it is still there. */
TEST(a_snapshot_lives_until_its_last_reference_goes)
{
	struct snapshot *s = snapshot_of(text, 1), *held = snapshot_ref(s);

	CHECK(held == s);
	snapshot_unref(s);
	CHECK_STR(held->model->vips[1].name, "b");
	CHECK_INT(held->listeners[0]->index, 0);
	snapshot_unref(held);
}

enum { THREADS = 4, TURNS = 20000 };

static void *hold_and_let_go(void *context)
{
	struct snapshot *mine = context;

	for (int i = 0; i < TURNS; i++) {
		struct snapshot *session = snapshot_ref(mine);

		if (session->listeners[1]->index != 1)
			return mine;
		snapshot_unref(session);
	}
	snapshot_unref(mine);
	return NULL;
}

TEST(any_thread_may_take_and_drop_references_and_the_last_one_ends_it)
{
	struct snapshot *s = snapshot_of(text, 1);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, hold_and_let_go, snapshot_ref(s)), 0);
	snapshot_unref(s); /* who ends it is left to chance; that nothing leaks is not */
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		CHECK_INT(pthread_join(threads[i], &wrong), 0);
		CHECK(!wrong);
	}
}

static double share_of(const struct snapshot *s, uint32_t upstream, uint32_t place)
{
	const struct upstream_ring *ring = &s->rings[upstream];
	uint32_t got = 0;

	for (uint32_t i = 0; i < ring->slots; i++)
		got += ring->places[i] == place;
	return (double)got / ring->slots;
}

TEST(other_orders_change_rings_and_nothing_that_came_of_files)
{
	struct snapshot *first = snapshot_of(text, 1), *second, *third;
	struct endpoint_order orders[3];
	const struct upstream *two = &first->model->upstreams[2];
	uint32_t a = two->endpoints[0].index, b = two->endpoints[1].index;

	snapshot_orders(first->model, orders);
	CHECK_INT(orders[b].weight, 1);
	CHECK_INT(orders[b].service, SERVICE_ON);
	orders[a].weight = 3;
	orders[b].service = SERVICE_DRAINING;
	second = snapshot_reorder(first, 2, orders);
	CHECK_INT(second->number, 2);
	CHECK(second->model == first->model && second->down == first->down);
	CHECK_INT(snapshot_weight(first, &two->endpoints[1]), 1);
	CHECK_INT(snapshot_weight(second, &two->endpoints[0]), 3);
	CHECK_INT(snapshot_weight(second, &two->endpoints[1]), 0);
	/* Who is away keeps his place on the ring of the proxy, by weight. */
	CHECK(share_of(first, 2, 0) > 0.49 && share_of(first, 2, 0) < 0.51);
	CHECK(share_of(second, 2, 0) > 0.74 && share_of(second, 2, 0) < 0.76);
	snapshot_unref(first);
	orders[a].weight = 1;
	third = snapshot_reorder(second, 3, orders);
	snapshot_unref(second);
	CHECK(share_of(third, 2, 0) > 0.49 && share_of(third, 2, 0) < 0.51);
	CHECK_STR(third->model->upstreams[2].name, "two"); /* still there */
	snapshot_unref(third);
}

TEST(an_endpoint_is_away_where_no_upstream_wants_it)
{
	struct snapshot *first =
		snapshot_of("upstreams:\n"
			    "  a: { endpoints: [ { address: \"10.1.0.1:1\" },\n"
			    "    { address: \"10.1.0.2:1\" } ] }\n"
			    "  b: { endpoints: [ { address: \"10.1.0.1:1\" } ] }\n",
			    1);
	static const struct {
		const char *name;
		enum service service[3];
		bool away[3];
		bool was_over[3], over[3]; /* their time is, and for all that are the same */
	} rows[] = {
		{ "as configured", { SERVICE_ON, SERVICE_ON, SERVICE_ON }, { false } },
		{ "one of its own",
		  { SERVICE_ON, SERVICE_OFF, SERVICE_ON },
		  { false, true, false } },
		{ "another needs it", { SERVICE_OFF, SERVICE_ON, SERVICE_ON }, { false } },
		{ "nobody does",
		  { SERVICE_OFF, SERVICE_ON, SERVICE_DRAINING },
		  { true, false, true } },
		{ "one of its own is over",
		  { SERVICE_ON, SERVICE_OFF, SERVICE_ON },
		  { false, true, false },
		  { false, true, false },
		  { false, true, false } },
		{ "another goes on",
		  { SERVICE_OFF, SERVICE_ON, SERVICE_OFF },
		  { true, false, true },
		  { true, false, false },
		  { false } },
		{ "both are over",
		  { SERVICE_OFF, SERVICE_ON, SERVICE_OFF },
		  { true, false, true },
		  { true, false, true },
		  { true, false, true } },
	};

	FOR_ROWS (row, rows) {
		struct endpoint_order orders[3];
		struct snapshot *s;

		snapshot_orders(first->model, orders);
		for (int i = 0; i < 3; i++)
			orders[i] = (struct endpoint_order){ 1, row->service[i], row->was_over[i] };
		s = snapshot_reorder(first, 2, orders);
		for (int i = 0; i < 3; i++) {
			CHECK_INT(snapshot_is_away(s, s->endpoints[i]), row->away[i]);
			CHECK_INT(snapshot_is_over(s, s->endpoints[i]), row->over[i]);
		}
		snapshot_unref(s);
	}
	snapshot_unref(first);
}
