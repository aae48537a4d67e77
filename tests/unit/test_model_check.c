/* What can be read and yet does not hold together. */
#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define SITE   "upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"
#define ROUTES "routes: { r: [ { name: x, upstream: a } ] }\n"
#define VIP(listeners)                                                                             \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ " listeners " ] } ]\n"
#define HTTP_VIP VIP("{ port: 80, protocol: http, routes: r }")

static void check_refused(const char *text, const char *want)
{
	struct findings findings;
	struct model *model = model_load_text("f", text, strlen(text), &findings);

	CHECK(!model);
	CHECK_STR(findings.list[0].text, want);
	CHECK_INT(findings.count, 1);
}

TEST(routes_that_make_no_sense_are_refused)
{
	static const struct {
		const char *name, *routes, *want;
	} rows[] = {
		{ "a redirect that is none", "[ { name: x, redirect: { status: 304, to: /y } } ]",
		  "f:2:37: expected one of 301, 302, 303, 307, 308 for \"status\" of a redirect, "
		  "found 304" },
		{ "a body that cannot be", "[ { name: x, respond: { status: 204, body: hello } } ]",
		  "f:2:36: an answer with status 204 has no body (RFC 9110, 6.4.1)" },
		{ "a host with port",
		  "[ { name: x, match: { host: \"a.example:80\" }, upstream: a } ]",
		  "f:2:43: expected a host without port, found \"a.example:80\"; the listener has "
		  "the port" },
		{ "a host in brackets with port",
		  "[ { name: x, match: { host: \"[::1]:80\" }, upstream: a } ]",
		  "f:2:43: expected a host without port, found \"[::1]:80\"; the listener has the "
		  "port" },
		{ "the same match twice", "[ { name: x, upstream: a }, { name: y, upstream: a } ]",
		  "f:2:42: the route \"y\" can never match: \"x\" (line 2) comes first and takes "
		  "all of it, such as \"GET http://example.com/\"" },
		{ "no path is every path",
		  "[ { name: x, upstream: a }, { name: y, match: { path: /* }, upstream: a } ]",
		  "f:2:42: the route \"y\" can never match: \"x\" (line 2) comes first and takes "
		  "all of it, such as \"GET http://example.com/\"" },
		{ "methods that are taken",
		  "[ { name: x, match: { methods: [GET, PUT] }, upstream: a }, { name: y, match: { "
		  "methods: [PUT] }, upstream: a } ]",
		  "f:2:74: the route \"y\" can never match: \"x\" (line 2) comes first and takes "
		  "all of it, such as \"PUT http://example.com/\"" },
		{ "no expression",
		  "[ { name: x, match: { path: { regex: \"/(a\" } }, upstream: a } ]",
		  "f:2:52: \"/(a\" is no regular expression: missing closing parenthesis, at "
		  "byte 3" },
		{ "a value of two kinds",
		  "[ { name: x, match: { headers: { y: { exact: a, prefix: b } } }, upstream: a } "
		  "]",
		  "f:2:50: expected one of exact, prefix, regex, present for \"y\", found two" },
		{ "a protocol that is never agreed on",
		  "[ { name: x, match: { alpn: h2 }, upstream: a } ]",
		  "f:2:42: the protocol \"h2\" can never match: listeners agree on http/1.1 or on "
		  "none ({ present: false })" },
		{ "a subject of two kinds",
		  "[ { name: x, match: { client_subject: { exact: a, prefix: b } }, upstream: a } "
		  "]",
		  "f:2:52: expected one of exact, prefix, regex, present for \"client_subject\", "
		  "found two" },
		{ "an id that no session can have",
		  "[ { name: x, match: { session_id: 0123456789ABCDEF }, upstream: a } ]",
		  "f:2:48: expected 16 digits of 0-9 and a-f for \"session_id\", found "
		  "\"0123456789ABCDEF\"" },
		{ "the id of no session",
		  "[ { name: x, match: { session_id: \"0000000000000000\" }, upstream: a } ]",
		  "f:2:49: expected 16 digits of 0-9 and a-f for \"session_id\", found "
		  "\"0000000000000000\"" },
		{ "a prefix that is longer than ids",
		  "[ { name: x, match: { session_id: { prefix: 0123456789abcdef0 } }, upstream: a "
		  "} "
		  "]",
		  "f:2:48: expected a prefix of 1 to 16 digits of 0-9 and a-f for "
		  "\"session_id\", found \"0123456789abcdef0\"" },
		{ "resumption by half",
		  "[ { name: x, match: { session_resumed: maybe }, upstream: a } ]",
		  "f:2:53: expected one of false, true for \"session_resumed\", found \"maybe\"" },
		{ "a listener that there is not",
		  "[ { name: x, match: { listeners: [\"v:9\"] }, upstream: a } ]",
		  "f:2:49: no listener \"v:9\" uses the routes \"r\"" },
		{ "a port that is none", "[ { name: x, match: { listeners: [v] }, upstream: a } ]",
		  "f:2:48: expected a vip and a port such as \"web:443\", found \"v\"" },
		{ "the same expression twice",
		  "[ { name: x, match: { path: { regex: /a } }, upstream: a }, "
		  "{ name: y, match: { path: { regex: /a } }, upstream: a } ]",
		  "f:2:74: the route \"y\" can never match: \"x\" (line 2) comes first and takes "
		  "all of it" },
		{ "a variable that there is not",
		  "[ { name: x, upstream: a, filters: { request_headers: { set: { y: \"${1}\" } } "
		  "} } ]",
		  "f:2:81: there is no variable \"${1}\" here; there are client, route, upstream, "
		  "host, path, query, method, scheme, and groups of the path's expression" },
		{ "a field that is ours",
		  "[ { name: x, upstream: a, filters: { request_headers: { remove: [Host] } } } ]",
		  "f:2:79: the field \"Host\" is not one that may be changed; \"rewrite\" has "
		  "\"host\" for that" },
		{ "a redirect to nowhere", "[ { name: x, redirect: { status: 301 } } ]",
		  "f:2:37: expected \"to\", or one of scheme, host, port, path, found none" },
		{ "a split without weights",
		  "[ { name: x, split: [ { upstream: a, weight: 0 } ] } ]",
		  "f:2:34: expected an upstream with a weight above 0 in \"split\", found none" },
		{ "an empty split", "[ { name: x, split: [] } ]",
		  "f:2:34: expected an upstream with a weight above 0 in \"split\", found none" },
		{ "one name twice",
		  "[ { name: x, upstream: a }, { name: x, match: { path: /p }, upstream: a } ]",
		  "f:2:16: there are two routes \"x\" in \"r\", the other at f:2" },
	};

	FOR_ROWS (row, rows) {
		char text[1024];

		snprintf(text, sizeof(text), SITE "routes: { r: %s }\n", row->routes);
		check_refused(text, row->want);
	}
}

TEST(routes_that_only_look_alike_are_fine)
{
	static const struct {
		const char *name, *routes;
	} rows[] = {
		{ "a method", "[ { name: x, match: { methods: [GET] }, upstream: a },\n"
			      "  { name: y, upstream: a } ]" },
		{ "values of a field",
		  "[ { name: x, match: { headers: { a: b } }, upstream: a },\n"
		  "  { name: y, match: { headers: { a: c } }, upstream: a } ]" },
		{ "exact and prefix", "[ { name: x, match: { path: /p }, upstream: a },\n"
				      "  { name: y, match: { path: /p/* }, upstream: a } ]" },
		{ "the asterisk of OPTIONS is below no prefix",
		  "[ { name: x, match: { path: /* }, upstream: a },\n"
		  "  { name: y, upstream: a } ]" },
		{ "a host", "[ { name: x, match: { host: \"[::1]\" }, upstream: a },\n"
			    "  { name: y, upstream: a } ]" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings = { 0 };
		struct model *model;
		char text[1024];

		snprintf(text, sizeof(text), SITE "routes: { r: %s }\n", row->routes);
		model = model_load_text("f", text, strlen(text), &findings);
		CHECK_STR(findings.count ? findings.list[0].text : "", "");
		model_destroy(model);
	}
}

TEST(listeners_and_endpoints_that_clash_are_refused)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "an endpoint twice",
		  "upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" }, { address: "
		  "\"10.0.0.1:80\" } ] } }\n",
		  "f:1:60: upstream \"a\" has the endpoint 10.0.0.1:80 twice, first at line 1; "
		  "remove one, and give the other a weight if it is to get more" },
		{ "a port that the proxy leaves from",
		  SITE "node: { source_addresses: [10.1.1.1] }\n" VIP(
			  "{ port: 20005, protocol: tcp-proxy, upstream: a }"),
		  "f:3:56: port 20005 of the source address 10.1.1.1 is one of the node's "
		  "splice_ports (20000-29999); choose another port or range" },
		{ "a guest address that is our own",
		  "node: { source_addresses: [10.1.1.1], guest_addresses: [10.1.1.2, 10.1.1.1] }\n",
		  "f:1:56: the guest address 10.1.1.1 is one of this node's own; name source "
		  "addresses of other nodes" },
		{ "a guest address that is our end of tunnels",
		  "node: { tunnel_address: 10.1.1.1, guest_addresses: [10.1.1.1] }\n",
		  "f:1:52: the guest address 10.1.1.1 is one of this node's own; name source "
		  "addresses of other nodes" },
		{ "a guest address that is none", "node: { guest_addresses: [10.1.1.1/24] }\n",
		  "f:1:27: expected an IP address such as 192.0.2.10 for \"guest_addresses\", "
		  "found \"10.1.1.1/24\"" },
		{ "a balance that there is not",
		  "upstreams: { a: { balance: best, endpoints: [] } }\n",
		  "f:1:28: expected one of round_robin, maglev, least_request, random for "
		  "\"balance\", found \"best\"" },
		{ "a key to hash that there is not",
		  "upstreams: { a: { balance: maglev, hash_on: \"header:\", endpoints: [] } }\n",
		  "f:1:46: expected client-address, tls-session, path, header:NAME, cookie:NAME or "
		  "query:NAME for \"hash_on\", found \"header:\"" },
		{ "a reason to retry that there is not",
		  "upstreams: { a: { endpoints: [] } }\n"
		  "routes: { r: [ { name: r, upstream: a, retry: { on: [reset, 200] } } ] }\n",
		  "f:2:61: expected connect, reset, timeout, or at most 8 statuses of 400 to 599 "
		  "and ranges of them such as \"502-504\", found \"200\"" },
		{ "a way to fail that there is not",
		  "upstreams: { a: { fail: often, endpoints: [] } }\n",
		  "f:1:25: expected one of open, closed for \"fail\", found \"often\"" },
		{ "ejecting at no number of failures",
		  "upstreams: { a: { eject: { time: 1s }, endpoints: [] } }\n",
		  "f:1:26: expected one of failures, rate, slow in \"eject\", found none" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->want);
}

#define DIRECT(endpoint, more)                                                                     \
	"vips: [ { name: v, addresses: [ 203.0.113.1 ], listeners: [ { port: 80, protocol: tcp, "  \
	"upstream: a, forward: dsr } ] } ]\n"                                                      \
	"upstreams: { a: { balance: maglev, endpoints: [ " endpoint " ] } }\n" more

TEST(endpoints_that_packets_cannot_be_sent_to_directly_are_refused)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "in a vpc",
		  DIRECT("{ address: \"10.0.0.1:80\", vpc: t, host: 10.0.0.9, mac: "
			 "\"02:00:00:00:00:01\" }",
			 "vpcs: { t: { vni: 7 } }\n"),
		  "f:2:49: this endpoint is in vpc \"t\", which only listeners with forward "
		  "vxlan reach" },
		{ "with a host", DIRECT("{ address: \"10.0.0.1:80\", host: 10.0.0.9 }", ""),
		  "f:2:49: this endpoint has a \"host\", which is for listeners with forward "
		  "vxlan" },
		{ "on another port", DIRECT("{ address: \"10.0.0.1:81\" }", ""),
		  "f:2:49: the listener of port 80 forwards packets as they are, so this "
		  "endpoint's port must be 80, not 81" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->want);
}

#define INSIDE(node, address, vpcs)                                                                \
	"node: { name: n" node " }\n"                                                              \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, protocol: tcp-proxy, " \
	"upstream: a } ] } ]\n"                                                                    \
	"upstreams: { a: { endpoints: [ { address: \"" address                                     \
	"\", vpc: t, host: 10.0.0.9, mac: \"02:00:00:00:00:01\" } ] } }\n"                         \
	"vpcs: { " vpcs " }\n"
#define TUNNELLED ", tunnel_address: 10.0.0.1"

TEST(endpoints_in_vpcs_that_the_proxy_cannot_reach_are_refused)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "no address of ours inside", INSIDE(TUNNELLED, "172.16.0.4:80", "t: { vni: 7 }"),
		  "f:3:32: a listener reaches this endpoint in vpc \"t\" through the proxy, which "
		  "needs \"source\" of the vpc: the node's own address inside" },
		{ "one of another family",
		  INSIDE(TUNNELLED, "172.16.0.4:80", "t: { vni: 7, source: \"fd00::1\" }"),
		  "f:3:32: this endpoint is of another family than fd00::1, the \"source\" of vpc "
		  "\"t\", from which the proxy would connect to it" },
		{ "no tunnel", INSIDE("", "172.16.0.4:80", "t: { vni: 7, source: 172.16.0.9 }"),
		  "f:3:32: this endpoint is in vpc \"t\", which needs \"tunnel_address\" of the "
		  "node" },
		{ "one address in two vpcs",
		  INSIDE(TUNNELLED, "172.16.0.4:80",
			 "t: { vni: 7, source: 172.16.0.9 }, u: { vni: 8, source: 172.16.0.9 }"),
		  "f:4:44: vpc \"u\" has the source 172.16.0.9 of vpc \"t\"; by it the tenants' "
		  "packets are told apart, so give each its own" },
		{ "an address of a vip",
		  INSIDE(TUNNELLED, "172.16.0.4:80", "t: { vni: 7, source: 10.1.1.1 }"),
		  "f:4:9: the source 10.1.1.1 of vpc \"t\" is an address of the node or of a vip; "
		  "give it one of its own" },
		{ "the vtep", INSIDE(TUNNELLED, "172.16.0.4:80", "t: { vni: 7, source: 10.0.0.1 }"),
		  "f:4:9: the source 10.0.0.1 of vpc \"t\" is an address of the node or of a vip; "
		  "give it one of its own" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->want);
}

TEST(tests_of_the_file_are_read_as_requests_are)
{
	static const struct {
		const char *name, *request, *want; /* NULL: good */
	} rows[] = {
		{ "plain", "GET http://x/", NULL },
		{ "with port", "GET http://x:80/p?q#f", NULL },
		{ "without path", "M-SEARCH http://x", NULL },
		{ "an IPv6 host with port", "GET http://[::1]:80/", NULL },
		{ "a port that is none", "GET http://x:abc/", "" },
		{ "port 0", "GET http://x:0/", "" },
		{ "a port too large", "GET http://x:65536/", "" },
		{ "a bracket that stays open", "GET http://[::1/", "" },
		{ "no host", "GET http:///", "" },
		{ "another scheme", "GET ftp://x/", "" },
		{ "a path that no listener takes", "GET http://x/a%5Cb", "" },
		{ "no method", " http://x/", "" },
		{ "only a method", "GET", "" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings = { 0 };
		struct model *model;
		char text[1024], want[256];

		snprintf(text, sizeof(text),
			 SITE ROUTES HTTP_VIP "tests: [ { request: \"%s\", route: x } ]\n",
			 row->request);
		snprintf(want, sizeof(want),
			 "f:4:22: expected a request such as \"GET http://www.example.com/\" for "
			 "\"request\", found \"%s\"",
			 row->request);
		model = model_load_text("f", text, strlen(text), &findings);
		CHECK_STR(findings.count ? findings.list[0].text : "", row->want ? want : "");
		model_destroy(model);
	}
}

TEST(every_test_of_the_file_that_fails_is_told)
{
	const char text[] = SITE ROUTES HTTP_VIP "tests:\n"
						 "- { request: \"GET http://h/\", route: y }\n"
						 "- { request: \"GET http://h/\", route: x }\n"
						 "- { request: \"GET http://h:81/\", route: x }\n";
	struct findings findings;

	CHECK(!model_load_text("f", text, strlen(text), &findings));
	CHECK_INT(findings.count, 2);
	CHECK_STR(findings.list[0].text,
		  "f:5:3: this test expected route \"y\", found that \"x\" (line 2) matches");
	CHECK_STR(findings.list[1].text,
		  "f:7:3: this test expected route \"x\", found that no listener takes its "
		  "port (80 or 443 where the URL has none)");
}

TEST(what_does_not_fit_the_tables_of_the_kernel_is_refused)
{
	static char text[1 << 17];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s", SITE "vips:\n");

	for (int i = 0; i < 1025; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used,
			"- { name: v%d, addresses: [10.1.%d.%d], listeners: [ { port: 1, protocol: "
			"tcp-proxy, upstream: a } ] }\n",
			i, i >> 8, i & 255);
	check_refused(text,
		      "f:3:3: expected at most 1024 listeners of other protocols, found 1025");
}

#define L4_VIP(more) VIP("{ port: 80, protocol: tcp, upstream: a, forward: dsr" more " }")

TEST(a_ring_has_a_prime_number_of_slots)
{
	static const struct {
		const char *name, *text;
		uint32_t slots;
	} rows[] = {
		{ "none given", SITE L4_VIP(""), 16381 },
		{ "a prime", SITE L4_VIP(", ring: 1021"), 1021 },
		{ "rounded up", SITE L4_VIP(", ring: 1022"), 1031 },
		{ "a square", SITE L4_VIP(", ring: 49"), 53 },
		{ "the least", SITE L4_VIP(", ring: 7"), 7 },
		{ "the most", SITE L4_VIP(", ring: 65537"), 65537 },
		{ "up to the most", SITE L4_VIP(", ring: 65536"), 65537 },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *m = model_load_text("f", row->text, strlen(row->text), &findings);

		CHECK(m);
		CHECK_INT(listener_ring(&m->vips[0].listeners[0]), row->slots);
		model_destroy(m);
	}
}

#define QUIC_VIP(quic)                                                                             \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 443, protocol: udp, "      \
	"upstream: q, forward: dsr, quic: " quic " } ] } ]\n"
#define QUIC_ENDPOINTS(first, second)                                                              \
	"upstreams: { q: { endpoints: [ { address: \"10.0.0.1:443\"" first " },\n"                 \
	" { address: \"10.0.0.2:443\"" second " } ] } }\n"

TEST(server_ids_must_fit_the_listener)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "none",
		  QUIC_ENDPOINTS(", server_id: 0a01", "") QUIC_VIP("{ server_id_bytes: 2 }"),
		  "f:2:2: this endpoint needs \"server_id\", as its server has it: the listener of "
		  "port 443 with \"quic\" sends by it" },
		{ "of another length",
		  QUIC_ENDPOINTS(", server_id: 0a01", ", server_id: 0a0102")
			  QUIC_VIP("{ server_id_bytes: 2 }"),
		  "f:2:2: the server_id of this endpoint has 3 bytes, but the listener of port 443 "
		  "says server_id_bytes: 2" },
		{ "twice, written otherwise",
		  QUIC_ENDPOINTS(", server_id: 0a01", ", server_id: 0A01")
			  QUIC_VIP("{ server_id_bytes: 2 }"),
		  "f:2:2: this endpoint of upstream \"q\" has the server_id of that at line 1; "
		  "connection ids would name both" },
		{ "half a byte",
		  QUIC_ENDPOINTS(", server_id: 0a01", ", server_id: 0a1")
			  QUIC_VIP("{ server_id_bytes: 2 }"),
		  "f:2:40: expected 1 to 15 bytes in hexadecimal such as \"0a01\" for "
		  "\"server_id\", "
		  "found \"0a1\"" },
		{ "the configuration of none",
		  QUIC_ENDPOINTS(", server_id: 0a01", ", server_id: 0a02")
			  QUIC_VIP("{ server_id_bytes: 2, config_id: 7 }"),
		  "f:3:150: expected a number from 0 to 6 for \"config_id\", found \"7\"" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->want);
}

TEST(server_ids_are_read_as_bytes)
{
	static const char text[] = QUIC_ENDPOINTS(", server_id: 0a01", ", server_id: \"00Ff\"")
		QUIC_VIP("{ server_id_bytes: 2, config_id: 6 }");
	struct findings findings;
	struct model *m = model_load_text("f", text, strlen(text), &findings);
	const struct endpoint *e;

	CHECK(m);
	e = m->vips[0].listeners[0].upstream->endpoints;
	CHECK_INT(m->vips[0].listeners[0].quic.config_id, 6);
	CHECK_INT(e[0].server_id_bytes, 2);
	CHECK_INT(e[0].server_id[0] << 8 | e[0].server_id[1], 0x0a01);
	CHECK_INT(e[1].server_id[0] << 8 | e[1].server_id[1], 0x00ff);
	model_destroy(m);
}

TEST(rings_that_do_not_fit_are_refused)
{
	static const char many[] =
		"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" }, { address: "
		"\"10.0.0.2:80\" }, { address: \"10.0.0.3:80\" }, { address: \"10.0.0.4:80\" }, { "
		"address: \"10.0.0.5:80\" }, { address: \"10.0.0.6:80\" }, { address: "
		"\"10.0.0.7:80\" }, { address: \"10.0.0.8:80\" } ] } }\n";
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "too small", SITE L4_VIP(", ring: 6"),
		  "f:2:116: expected a number from 7 to 65537 for \"ring\", found \"6\"" },
		{ "too large", SITE L4_VIP(", ring: 65538"),
		  "f:2:116: expected a number from 7 to 65537 for \"ring\", found \"65538\"" },
		{ "of the proxy",
		  SITE ROUTES VIP("{ port: 80, protocol: http, routes: r, ring: 7 }"),
		  "f:3:56: a listener of protocol http has no \"ring\"; remove it" },
		{ "affinity of the proxy",
		  SITE ROUTES VIP(
			  "{ port: 80, protocol: http, routes: r, affinity: client-address }"),
		  "f:3:56: a listener of protocol http has no \"affinity\"; remove it" },
		{ "quic of TCP", SITE L4_VIP(", quic: { server_id_bytes: 1 }"),
		  "f:2:56: a listener of protocol tcp has no \"quic\"; remove it" },
		{ "another affinity", SITE L4_VIP(", affinity: client"),
		  "f:2:120: expected one of connection, client-address for \"affinity\", found "
		  "\"client\"" },
	};
	char text[2048];

	FOR_ROWS (row, rows)
		check_refused(row->text, row->want);
	snprintf(text, sizeof(text), "%s%s", many, L4_VIP(", ring: 7"));
	check_refused(text,
		      "f:2:56: the ring of this listener has 7 slots, but upstream \"a\" has 8 "
		      "endpoints; give it a larger \"ring\", best a hundred slots an endpoint");
}

TEST(all_rings_together_have_a_limit)
{
	static char text[8192];
	size_t at = 0;

	for (uint32_t count = 64; count <= 65; count++) {
		struct findings findings;
		struct model *m;

		at = (size_t)snprintf(text, sizeof(text),
				      SITE
				      "vips: [ { name: v, addresses: [10.1.1.1], listeners: [ ");
		for (uint32_t i = 0; i < count; i++)
			at += (size_t)snprintf(
				text + at, sizeof(text) - at,
				"{ port: 80, protocol: %s, upstream: a, forward: dsr, "
				"ring: %u }, ",
				i % 2 ? "udp" : "tcp", 16381);
		snprintf(text + at, sizeof(text) - at, "] } ]\n");
		m = model_load_text("f", text, strlen(text), &findings);
		CHECK(!m); /* the same port again and again */
		CHECK_INT(!strncmp(findings.list[0].text, "f:2:9: the rings of all", 23),
			  count > 64);
	}
}
