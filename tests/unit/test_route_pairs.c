/* Precedence, exhaustively: every two routes that differ in anything that counts, in both orders.
 */
#include "tests/harness/test.h"
#include "userspace/base/arena.h"
#include "userspace/route/regex.h"
#include "userspace/route/router.h"

/* What counts, by rank: in each list the later one is more specific (docs/routing.md, "Who wins").
 */
static const char *const hosts[] = { NULL, "*.example.com", "*.a.example.com", "x.a.example.com" };

enum { HOSTS = 4, PATHS = 6, METHODS = 2, HEADERS = 3, COOKIES = 2, QUERIES = 3 };

static const struct {
	enum path_kind kind;
	const char *text;
	int rank;
} paths[PATHS] = {
	{ PATH_REGEX, "/.*", 0 }, { PATH_ANY, "", 1 },        { PATH_PREFIX, "", 1 },
	{ PATH_PREFIX, "/p", 2 }, { PATH_PREFIX, "/p/q", 3 }, { PATH_EXACT, "/p/q/r", 4 },
};

enum { ROUTES = HOSTS * PATHS * METHODS * HEADERS * COOKIES * QUERIES };

/* All there are, each with its rank: greater wins. */
struct scene {
	struct arena *arena;
	struct route routes[ROUTES];
	int rank[ROUTES];
	struct conditions conditions[COOKIES * QUERIES];
};

static struct value_match present[] = { { "a", "", NULL, VALUE_PRESENT, false },
					{ "b", "", NULL, VALUE_PRESENT, false } };
static const char *gets[] = { "GET" };

static void fill(struct scene *s)
{
	const struct regex *regex;

	s->arena = arena_create();
	regex = regex_create(s->arena, paths[0].text, NULL);
	for (int i = 0; i < COOKIES * QUERIES; i++)
		s->conditions[i] = (struct conditions){ .cookies = present,
							.cookie_count = (uint32_t)(i % COOKIES),
							.queries = present,
							.query_count = (uint32_t)(i / COOKIES) };
	for (int i = 0; i < ROUTES; i++) {
		int host = i % HOSTS, path = i / HOSTS % PATHS, rest = i / HOSTS / PATHS;
		int method = rest % METHODS, header = rest / METHODS % HEADERS;
		int when = rest / METHODS / HEADERS;

		s->routes[i] = (struct route){ .name = "r",
					       .host = hosts[host],
					       .path_kind = paths[path].kind,
					       .path = paths[path].text,
					       .regex = path == 0 ? regex : NULL,
					       .methods = gets,
					       .method_count = (uint16_t)method,
					       .headers = present,
					       .header_count = (uint16_t)header,
					       .when = when ? &s->conditions[when] : NULL };
		s->rank[i] = (((host * PATHS + paths[path].rank) * METHODS + method) * 8 + header +
			      when % COOKIES) *
				     QUERIES +
			     when / COOKIES;
	}
}

/* One that all of them match. */
static struct span field_of(const void *context, struct span name)
{
	(void)context;
	return span_is(name, SPAN("cookie")) ? SPAN("a=1; b=2") : SPAN("1");
}

/* Of a table of the two, in that order of writing: 0 or 1. */
static int winner(const struct route *first, const struct route *second)
{
	struct route both[2] = { *first, *second };
	struct route_table table = { .routes = both, .count = 2 };
	struct route_request req = { .host = SPAN("x.a.example.com"),
				     .path = SPAN("/p/q/r"),
				     .query = SPAN("a=1&b=2"),
				     .method = SPAN("GET"),
				     .field = field_of };
	struct arena *arena = arena_create();
	const struct route *got;
	int order;

	both[1].order = 1;
	router_compile(arena, &table);
	got = router_find(&table, &req);
	CHECK(got);
	order = (int)got->order;
	arena_destroy(arena);
	return order;
}

TEST(of_every_two_routes_the_more_specific_one_wins_whichever_is_written_first)
{
	static struct scene s;

	fill(&s);
	for (int i = 0; i < ROUTES; i++)
		for (int k = 0; k < ROUTES; k++) {
			int want = s.rank[k] > s.rank[i];

			if (winner(&s.routes[i], &s.routes[k]) != want)
				test_fail(__FILE__, __LINE__, "routes %d and %d: the %s one won", i,
					  k, want ? "first" : "second");
		}
	arena_destroy(s.arena);
}
