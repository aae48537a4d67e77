/* tests: of a configuration: what they may expect, and one sentence for each that fails. */
#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define CONFIG                                                                                     \
	"upstreams:\n"                                                                             \
	"  a: { endpoints: [ { address: \"10.0.0.1:80\" }, { address: \"10.0.0.2:80\" }, "         \
	"{ address: \"10.0.0.3:80\", weight: 0 }, { address: \"10.0.0.4:80\", priority: 1 } ] }\n" \
	"  b: { endpoints: [] }\n"                                                                 \
	"routes:\n"                                                                                \
	"  r:\n"                                                                                   \
	"  - { name: plain, upstream: a }\n"                                                       \
	"  - { name: odds, match: { path: /split }, split: [ { upstream: a, weight: 1 }, "         \
	"{ upstream: b, weight: 0 } ] }\n"                                                         \
	"  - { name: moved, match: { path: /old/* }, redirect: { status: 301, scheme: https } }\n" \
	"  - { name: shop, match: { path: /shop/* }, upstream: a, filters: { rewrite: { path: "    \
	"/* }, request_headers: { set: { x-a: \"${route}\" }, remove: [x-b] } } }\n"               \
	"  - { name: staff, match: { path: /who, client_subject: { prefix: \"CN=a,\" } }, "        \
	"upstream: a }\n"                                                                          \
	"  - { name: agreed, match: { path: /agreed, alpn: http/1.1 }, upstream: a }\n"            \
	"  - { name: again, match: { path: /who, session_resumed: true }, upstream: a }\n"         \
	"  - { name: visit, match: { path: /who, session_id: { prefix: ab } }, upstream: a }\n"    \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, protocol: http, "      \
	"routes: r }, { port: 443, protocol: https, routes: r, certificates: [c] }, "              \
	"{ port: 8443, protocol: tls-passthrough, sni: { h: [ { alpn: acme-tls/1, upstream: b }, " \
	"a ], "                                                                                    \
	"only: { alpn: h3, upstream: b } } } ] } ]\n"                                              \
	"certificates: { c: { chain: c.pem, key: c.key } }\n"

/* What it says of one test; "" where nothing is wrong. */
static const char *result(const char *test, char out[ERR_TEXT_MAX])
{
	struct findings findings = { 0 };
	struct model *model;
	char text[4096];

	snprintf(text, sizeof(text), CONFIG "tests: [ { %s } ]\n", test);
	model = model_load_text("f", text, strlen(text), &findings);
	snprintf(out, ERR_TEXT_MAX, "%s", findings.count ? findings.list[0].text : "");
	CHECK_INT(model != NULL, findings.count == 0);
	model_destroy(model);
	return out;
}

TEST(what_a_test_expects_is_held_to_what_is_decided)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "nothing", "request: \"GET http://h/\"", "expected \"route\" or something else" },
		{ "the upstream", "request: \"GET http://h/\", upstream: a", "" },
		{ "another upstream", "request: \"GET http://h/\", upstream: b",
		  "expected upstream \"b\", found \"a\"" },
		{ "a share", "request: \"GET http://h/split\", upstream: a", "" },
		{ "a share that gets nothing", "request: \"GET http://h/split\", upstream: b",
		  "expected upstream \"b\", found \"a\"" },
		{ "an upstream of a redirect", "request: \"GET http://h/old/x\", upstream: a",
		  "expected upstream \"a\", found an answer of our own" },
		{ "those that are asked",
		  "request: \"GET http://h/\", endpoints: [\"10.0.0.2:80\", \"10.0.0.1:80\"]", "" },
		{ "one too few", "request: \"GET http://h/\", endpoints: [\"10.0.0.1:80\"]",
		  "expected other endpoints, found that 10.0.0.2:80 is asked too" },
		{ "one too many",
		  "request: \"GET http://h/\", endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\", "
		  "\"10.0.0.4:80\"]",
		  "expected 3 endpoints, found that 2 are asked" },
		{ "a status", "request: \"GET http://h/old/x\", status: 301", "" },
		{ "another status", "request: \"GET http://h/old/x\", status: 302",
		  "expected status 302, found 301" },
		{ "a status of an endpoint", "request: \"GET http://h/\", status: 200",
		  "expected status 200, found that no answer of our own is given" },
		{ "a refused field",
		  "request: \"GET http://h/\", headers: { host: h2 }, status: 400", "" },
		{ "a refused head",
		  "request: \"GET http://h/\", headers: { content-length: x }, status: 400", "" },
		{ "the route of a refused head",
		  "request: \"GET http://h/\", headers: { content-length: x }, route: plain",
		  "expected route \"plain\", found that Content-Length is not one number" },
		{ "another method", "request: \"OPTIONS http://h/\", route: plain", "" },
		{ "a location",
		  "request: \"GET http://h/old/x?y\", location: \"https://h/old/x?y\"", "" },
		{ "another location", "request: \"GET http://h/old/x\", location: \"https://h/\"",
		  "expected location \"https://h/\", found \"https://h/old/x\"" },
		{ "a target", "request: \"GET http://h/shop/x?y\", target: \"/x?y\"", "" },
		{ "another target", "request: \"GET http://h/shop/x\", target: /shop/x",
		  "expected target \"/shop/x\", found \"/x\"" },
		{ "a field", "request: \"GET http://h/shop\", sent: { x-a: shop, host: h }", "" },
		{ "another value", "request: \"GET http://h/shop\", sent: { x-a: b }",
		  "that the endpoint gets \"x-a: b\", found \"shop\"" },
		{ "a field that is not sent", "request: \"GET http://h/\", sent: { x-a: b }",
		  "that the endpoint gets \"x-a: b\", found none" },
		{ "a field that is removed",
		  "request: \"GET http://h/shop\", headers: { x-b: 1 }, not_sent: [X-B]", "" },
		{ "a field that stays",
		  "request: \"GET http://h/\", headers: { x-b: 1 }, not_sent: [X-B]",
		  "that the endpoint gets no field \"X-B\", found one" },
		{ "a client's certificate",
		  "request: \"GET http://h/who\", client_subject: \"CN=a,O=b\", route: staff", "" },
		{ "another client's",
		  "request: \"GET http://h/who\", client_subject: \"CN=ab\", route: staff",
		  "expected route \"staff\", found that \"plain\"" },
		{ "a session",
		  "request: \"GET https://h/who\", session_id: ab23456789abcdef, route: visit",
		  "" },
		{ "another session",
		  "request: \"GET https://h/who\", session_id: ba23456789abcdef, route: visit",
		  "expected route \"visit\", found that \"plain\"" },
		{ "a session that is resumed",
		  "request: \"GET https://h/who\", session_id: ab23456789abcdef, session_resumed: "
		  "true, route: again",
		  "" },
		{ "a session without TLS",
		  "request: \"GET http://h/who\", session_id: ab23456789abcdef, session_resumed: "
		  "true, route: plain",
		  "" },
		{ "a protocol", "request: \"GET https://h/agreed\", route: agreed", "" },
		{ "several, ours among them",
		  "request: \"GET https://h/agreed\", alpn: \"h2,http/1.1\", route: agreed", "" },
		{ "no protocol", "request: \"GET https://h/agreed\", alpn: \"\", route: plain",
		  "" },
		{ "others", "request: \"GET https://h/agreed\", alpn: h2, route: agreed",
		  "expected route \"agreed\", found that it offers other protocols than http/1.1" },
		{ "what is no list of protocols",
		  "request: \"GET https://h/agreed\", alpn: \"h2,\", route: agreed",
		  "expected at most 16 protocols such as \"h2,http/1.1\" for \"alpn\", found "
		  "\"h2,\"" },
		{ "TLS that passes", "request: \"GET https://h:8443/\", upstream: a", "" },
		{ "by its protocol",
		  "request: \"GET https://H:8443/\", alpn: \"h2,acme-tls/1\", upstream: b", "" },
		{ "to another upstream",
		  "request: \"GET https://h:8443/\", alpn: acme-tls/1, upstream: a",
		  "expected upstream \"a\", found \"b\"" },
		{ "to endpoints",
		  "request: \"GET https://h:8443/\", endpoints: [ \"10.0.0.1:80\", \"10.0.0.2:80\" "
		  "]",
		  "" },
		{ "by no route", "request: \"GET https://h:8443/\", route: plain",
		  "expected route \"plain\", found that \"h\" of \"sni\" (line 14) passes it on" },
		{ "nowhere", "request: \"GET https://other:8443/\", upstream: a",
		  "expected upstream \"a\", found that no entry of \"sni\" has its host" },
		{ "nowhere, by its protocol", "request: \"GET https://only:8443/\", upstream: b",
		  "expected upstream \"b\", found that no entry of \"sni\" with its host has a "
		  "protocol that it offers" },
		{ "without TLS", "request: \"GET http://h:8443/\", upstream: a",
		  "expected upstream \"a\", found that no listener takes its port (80 or 443 "
		  "where the URL has none)" },
		{ "with a head", "request: \"GET https://h:8443/\", upstream: a, target: /",
		  "expected that an endpoint gets the request, found that none does" },
		{ "what no session is",
		  "request: \"GET http://h/who\", session_id: ab, route: visit",
		  "expected 16 digits of 0-9 and a-f for \"session_id\", found \"ab\"" },
		{ "a client without one", "request: \"GET http://h/who\", route: plain", "" },
		{ "fields of a redirect", "request: \"GET http://h/old/x\", sent: { x-a: b }",
		  "expected that an endpoint gets the request, found that none does" },
		{ "no list", "request: \"GET http://h/\", endpoints: x",
		  "expected a list, found \"x\"" },
	};
	char text[ERR_TEXT_MAX];

	FOR_ROWS (row, rows) {
		result(row->text, text);
		if (!row->want[0])
			CHECK_STR(text, "");
		else
			CHECK_STR(strstr(text, row->want) ? row->want : text, row->want);
	}
}
