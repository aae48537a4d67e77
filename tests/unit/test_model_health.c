#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define UPSTREAM(health)                                                                           \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ],\n health: " health " } "   \
	"}\n"

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

static struct health health_of(const char *text)
{
	struct findings findings;
	struct model *model = load(text, &findings);
	struct health got;

	CHECK_STR(findings.list[0].text, "");
	got = model->upstreams[0].health;
	model_destroy(model);
	return got;
}

TEST(a_check_is_as_written_and_else_the_usual_one)
{
	struct health got = health_of(UPSTREAM("{ tcp: true }"));

	CHECK_INT(got.kind, HEALTH_TCP);
	CHECK_INT(got.interval_ms, 2000);
	CHECK_INT(got.timeout_ms, 1000);
	CHECK_INT(got.rise, 2);
	CHECK_INT(got.fall, 3);
	CHECK_INT(got.mtu, true);
	got = health_of(UPSTREAM("{ http: /healthz, interval: 5s, timeout: 500ms, rise: 1, "
				 "fall: 9, port: 81, mtu: false, "
				 "expect: { status: [204, \"300-302\"] } }"));
	CHECK_INT(got.kind, HEALTH_HTTP);
	CHECK_INT(got.interval_ms, 5000);
	CHECK_INT(got.timeout_ms, 500);
	CHECK_INT(got.rise, 1);
	CHECK_INT(got.fall, 9);
	CHECK_INT(got.port, 81);
	CHECK_INT(got.mtu, false);
	CHECK_INT(got.status_count, 2);
	CHECK_INT(got.statuses[0].first, 204);
	CHECK_INT(got.statuses[0].last, 204);
	CHECK_INT(got.statuses[1].first, 300);
	CHECK_INT(got.statuses[1].last, 302);
	CHECK_INT(health_of(UPSTREAM("{ tcp: true, interval: 300ms }")).timeout_ms, 300);
	got = health_of(UPSTREAM("{ http: / }"));
	CHECK_INT(got.statuses[0].first, 200);
	CHECK_INT(got.statuses[0].last, 399);
}

#define TLS_UPSTREAM(health)                                                                       \
	"upstreams: { a: { tls: { name: a.example }, endpoints: [],\n health: " health " } }\n"

TEST(a_check_over_http_speaks_tls_where_its_upstream_does)
{
	static const struct {
		const char *name, *text, *want; /* whose certificate; NULL: it is plain */
	} rows[] = {
		{ "as its upstream", TLS_UPSTREAM("{ http: / }"), "a.example" },
		{ "a port of its own is plain", TLS_UPSTREAM("{ http: /, port: 8080 }"), NULL },
		{ "but for one that says so", TLS_UPSTREAM("{ http: /, port: 8443, tls: true }"),
		  "a.example" },
		{ "not wanted", TLS_UPSTREAM("{ http: /, tls: false }"), NULL },
		{ "a connection alone", TLS_UPSTREAM("{ tcp: true }"), NULL },
		{ "a handshake alone", TLS_UPSTREAM("{ tls: true }"), "a.example" },
		{ "of its own", UPSTREAM("{ tls: { name: b.example } }"), "b.example" },
		{ "of its own, with a request", UPSTREAM("{ http: /, tls: { name: b.example } }"),
		  "b.example" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);

		CHECK_STR(findings.list[0].text, "");
		CHECK_INT(model->upstreams[0].health.tls.used, row->want != NULL);
		if (row->want)
			CHECK_STR(model->upstreams[0].health.tls.name, row->want);
		model_destroy(model);
	}
}

TEST(what_a_check_says_and_hears_is_as_written)
{
	struct findings findings;
	static const char text[] =
		UPSTREAM("{ http: /, method: HEAD, headers: { X-A: one, accept: \"*/*\" }, "
			 "expect: { body: \"hex:00ff\" }, fast_interval: 200ms, damping: 10m }");
	struct model *model = load(text, &findings);
	const struct health *got;

	CHECK(model != NULL);
	got = &model->upstreams[0].health;
	CHECK_STR(got->method, "HEAD");
	CHECK_INT(got->field_count, 2);
	CHECK_STR(got->fields[1].name, "accept");
	CHECK_STR(got->fields[0].value, "one");
	CHECK(span_is(got->body, span_make("\x00\xff", 2)));
	CHECK_INT(got->statuses[0].last, 399);
	CHECK_INT(got->fast_interval_ms, 200);
	CHECK_INT(got->damping_ms, 600000);
	model_destroy(model);
}

TEST(bytes_of_datagrams_are_text_or_pairs_of_digits)
{
	static const char text[] = UPSTREAM("{ udp: { send: \"hex:00fF10\", expect: pong } }");
	struct findings findings;
	struct model *model = load(text, &findings);

	CHECK(model != NULL);
	CHECK_INT(model->upstreams[0].health.kind, HEALTH_UDP);
	CHECK(span_is(model->upstreams[0].health.send, SPAN("\x00\xff\x10")));
	CHECK(span_is(model->upstreams[0].health.answer, SPAN("pong")));
	model_destroy(model);
}

TEST(mistakes_of_checks_are_told_with_their_place)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "none of the kinds", UPSTREAM("{ rise: 1 }"),
		  "f:2:10: a health check needs one of \"tcp\", \"udp\", \"http\" and \"tls\"" },
		{ "two of them", UPSTREAM("{ tcp: true, http: / }"),
		  "f:2:10: a health check needs one of \"tcp\", \"udp\", \"http\" and \"tls\"" },
		{ "tcp: false", UPSTREAM("{ tcp: false }"),
		  "f:2:17: expected one of true for \"tcp\", found \"false\"" },
		{ "a path without a slash", UPSTREAM("{ http: healthz }"),
		  "f:2:18: expected a path such as /healthz for \"http\", found \"healthz\"" },
		{ "a path that would end the line", UPSTREAM("{ http: \"/a b\" }"),
		  "f:2:19: expected a path such as /healthz for \"http\", found \"/a b\"" },
		{ "a host that would end the line", UPSTREAM("{ http: /, host: \"a\\nb\" }"),
		  "f:2:28: expected a host such as example.com for \"host\"" },
		{ "a timeout beyond the interval",
		  UPSTREAM("{ tcp: true, interval: 1s, timeout: 2s }"),
		  "f:2:10: \"timeout\" of a health check is longer than \"interval\", which is "
		  "1000 ms" },
		{ "statuses without HTTP", UPSTREAM("{ tcp: true, expect: { status: [200] } }"),
		  "f:2:10: \"expect\" of a health check is only for \"http\"" },
		{ "a host without HTTP", UPSTREAM("{ tcp: true, host: x }"),
		  "f:2:10: \"host\" of a health check is only for \"http\"" },
		{ "a range from right to left",
		  UPSTREAM("{ http: /, expect: { status: [\"300-200\"] } }"),
		  "f:2:41: expected a status of 100 to 599, or a range such as \"200-299\", found "
		  "\"300-200\"" },
		{ "half a byte", UPSTREAM("{ udp: { send: \"hex:123\" } }"),
		  "f:2:26: expected pairs of hexadecimal digits behind \"hex:\" for \"send\"" },
		{ "no digit", UPSTREAM("{ udp: { send: \"hex:1x\" } }"),
		  "f:2:26: expected pairs of hexadecimal digits behind \"hex:\" for \"send\"" },
		{ "nothing to send", UPSTREAM("{ udp: {} }"),
		  "f:2:17: expected the key \"send\" here, found none" },
		{ "TLS as of an upstream without", UPSTREAM("{ tls: true }"),
		  "f:1:14: \"tls: true\" of the health check of \"a\" is as \"tls\" of the "
		  "upstream "
		  "says, which has none" },
		{ "TLS in datagrams", UPSTREAM("{ udp: { send: x }, tls: { verify: false } }"),
		  "f:2:10: \"tls\" of a health check is not for \"udp\"" },
		{ "days of no certificate", UPSTREAM("{ tcp: true, valid_days: 3 }"),
		  "f:1:14: \"valid_days\" of the health check of \"a\" is only for TLS" },
		{ "no method", UPSTREAM("{ http: /, method: \"G T\" }"),
		  "f:2:30: expected a method such as GET for \"method\", found \"G T\"" },
		{ "a method that opens a tunnel", UPSTREAM("{ http: /, method: CONNECT }"),
		  "f:2:29: expected a method such as GET" },
		{ "Host among the headers", UPSTREAM("{ http: /, headers: { Host: x } }"),
		  "f:2:32: the field \"Host\" is not one that a check may say: use \"host\"" },
		{ "a field that ends the line", UPSTREAM("{ http: /, headers: { x: \"a\\nb\" } }"),
		  "f:2:36: expected the value of a field" },
		{ "headers without HTTP", UPSTREAM("{ tcp: true, headers: { x: y } }"),
		  "f:2:10: \"headers\" of a health check is only for \"http\"" },
		{ "fast is slower", UPSTREAM("{ tcp: true, interval: 1s, fast_interval: 2s }"),
		  "f:2:10: \"fast_interval\" of a health check is longer than \"interval\", which "
		  "is "
		  "1000 ms" },
		{ "too often", UPSTREAM("{ tcp: true, interval: 10ms }"), "f:2:33:" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);

		CHECK(model == NULL);
		if (strncmp(findings.list[0].text, row->want, strlen(row->want)) != 0)
			CHECK_STR(findings.list[0].text, row->want);
	}
}
