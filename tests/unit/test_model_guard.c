/* guard: of the node and of vips. */
#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define SITE                                                                                       \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"                      \
	"routes: { r: [ { name: x, upstream: a } ] }\n"
#define VIP(name, address, port, guard)                                                            \
	"{ name: " name ", addresses: [" address "], guard: " guard ", listeners: [ { port: " port \
	", protocol: http, routes: r } ] }"
#define CONFIG(guard) SITE "vips: [ " VIP("v", "10.1.1.1", "80", guard) " ]\n"

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

TEST(a_guard_is_as_written)
{
	struct findings findings;
	struct model *m = load(CONFIG("{ mode: observe, allow: [10.0.0.0/8], deny: [10.1.0.0/16, "
				      "10.2.0.0/16], packets_per_source: 7, flows_per_source: 3, "
				      "flows_burst: 9 }"),
			       &findings);
	const struct guard *g;

	CHECK(m != NULL);
	g = &m->vips[0].guard;
	CHECK(g->given && !m->node.guard.given);
	CHECK_INT(g->mode, GUARD_MODE_OBSERVE);
	CHECK_INT(g->allow.count, 1);
	CHECK_INT(g->deny.count, 2);
	CHECK_INT(g->packets.per_second, 7);
	CHECK_INT(g->packets.burst, 7); /* those of a second */
	CHECK_INT(g->flows.per_second, 3);
	CHECK_INT(g->flows.burst, 9);
	model_destroy(m);
}

TEST(without_a_word_a_guard_is_meant)
{
	struct findings findings;
	struct model *m = load(CONFIG("{ deny: [10.0.0.1] }"), &findings);

	CHECK(m != NULL);
	CHECK_INT(m->vips[0].guard.mode, GUARD_MODE_ENFORCE);
	CHECK_INT(m->vips[0].guard.packets.per_second, 0);
	model_destroy(m);
}

TEST(a_guard_that_makes_no_sense_is_refused)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "a mode", CONFIG("{ mode: on }"),
		  "f:3:58: expected one of enforce, observe, off for \"mode\", found \"on\"" },
		{ "no rate", CONFIG("{ packets_per_source: 0 }"),
		  "f:3:72: expected a number from 1 to 10000000 for \"packets_per_source\", found "
		  "\"0\"" },
		{ "a burst of nothing", CONFIG("{ flows_burst: 5 }"),
		  "f:3:50: \"flows_burst\" needs \"flows_per_source\": how many a second" },
		{ "both", CONFIG("{ deny: [10.0.0.0/8], allow: [10.0.0.0/8] }"),
		  "f:3:50: 10.0.0.0/8 is in \"allow\" and in \"deny\"; remove one" },
		{ "no network", CONFIG("{ deny: [10.0.0.1/8] }"),
		  "f:3:59: \"10.0.0.1/8\" has bits beyond its length; the network that it is in "
		  "is 10.0.0.0/8" },
		{ "an address of two vips",
		  SITE "vips: [ " VIP("v", "10.1.1.1", "80", "{ deny: [10.0.0.1] }") ", " VIP(
			  "w", "10.1.1.1", "81", "{ mode: off }") " ]\n",
		  "f:3:130: vips \"v\" and \"w\" share the address 10.1.1.1, so neither can have "
		  "a guard of its own; use that of the node, or one vip with all listeners" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;

		CHECK(!load(row->text, &findings));
		CHECK_STR(findings.list[0].text, row->want);
		CHECK_INT(findings.count, 1);
	}
}
