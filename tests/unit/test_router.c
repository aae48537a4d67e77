/* Hosts, paths and the precedence of the Gateway API. */
#include "tests/harness/test.h"
#include "userspace/route/host_match.h"
#include "userspace/base/arena.h"
#include "userspace/route/router.h"

TEST(hosts_match_exactly_or_by_suffix)
{
	static const struct {
		const char *name, *pattern, *host;
		bool want;
	} rows[] = {
		{ "any", NULL, "x", true },
		{ "any takes no host too", NULL, "", true },
		{ "the same", "www.example.com", "www.example.com", true },
		{ "another case", "www.example.com", "WWW.Example.COM", true },
		{ "the root's dot", "www.example.com", "www.example.com.", true },
		{ "a longer one", "example.com", "www.example.com", false },
		{ "a shorter one", "www.example.com", "example.com", false },
		{ "a label below", "*.example.com", "a.example.com", true },
		{ "labels below", "*.example.com", "a.b.example.com", true },
		{ "in another case", "*.example.com", "A.EXAMPLE.com", true },
		{ "with the root's dot", "*.example.com", "a.example.com.", true },
		{ "the name itself", "*.example.com", "example.com", false },
		{ "no label before the dot", "*.example.com", ".example.com", false },
		{ "only the same end", "*.example.com", "badexample.com", false },
		{ "no host", "*.example.com", "", false },
		{ "IPv6", "[::1]", "[::1]", true },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(host_match(row->pattern, span_of(row->host)), row->want);
}

/* In a table of this one route. */
static bool path_match(enum path_kind kind, const char *pattern, const char *path)
{
	struct route route = { .path_kind = kind, .path = pattern };
	struct route_table table = { .routes = &route, .count = 1 };
	struct route_request req = { .path = span_of(path), .method = SPAN("GET") };
	struct arena *arena = arena_create();
	bool found;

	router_compile(arena, &table);
	found = router_find(&table, &req);
	arena_destroy(arena);
	return found;
}

TEST(paths_match_exactly_or_by_segments)
{
	static const struct {
		const char *name;
		enum path_kind kind;
		const char *pattern, *path;
		bool want;
	} rows[] = {
		{ "any", PATH_ANY, "", "/x", true },
		{ "exact", PATH_EXACT, "/x", "/x", true },
		{ "exact is not below", PATH_EXACT, "/x", "/x/", false },
		{ "case matters", PATH_EXACT, "/x", "/X", false },
		{ "the prefix itself", PATH_PREFIX, "/v2", "/v2", true },
		{ "below", PATH_PREFIX, "/v2", "/v2/a/b", true },
		{ "its slash", PATH_PREFIX, "/v2", "/v2/", true },
		{ "part of a segment", PATH_PREFIX, "/v2", "/v2x", false },
		{ "shorter", PATH_PREFIX, "/v2/a", "/v2", false },
		{ "everything", PATH_PREFIX, "", "/", true },
		{ "not the asterisk", PATH_PREFIX, "", "*", false },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(path_match(row->kind, row->pattern, row->path), row->want);
}

/* "name: value" of a test's request, or none. */
static struct span field_of(const void *context, struct span name)
{
	const char *const *fields = context;

	for (; fields && fields[0]; fields += 2)
		if (span_is_nocase(span_of(fields[0]), name))
			return span_of(fields[1]);
	return (struct span){ NULL, 0 };
}

static const char *find(const char *text, const char *method, const char *host, const char *path,
			const char *const *fields)
{
	static char name[32];
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", text, strlen(text), &findings);
	struct route_request req = { .host = span_of(host),
				     .path = span_of(path),
				     .method = span_of(method),
				     .field = field_of,
				     .context = fields };
	const struct route *got;

	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	got = router_find(&model->tables[0], &req);
	snprintf(name, sizeof(name), "%s", got ? got->name : "none");
	model_destroy(model);
	return name;
}

/* Written from the least to the most specific, so that the order of writing cannot help. */
static const char table[] =
	"upstreams: { u: { endpoints: [] } }\n"
	"routes:\n"
	"  r:\n"
	"  - { name: wild, match: { host: \"*.example.com\" }, upstream: u }\n"
	"  - { name: wild-long, match: { host: \"*.a.example.com\" }, upstream: u }\n"
	"  - { name: exact, match: { host: www.example.com }, upstream: u }\n"
	"  - { name: prefix, match: { host: www.example.com, path: /a/* }, upstream: u }\n"
	"  - { name: longer, match: { host: www.example.com, path: /a/b/* }, upstream: u }\n"
	"  - { name: path, match: { host: www.example.com, path: /a/b/c }, upstream: u }\n"
	"  - { name: post, match: { host: www.example.com, path: /a/b/c, methods: [POST] }, "
	"upstream: u }\n"
	"  - { name: one, match: { host: www.example.com, path: /h, headers: { x: 1 } }, upstream: "
	"u }\n"
	"  - { name: two, match: { host: www.example.com, path: /h, headers: { x: 1, y: 2 } }, "
	"upstream: u }\n"
	"  - { name: first, match: { path: /same, headers: { p: 1 } }, upstream: u }\n"
	"  - { name: second, match: { path: /same, headers: { q: 1 } }, upstream: u }\n";

TEST(the_most_specific_route_wins)
{
	static const char *const x[] = { "X", "1", NULL }, *const xy[] = { "x", "1", "Y", "2",
									   NULL };
	static const char *const other[] = { "x", "11", NULL };
	static const char *const pq[] = { "p", "1", "q", "1", NULL }, *const q[] = { "q", "1",
										     NULL };
	static const struct {
		const char *name, *method, *host, *path;
		const char *const *fields;
		const char *want;
	} rows[] = {
		{ "exact host", "GET", "www.example.com", "/", NULL, "exact" },
		{ "wildcard", "GET", "b.example.com", "/a/b/c", NULL, "wild" },
		{ "the longer wildcard", "GET", "x.a.example.com", "/", NULL, "wild-long" },
		{ "prefix", "GET", "www.example.com", "/a/x", NULL, "prefix" },
		{ "the longer prefix", "GET", "www.example.com", "/a/b/x", NULL, "longer" },
		{ "exact path", "GET", "www.example.com", "/a/b/c", NULL, "path" },
		{ "a method beats none", "POST", "www.example.com", "/a/b/c", NULL, "post" },
		{ "methods are of one case", "post", "www.example.com", "/a/b/c", NULL, "path" },
		{ "a header", "GET", "www.example.com", "/h", x, "one" },
		{ "more headers", "GET", "www.example.com", "/h", xy, "two" },
		{ "a header's value is exact", "GET", "www.example.com", "/h", other, "exact" },
		{ "a header that is missing", "GET", "www.example.com", "/h", NULL, "exact" },
		{ "the first written, at last", "GET", "none", "/same", pq, "first" },
		{ "unless it does not match", "GET", "none", "/same", q, "second" },
		{ "nothing", "GET", "none", "/", NULL, "none" },
	};

	FOR_ROWS (row, rows)
		CHECK_STR(find(table, row->method, row->host, row->path, row->fields), row->want);
}

/* "/d" so many times. */
static const char *deep(uint32_t segments)
{
	static char text[2 * (PREFIX_SEGMENTS_MAX + 8) + 1];

	text[0] = 0;
	for (uint32_t i = 0; i < segments; i++)
		strcat(text, "/d");
	return text;
}

TEST(prefixes_of_any_depth_that_may_be_written_are_found)
{
	char text[PREFIX_SEGMENTS_MAX * 256], name[8];
	int at = snprintf(text, sizeof(text),
			  "upstreams: { u: { endpoints: [] } }\nroutes:\n  r:\n");

	/* Each but the 40th, so that there is a gap. */
	for (uint32_t n = 1; n <= PREFIX_SEGMENTS_MAX; n++)
		if (n != 40)
			at += snprintf(
				text + at, sizeof(text) - (size_t)at,
				"  - { name: n%u, match: { host: a, path: %s/* }, upstream: u }\n",
				n, deep(n));
	CHECK((size_t)at < sizeof(text));
	for (uint32_t n = 1; n <= PREFIX_SEGMENTS_MAX + 5; n++) {
		uint32_t want = n == 40 ? 39 : n;

		snprintf(name, sizeof(name), "n%u",
			 want > PREFIX_SEGMENTS_MAX ? PREFIX_SEGMENTS_MAX : want);
		CHECK_STR(find(text, "GET", "a", deep(n), NULL), name);
	}
	CHECK_STR(find(text, "GET", "a", "/dd/d", NULL), "none");
}

TEST(a_prefix_that_is_too_deep_is_refused)
{
	struct findings findings = { 0 };
	char text[512];

	snprintf(text, sizeof(text),
		 "upstreams: { u: { endpoints: [] } }\n"
		 "routes: { r: [ { name: x, match: { path: %s/* }, upstream: u } ] }\n",
		 deep(PREFIX_SEGMENTS_MAX + 1));
	CHECK(!model_load_text("f", text, strlen(text), &findings));
	CHECK_STR(findings.list[0].text,
		  "f:2:42: expected at most 64 segments before /*, found 65");
}

/* What the paths of a host have in common is kept but once, of whatever length. */
TEST(paths_that_begin_alike_are_told_apart)
{
	static const char text[] =
		"upstreams: { u: { endpoints: [] } }\n"
		"routes:\n"
		"  r:\n"
		"  - { name: root, match: { host: a, path: /* }, upstream: u }\n"
		"  - { name: short, match: { host: a, path: /api/v1 }, upstream: u }\n"
		"  - { name: below, match: { host: a, path: /api/v1/* }, upstream: u }\n"
		"  - { name: long, match: { host: a, path: /api/v1/x }, upstream: u }\n"
		"  - { name: only, match: { host: b, path: /api/v1/only }, upstream: u }\n";
	static const struct {
		const char *name, *host, *path, *want;
	} rows[] = {
		{ "what is shared itself", "a", "/api/v1", "short" },
		{ "below it", "a", "/api/v1/y", "below" },
		{ "beside it", "a", "/api/v2", "root" },
		{ "shorter", "a", "/api", "root" },
		{ "as long, and other", "a", "/bpi/v1", "root" },
		{ "longer", "a", "/api/v1/x", "long" },
		{ "all of it", "b", "/api/v1/only", "only" },
		{ "another end", "b", "/api/v1/onlx", "none" },
		{ "another beginning", "b", "/bpi/v1/only", "none" },
	};

	FOR_ROWS (row, rows)
		CHECK_STR(find(text, "GET", row->host, row->path, NULL), row->want);
}

TEST(no_path_ranks_as_the_prefix_of_all)
{
	static const char text[] = "upstreams: { u: { endpoints: [] } }\nroutes:\n  r:\n"
				   "  - { name: all, match: { path: /* }, upstream: u }\n"
				   "  - { name: get, match: { methods: [GET] }, upstream: u }\n";

	CHECK_STR(find(text, "GET", "x", "/", NULL), "get");
	CHECK_STR(find(text, "PUT", "x", "/", NULL), "all");
}

TEST(of_two_routes_the_more_specific_one_comes_first)
{
	static const struct {
		const char *name;
		struct route first, second;
	} rows[] = {
		{ "a host before none", { .host = "a" }, { .path_kind = PATH_EXACT, .path = "/" } },
		{ "an exact host before a longer wildcard",
		  { .host = "a.b" },
		  { .host = "*.longer.example.com" } },
		{ "the longer wildcard", { .host = "*.a.b" }, { .host = "*.b" } },
		{ "an exact path before the same prefix with a method",
		  { .path_kind = PATH_EXACT, .path = "/p" },
		  { .path_kind = PATH_PREFIX, .path = "/p", .method_count = 1 } },
		{ "an exact path before a longer prefix",
		  { .path_kind = PATH_EXACT, .path = "/p" },
		  { .path_kind = PATH_PREFIX, .path = "/p/longer" } },
		{ "the longer prefix before a header",
		  { .path_kind = PATH_PREFIX, .path = "/p/q" },
		  { .path_kind = PATH_PREFIX, .path = "/p", .header_count = 1 } },
		{ "a method before headers", { .method_count = 1 }, { .header_count = 5 } },
		{ "more headers before order",
		  { .header_count = 2, .order = 9 },
		  { .header_count = 1 } },
		{ "the number of methods is no matter",
		  { .method_count = 1, .order = 1 },
		  { .method_count = 2, .order = 2 } },
		{ "the order of writing, at last", { .order = 1 }, { .order = 2 } },
	};

	FOR_ROWS (row, rows) {
		CHECK(router_compare(&row->first, &row->second) < 0);
		CHECK(router_compare(&row->second, &row->first) > 0);
		CHECK_INT(router_compare(&row->first, &row->first), 0);
	}
}

TEST(those_that_are_tried_in_vain_are_noted_as_far_as_there_is_room)
{
	static const struct {
		const char *name, *path;
		uint32_t room, more;
		const char *lost, *taken;
	} rows[] = {
		{ "two, and the one that is taken", "/h", 8, 0, "two one ", "exact" },
		{ "no room", "/h", 0, 2, "", "exact" },
		{ "room for one", "/h", 1, 1, "two ", "exact" },
		{ "one of another method", "/a/b/c", 8, 0, "post ", "path" },
		{ "none", "/a/x", 8, 0, "", "prefix" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings = { 0 };
		struct model *model = model_load_text("f", table, strlen(table), &findings);
		struct route_try tries[8];
		struct route_trace losers = { .tries = tries, .room = row->room };
		struct route_request req = { .host = SPAN("www.example.com"),
					     .path = span_of(row->path),
					     .method = SPAN("GET"),
					     .field = field_of,
					     .losers = &losers };
		const struct route *got = router_find(&model->tables[0], &req);
		char lost[64] = "";

		for (uint32_t i = 0; i < losers.count; i++) {
			strcat(strcat(lost, tries[i].route->name), " ");
			CHECK(tries[i].miss != MISS_NONE);
		}
		CHECK_STR(lost, row->lost);
		CHECK_STR(got ? got->name : "none", row->taken);
		CHECK_INT(losers.more, row->more);
		CHECK(!losers.taken);
		model_destroy(model);
	}
}
