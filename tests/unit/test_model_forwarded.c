#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define LISTENER(protocol_and_more)                                                                \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"                      \
	"routes: { r: [ { name: x, upstream: a } ] }\n"                                            \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, " protocol_and_more    \
	" } ] } ]\n"
#define HTTP(more) LISTENER("protocol: http, routes: r" more)

#define OFF    FORWARDED_OFF
#define APPEND FORWARDED_APPEND
#define SET    FORWARDED_SET

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

TEST(modes_are_as_written_and_else_have_their_defaults)
{
	static const struct {
		const char *name, *text;
		struct forwarded_modes want; /* via, for, proto, host, forwarded */
	} rows[] = {
		{ "nothing", HTTP(""), { APPEND, APPEND, SET, SET, OFF } },
		{ "an empty map", HTTP(", forwarded: {}"), { APPEND, APPEND, SET, SET, OFF } },
		{ "Via", HTTP(", forwarded: { via: off }"), { OFF, APPEND, SET, SET, OFF } },
		{ "for",
		  HTTP(", forwarded: { x_forwarded_for: set }"),
		  { APPEND, SET, SET, SET, OFF } },
		{ "proto",
		  HTTP(", forwarded: { x_forwarded_proto: append }"),
		  { APPEND, APPEND, APPEND, SET, OFF } },
		{ "host",
		  HTTP(", forwarded: { x_forwarded_host: off }"),
		  { APPEND, APPEND, SET, OFF, OFF } },
		{ "Forwarded",
		  HTTP(", forwarded: { forwarded: append }"),
		  { APPEND, APPEND, SET, SET, APPEND } },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);
		struct forwarded_modes got;

		CHECK_STR(findings.list[0].text, "");
		got = model->vips[0].listeners[0].forwarded.modes;
		CHECK_INT(got.via, row->want.via);
		CHECK_INT(got.x_forwarded_for, row->want.x_forwarded_for);
		CHECK_INT(got.x_forwarded_proto, row->want.x_forwarded_proto);
		CHECK_INT(got.x_forwarded_host, row->want.x_forwarded_host);
		CHECK_INT(got.forwarded, row->want.forwarded);
		model_destroy(model);
	}
}

TEST(trusted_networks_are_those_written_and_nobody_else)
{
	static const struct {
		const char *name, *text, *addr;
		bool want;
	} rows[] = {
		{ "none by default", HTTP(""), "127.0.0.1", false },
		{ "an empty list", HTTP(", forwarded: { trusted: [] }"), "127.0.0.1", false },
		{ "in a network", HTTP(", forwarded: { trusted: [10.0.0.0/8] }"), "10.9.9.9",
		  true },
		{ "beside it", HTTP(", forwarded: { trusted: [10.0.0.0/8] }"), "11.0.0.0", false },
		{ "the second", HTTP(", forwarded: { trusted: [10.0.0.0/8, \"2001:db8::/32\"] }"),
		  "2001:db8::7", true },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);
		struct addr a;

		CHECK_STR(findings.list[0].text, "");
		CHECK(addr_parse_ip(span_of(row->addr), &a));
		CHECK_INT(network_list_has(&model->vips[0].listeners[0].forwarded.trusted, &a),
			  row->want);
		model_destroy(model);
	}
}

TEST(mistakes_are_told_with_their_place)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "another word", HTTP(", forwarded: { via: add }"),
		  "f:3:113: expected one of off, append, set for \"via\", found \"add\"" },
		{ "an unknown key", HTTP(", forwarded: { x_forwarded_fo: set }"),
		  "f:3:108: unknown key \"x_forwarded_fo\"; did you mean \"x_forwarded_for\"?" },
		{ "a word for a map", HTTP(", forwarded: off"),
		  "f:3:106: expected a map of keys and values, found \"off\"" },
		{ "one network, no list", HTTP(", forwarded: { trusted: 10.0.0.0/8 }"),
		  "f:3:117: expected a list of networks such as [10.0.0.0/8], found "
		  "\"10.0.0.0/8\"" },
		{ "host bits", HTTP(", forwarded: { trusted: [10.0.0.1/8] }"),
		  "f:3:118: \"10.0.0.1/8\" has bits beyond its length; the network that it is in "
		  "is 10.0.0.0/8" },
		{ "a listener that reads no requests",
		  LISTENER("protocol: tcp-proxy, upstream: a, forwarded: {}"),
		  "f:3:56: a listener of protocol tcp-proxy has no \"forwarded\"; remove it" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;

		CHECK(!load(row->text, &findings));
		CHECK_STR(findings.list[0].text, row->want);
		CHECK_INT(findings.count, 1);
	}
}
