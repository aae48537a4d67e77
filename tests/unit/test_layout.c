/* What one configuration would change of another, before it is made. */
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/control/layout.h"

#define EP(n, weight) "{ address: \"10.0.0." #n ":80\", weight: " #weight " }, "
#define CONFIG(listener, endpoints)                                                                \
	"upstreams: { a: { endpoints: [ " endpoints " ] } }\n"                                     \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, " listener             \
	" } ] } ]\n"
#define L4   "protocol: tcp, upstream: a, forward: dsr"
#define FOUR EP(1, 1) EP(2, 1) EP(3, 1) EP(4, 1)

static json_t *layout(const char *text)
{
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", text, strlen(text), &findings);
	json_t *all;

	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	all = layout_of(model);
	model_destroy(model);
	return all;
}

static json_t *diff(const char *from, const char *to)
{
	json_t *before = layout(from), *after = layout(to), *report = layout_diff(before, after);

	json_decref(before);
	json_decref(after);
	return report;
}

/* In parts of ten thousand; -1: the ring is not named. */
static int part(const json_t *report, const char *key)
{
	const json_t *ring = json_array_get(json_object_get(report, "rings"), 0);

	return ring ? (int)(10000 * json_number_value(json_object_get(ring, key)) + 0.5) : -1;
}

TEST(flows_that_would_move_are_counted_beside_those_that_must)
{
	static const struct {
		const char *name, *to;
		int must_least, must_most;
	} rows[] = {
		{ "the same", CONFIG(L4, FOUR), -1, -1 },
		{ "in another order", CONFIG(L4, EP(4, 1) EP(2, 1) EP(1, 1) EP(3, 1)), -1, -1 },
		{ "one goes", CONFIG(L4, EP(1, 1) EP(2, 1) EP(3, 1)), 2495, 2505 },
		{ "one comes", CONFIG(L4, FOUR EP(5, 1)), 1995, 2005 },
		{ "one gets twice as much", CONFIG(L4, EP(1, 2) EP(2, 1) EP(3, 1) EP(4, 1)), 1495,
		  1505 },
		{ "all are others", CONFIG(L4, EP(5, 1) EP(6, 1)), 10000, 10000 },
		{ "none is left", CONFIG(L4, ""), 10000, 10000 },
		{ "another size", CONFIG(L4 ", ring: 1021", FOUR), 0, 50 },
	};

	FOR_ROWS (row, rows) {
		json_t *report = diff(CONFIG(L4, FOUR), row->to);

		CHECK(part(report, "must") >= row->must_least);
		CHECK(part(report, "must") <= row->must_most);
		CHECK(part(report, "moves") >= part(report, "must"));
		json_decref(report);
	}
}

TEST(what_comes_goes_and_changes_is_named)
{
	static const struct {
		const char *name, *to, *want;
	} rows[] = {
		{ "nothing", CONFIG(L4, FOUR), "[]" },
		{ "one goes, one comes", CONFIG(L4, EP(1, 1) EP(2, 1) EP(3, 1) EP(9, 7)),
		  "[{\"upstream\":\"a\",\"endpoint\":\"10.0.0.9:80\",\"change\":\"added\","
		  "\"weight\":7},"
		  "{\"upstream\":\"a\",\"endpoint\":\"10.0.0.4:80\",\"change\":\"removed\","
		  "\"weight_before\":1}]" },
		{ "a weight", CONFIG(L4, EP(1, 5) EP(2, 1) EP(3, 1) EP(4, 1)),
		  "[{\"upstream\":\"a\",\"endpoint\":\"10.0.0.1:80\",\"change\":\"weight\","
		  "\"weight\":5,\"weight_before\":1}]" },
	};

	FOR_ROWS (row, rows) {
		json_t *report = diff(CONFIG(L4, FOUR), row->to);
		char *text = json_dumps(json_object_get(report, "endpoints"), JSON_COMPACT);

		CHECK_STR(text, row->want);
		free(text);
		json_decref(report);
	}
}

TEST(listeners_are_known_by_vip_port_and_protocol)
{
	json_t *report = diff(
		CONFIG(L4, FOUR),
		"upstreams: { a: { endpoints: [ " FOUR " ] }, b: { endpoints: [ " EP(
			1, 1) " ] } }\n"
			      "vips: [ { name: v, addresses: [10.1.1.1, 10.1.1.2], listeners: [ "
			      "{ port: 80, " L4 " }, { port: 80, protocol: udp, upstream: b, "
			      "forward: dsr } ] } ]\n");
	char *text = json_dumps(report, JSON_COMPACT);

	CHECK_STR(text, "{\"same\":false,"
			"\"listeners\":{\"added\":[\"v:80/udp\"],\"removed\":[],"
			"\"changed\":[\"v:80/tcp\"]},"
			"\"server_names\":{\"added\":[],\"removed\":[],\"changed\":[]},"
			"\"upstreams\":{\"added\":[\"b\"],\"removed\":[],\"changed\":[]},"
			"\"endpoints\":[{\"upstream\":\"b\",\"endpoint\":\"10.0.0.1:80\","
			"\"change\":\"added\",\"weight\":1}],\"rings\":[]}");
	free(text);
	json_decref(report);
}

TEST(server_names_change_with_their_entries)
{
#define SNI(text)                                                                                  \
	"upstreams: { a: { endpoints: [] }, b: { endpoints: [] } }\n"                              \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 443, protocol: "           \
	"tls-passthrough, sni: {\n   " text " } } ] } ]\n"
	static const struct {
		const char *name, *to, *want;
	} rows[] = {
		{ "nothing", SNI("\"*.x.y\": a, x.y: [ { alpn: h2, upstream: b }, a ]"),
		  "{\"added\":[],\"removed\":[],\"changed\":[]}" },
		{ "another upstream", SNI("x.y: [ { alpn: h2, upstream: b }, a ], \"*.x.y\": b"),
		  "{\"added\":[],\"removed\":[],\"changed\":[\"*.x.y of v:443\"]}" },
		{ "another protocol", SNI("x.y: [ { alpn: h3, upstream: b }, a ], \"*.x.y\": a"),
		  "{\"added\":[],\"removed\":[],\"changed\":[\"x.y of v:443\"]}" },
		{ "an entry less", SNI("x.y: { alpn: h2, upstream: b }, \"*.x.y\": a"),
		  "{\"added\":[],\"removed\":[],\"changed\":[\"x.y of v:443\"]}" },
		{ "another name", SNI("x.y: [ { alpn: h2, upstream: b }, a ], default: a"),
		  "{\"added\":[\"default of v:443\"],\"removed\":[\"*.x.y of v:443\"],"
		  "\"changed\":[]}" },
	};

	FOR_ROWS (row, rows) {
		json_t *report =
			diff(SNI("x.y: [ { alpn: h2, upstream: b }, a ], \"*.x.y\": a"), row->to);
		char *text = json_dumps(json_object_get(report, "server_names"), JSON_COMPACT);

		CHECK_STR(text, row->want);
		CHECK_INT(json_is_true(json_object_get(report, "same")), row == rows);
		free(text);
		json_decref(report);
	}
#undef SNI
}

TEST(a_listener_with_another_list_of_routes_has_changed)
{
#define LISTENER(routes)                                                                           \
	"routes: { one: [], two: [] }\nvips: [ { name: v, addresses: [10.1.1.1], listeners: [ { "  \
	"port: 80, protocol: http, routes: " routes " } ] } ]\n"
	json_t *report = diff(LISTENER("one"), LISTENER("two"));
	char *text = json_dumps(json_object_get(report, "listeners"), JSON_COMPACT);

	CHECK_STR(text, "{\"added\":[],\"removed\":[],\"changed\":[\"v:80/tcp\"]}");
	free(text);
	json_decref(report);
#undef LISTENER
}
