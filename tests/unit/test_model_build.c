#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define GOOD_UPSTREAM "upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"

TEST(a_mistake_is_named_with_its_place)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "unknown key", "nodes: {}\n",
		  "f:1:1: unknown key \"nodes\"; did you mean \"node\"?" },
		{ "not yet", "upstreams: { a: { sticky: {}, endpoints: [] } }\n",
		  "f:1:19: \"sticky\" is not supported yet by this version; remove it" },
		{ "a list for a map", "node: []\n",
		  "f:1:7: expected a map of keys and values, found a list" },
		{ "twice", "node: {}\nnode: {}\n",
		  "f:2:1: the key \"node\" is there twice, first at line 1" },
		{ "an alias", "node: &x {}\nvips: *x\n",
		  "f:1:10: anchors and aliases are not allowed; write it out" },
		{ "no UTF-8", "node:\n  name: \"a\xa0\"\n",
		  "f:2:11: expected UTF-8, found the byte 0xa0" },
		{ "what libfyaml hangs on", "ne:\n%,:\xa0x\n",
		  "f:2:1: directives such as %YAML are not allowed; remove the line" },
		{ "overlong UTF-8", "a: \"\xc0\x80\"\n",
		  "f:1:5: expected UTF-8, found the byte 0xc0" },
		{ "duration",
		  GOOD_UPSTREAM "routes: { r: [ { name: x, upstream: a, timeout: 5sec } ] }\n",
		  "f:2:49: expected a time such as 200ms or 5s for \"timeout\", found \"5sec\"" },
		{ "a hook that is none", "node: { mode: fast }\n",
		  "f:1:15: expected one of auto, native, generic, tc for \"mode\", found "
		  "\"fast\"" },
		{ "a size in other units", "node: { memory: 512MiB }\n",
		  "f:1:17: expected a size such as 64kB, 512MB or 2GB, from 16777216 to "
		  "1099511627776 bytes, for \"memory\", found \"512MiB\"" },
		{ "a size that overflows", "node: { memory: 17179869184GB }\n",
		  "f:1:17: expected a size such as 64kB, 512MB or 2GB, from 16777216 to "
		  "1099511627776 bytes, for \"memory\", found \"17179869184GB\"" },
		{ "hardly any memory", "node: { memory: 64kB }\n",
		  "f:1:17: expected a size such as 64kB, 512MB or 2GB, from 16777216 to "
		  "1099511627776 bytes, for \"memory\", found \"64kB\"" },
		{ "no connections at all", "node: { connections: 0 }\n",
		  "f:1:22: expected a number from 1 to 1048576 for \"connections\", found \"0\"" },
		{ "a pace without a window",
		  GOOD_UPSTREAM "routes: { r: [ { name: x, upstream: a } ] }\nvips: [ { name: v, "
				"addresses: [10.1.1.1], listeners: [ { port: 80, protocol: http, "
				"routes: r, rates: { over: 0s } } ] } ]\n",
		  "f:3:110: expected a time from 1ms to 86400000ms for \"over\", found \"0s\"" },
		{ "no such upstream", GOOD_UPSTREAM "routes: { r: [ { name: x, upstream: b } ] }\n",
		  "f:2:37: there is no upstream \"b\"; did you mean \"a\"?" },
		{ "two actions",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, respond: { status: 200 } } ] }\n",
		  "f:2:16: expected one of upstream, split, redirect, respond in a route, found "
		  "two" },
		{ "an allow list of nobody",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, match: { clients: [] } } ] }\n",
		  "f:2:58: nothing is in \"clients\"; remove it where anything is to match" },
		{ "no headers",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, match: { headers: {} } } ] }\n",
		  "f:2:58: nothing is in \"headers\"; remove it where anything is to match" },
		{ "a host with a dot behind",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, match: { host: a.example. } } ] }\n",
		  "f:2:55: expected a host such as www.example.com or \"*.example.com\", found "
		  "\"a.example.\"" },
		{ "a host with an empty label",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, match: { host: a..example } } ] }\n",
		  "f:2:55: expected a host such as www.example.com or \"*.example.com\", found "
		  "\"a..example\"" },
		{ "a server name with a port",
		  GOOD_UPSTREAM
		  "routes: { r: [ { name: x, upstream: a, match: { sni: [ \"a:443\" ] } } ] }\n",
		  "f:2:57: expected a server name of TLS (SNI), without port, found \"a:443\": no "
		  "client asks for that" },
		{ "a key without a value", "node:\n  name:\n  mode: tc\n",
		  "f:2:3: expected 1 to 255 bytes for \"name\", found 0" },
		{ "a port of an endpoint",
		  "upstreams: { a: { endpoints: [ { address: 10.0.0.1 } ] } }\n",
		  "f:1:43: expected an address with port such as 10.0.0.5:80, "
		  "\"[2001:db8::5]:80\" or api.example.com:80 for "
		  "\"address\", found \"10.0.0.1\"" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = model_load_text("f", row->text, strlen(row->text), &findings);

		CHECK(!model);
		CHECK_INT(findings.count, 1);
		CHECK_STR(findings.list[0].text, row->want);
	}
}

TEST(what_does_not_hold_together_is_refused)
{
	static const struct {
		const char *name, *text, *part;
	} rows[] = {
		{ "the same port twice",
		  GOOD_UPSTREAM
		  "vips:\n"
		  "- { name: v, addresses: [10.1.1.1], listeners: [ { port: 1, protocol: "
		  "tcp-proxy, upstream: a }, { port: 1, protocol: tcp-proxy, upstream: a } ] }\n",
		  "port 1 of 10.1.1.1 has a listener already" },
		{ "L4 without a tunnel",
		  "upstreams: { a: { endpoints: [ { address: \"10.0.0.1:9\" } ] } }\nvips:\n- { "
		  "name: v, "
		  "addresses: [10.1.1.1], listeners: [ { port: 9, protocol: tcp, upstream: a, "
		  "forward: "
		  "vxlan } ] }\n",
		  "needs \"tunnel_address\"" },
		{ "http without routes",
		  "vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 9, protocol: "
		  "http } ] "
		  "} ]\n",
		  "needs \"routes\"" },
		{ "two vpcs of one VNI", "vpcs: { a: { vni: 5 }, b: { vni: 5 } }\n",
		  "tenants would see each other's packets" },
		{ "a test that fails",
		  GOOD_UPSTREAM "routes: { r: [ { name: x, upstream: a } ] }\nvips: [ { name: v, "
				"addresses: [10.1.1.1], "
				"listeners: [ { port: 80, protocol: http, routes: r } ] } "
				"]\ntests: [ { request: \"GET "
				"http://h/\", route: y } ]\n",
		  "this test expected route \"y\", found that \"x\"" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = model_load_text("f", row->text, strlen(row->text), &findings);

		CHECK(!model);
		CHECK(findings.count > 0);
		if (!strstr(findings.list[0].text, row->part))
			CHECK_STR(findings.list[0].text, row->part);
	}
}

TEST(many_mistakes_are_told_in_one_go_and_the_rest_counted)
{
	char text[1024] = "";
	struct findings findings;

	for (int i = 0; i < 30; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "x%d: 1\n", i);
	CHECK(!model_load_text("f", text, strlen(text), &findings));
	CHECK_INT(findings.count, FINDINGS_MAX);
	CHECK_INT(findings.more, 10);
}

TEST(the_example_of_the_documentation_is_good)
{
	struct findings findings = { .count = 0 };
	struct model *model = model_load("docs/example.yaml", &findings);

	if (!model)
		CHECK_STR(findings.list[0].text, "");
	CHECK_INT(model->listener_count, 2);
	CHECK_INT(model->endpoint_count, 4);
	CHECK_STR(model->tables[0].routes[0].name, "api"); /* its host comes before all */
	model_destroy(model);
}
