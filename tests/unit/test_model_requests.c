#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define LISTENER(protocol_and_more)                                                                \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"                      \
	"routes: { r: [ { name: b, match: { path: \"/a%2Fb\" }, upstream: a }, "                   \
	"{ name: x, upstream: a } ] }\n"                                                           \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, " protocol_and_more    \
	" } ] } ]\n"
#define HTTP(more)          LISTENER("protocol: http, routes: r" more)
#define TESTED(path, route) "tests: [ { request: \"GET http://h" path "\", route: " route " } ]\n"

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

TEST(rules_are_as_written_and_else_the_strictest_that_break_nothing)
{
	static const struct {
		const char *name, *text;
		int dots, slashes, underscores;
	} rows[] = {
		{ "nothing", HTTP(""), PATH_DOTS_RESOLVE, PATH_SLASHES_REFUSE, UNDERSCORES_DROP },
		{ "an empty map", HTTP(", requests: {}"), PATH_DOTS_RESOLVE, PATH_SLASHES_REFUSE,
		  UNDERSCORES_DROP },
		{ "all kept",
		  HTTP(", requests: { dot_segments: keep, encoded_slashes: keep, "
		       "underscores: keep }"),
		  PATH_DOTS_KEEP, PATH_SLASHES_KEEP, UNDERSCORES_KEEP },
		{ "all refused",
		  HTTP(", requests: { dot_segments: refuse, encoded_slashes: refuse, "
		       "underscores: refuse }"),
		  PATH_DOTS_REFUSE, PATH_SLASHES_REFUSE, UNDERSCORES_REFUSE },
		{ "the third word",
		  HTTP(", requests: { dot_segments: resolve, encoded_slashes: decode, "
		       "underscores: drop }"),
		  PATH_DOTS_RESOLVE, PATH_SLASHES_DECODE, UNDERSCORES_DROP },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);
		struct listener_requests got;

		CHECK_STR(findings.list[0].text, "");
		got = model->vips[0].listeners[0].requests;
		CHECK_INT(got.paths.dots, row->dots);
		CHECK_INT(got.paths.slashes, row->slashes);
		CHECK_INT(got.underscores, row->underscores);
		model_destroy(model);
	}
}

TEST(tests_of_the_configuration_follow_the_rules_of_their_listener)
{
	static const struct {
		const char *name, *text, *want; /* "": passes */
	} rows[] = {
		{ "a kept slash",
		  HTTP(", requests: { encoded_slashes: keep }") TESTED("/a%2fb", "b"), "" },
		{ "a refused slash", HTTP("") TESTED("/a%2fb", "b"),
		  "f:4:10: this test expected route \"b\", found that the path is refused" },
		{ "a climb above the root", HTTP("") TESTED("/../..", "x"),
		  "f:4:10: this test expected route \"x\", found that the path is refused" },
		{ "a decoded slash",
		  HTTP(", requests: { encoded_slashes: decode }") TESTED("/a%2fb", "x"), "" },
		{ "no path", HTTP("") TESTED("", "x"), "" },
		{ "resolved dots",
		  HTTP(", requests: { encoded_slashes: keep }") TESTED("/c/../a%2fb", "b"), "" },
		{ "kept dots",
		  HTTP(", requests: { encoded_slashes: keep, dot_segments: keep }")
			  TESTED("/c/../a%2fb", "x"),
		  "" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);

		CHECK_STR(findings.list[0].text, row->want);
		CHECK_INT(model != NULL, row->want[0] == 0);
		model_destroy(model);
	}
}

TEST(mistakes_are_told_with_their_place)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "another word", HTTP(", requests: { dot_segments: drop }"),
		  "f:3:121: expected one of resolve, refuse, keep for \"dot_segments\", found "
		  "\"drop\"" },
		{ "another word for slashes", HTTP(", requests: { encoded_slashes: resolve }"),
		  "f:3:124: expected one of refuse, keep, decode for \"encoded_slashes\", found "
		  "\"resolve\"" },
		{ "another word for underscores", HTTP(", requests: { underscores: on }"),
		  "f:3:120: expected one of drop, refuse, keep for \"underscores\", found \"on\"" },
		{ "an unknown key", HTTP(", requests: { dot_segment: keep }"),
		  "f:3:107: unknown key \"dot_segment\"; did you mean \"dot_segments\"?" },
		{ "a listener that reads no requests",
		  LISTENER("protocol: tcp-proxy, upstream: a, requests: {}"),
		  "f:3:56: a listener of protocol tcp-proxy has no \"requests\"; remove it" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;

		CHECK(!load(row->text, &findings));
		CHECK_STR(findings.list[0].text, row->want);
		CHECK_INT(findings.count, 1);
	}
}
