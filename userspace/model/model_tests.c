/* tests: what the file claims about itself, read and run. */
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/http/path.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/router.h"

/* Up to and without the first of the bytes in stops, from *rest. */
static struct span take_until(struct span *rest, const char *stops)
{
	struct span got = { rest->at, 0 };

	while (got.len < rest->len && !strchr(stops, rest->at[got.len]))
		got.len++;
	*rest = span_after(*rest, got.len);
	return got;
}

static bool take_port(struct span text, uint16_t *out_port)
{
	char digits[6] = "";
	uint64_t port;

	if (text.len < 2 || text.len > sizeof(digits))
		return false;
	memcpy(digits, text.at + 1, text.len - 1);
	if (!number_parse(digits, 65535, &port) || port == 0)
		return false;
	*out_port = (uint16_t)port;
	return true;
}

/* "host", "host:port", "[2001:db8::1]:port"; the host keeps its brackets, as in a Host field. */
static bool take_authority(struct span text, struct expectation *e, struct arena *arena)
{
	struct span host = text, rest;

	if (text.len > 0 && text.at[0] == '[') {
		rest = text;
		host = take_until(&rest, "]");
		if (rest.len == 0)
			return false;
		host.len++;
		rest = span_after(rest, 1);
	} else {
		rest = text;
		host = take_until(&rest, ":");
	}
	e->host = arena_text(arena, host);
	return host.len > 0 && (rest.len == 0 || (rest.at[0] == ':' && take_port(rest, &e->port)));
}

static bool take_path(struct span text, struct expectation *e, struct arena *arena)
{
	/* The listener that gets it knows better; this is what no listener takes. */
	struct path_rules lax = { PATH_DOTS_KEEP, PATH_SLASHES_KEEP };
	struct span path = take_until(&text, "?#");
	char *normal = arena_take(arena, path.len + 2);
	size_t len;

	if (path.len > 0 && !path_normalise(path, lax, normal, path.len, &len))
		return false;
	e->path = path.len > 0 ? arena_text(arena, path) : "/";
	if (text.len > 0 && text.at[0] == '?') {
		text = span_after(text, 1);
		e->query = arena_text(arena, take_until(&text, "#"));
	}
	return true;
}

/* "GET http://host[:port]/path" */
static bool take_request(struct span rest, struct expectation *e, struct arena *arena)
{
	struct span method = take_until(&rest, " "), scheme, authority;

	if (rest.len == 0 || method.len == 0 || !span_is_all(method, BYTE_TOKEN))
		return false;
	rest = span_after(rest, 1);
	scheme = take_until(&rest, ":");
	if (!span_has_prefix(rest, SPAN("://")))
		return false;
	rest = span_after(rest, 3);
	if (span_is(scheme, SPAN("https")))
		e->port = 443;
	else if (span_is(scheme, SPAN("http")))
		e->port = 80;
	else
		return false;
	e->method = arena_text(arena, method);
	e->scheme = arena_text(arena, scheme);
	authority = take_until(&rest, "/?#");
	return take_authority(authority, e, arena) && take_path(rest, e, arena);
}

static void read_request(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	if (value->kind != YAML_TEXT || !take_request(span_of(value->text), into, r->arena))
		finding(r, value->at,
			"expected a request such as \"GET http://www.example.com/\" for "
			"\"%s\", found %s",
			key->name, schema_found(value));
}

static void read_test_headers(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	struct expectation *e = into;

	(void)key;
	e->header_count = build_headers(r, value, &e->headers);
}

const struct key test_keys[] = {
	{ "request", read_request, .required = true },
	{ "headers", read_test_headers },
	{ "from", read_ip, offsetof(struct expectation, from) },
	{ "route", read_text, offsetof(struct expectation, route), .required = true },
	{ 0 },
};

void build_tests(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_LIST, "a list of tests"))
		return;
	m->tests = arena_take(m->arena, section->count * sizeof(m->tests[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct expectation *e = &m->tests[m->test_count++];

		e->at = v->at;
		schema_read(&b->reading, test_keys, v, e);
	}
}

static struct span field_of(const void *context, struct span name)
{
	const struct expectation *e = context;

	for (uint32_t i = 0; i < e->header_count; i++)
		if (span_is_nocase(span_of(e->headers[i].name), name))
			return span_of(e->headers[i].value);
	return (struct span){ NULL, 0 };
}

/* NULL where the listener has none for it, or refuses its path. */
static const struct route *route_at(struct building *b, const struct listener *l,
				    const struct expectation *e, bool *out_refused)
{
	static const struct addr nobody;
	size_t room = strlen(e->path), len;
	char *path = arena_take(b->model->arena, room);
	struct route_request req = { .host = span_of(e->host),
				     .method = span_of(e->method),
				     .query = span_of(e->query),
				     .sni = span_of(l->protocol == LISTENER_HTTPS ? e->host : ""),
				     .client = addr_is_ip(&e->from, &nobody) ? NULL : &e->from,
				     .listener = l,
				     .field = field_of,
				     .context = e };

	if (!path_normalise(span_of(e->path), l->requests.paths, path, room, &len)) {
		*out_refused = true;
		return NULL;
	}
	req.path = span_make(path, len);
	return router_find(l->routes, &req);
}

/* The first HTTP listener of that port decides; tests name requests, not vips. */
static void run_test(struct building *b, const struct expectation *e)
{
	const struct route *got = NULL;
	bool refused = false;

	for (uint32_t i = 0; i < b->model->vip_count && !got; i++)
		for (uint32_t k = 0; k < b->model->vips[i].listener_count && !got; k++) {
			const struct listener *l = &b->model->vips[i].listeners[k];

			if (l->routes && l->port == e->port)
				got = route_at(b, l, e, &refused);
		}
	if (!got)
		finding(&b->reading, e->at, "this test expected route \"%s\", found that %s",
			e->route, refused ? "the path is refused" : "no route matches");
	else if (strcmp(got->name, e->route) != 0)
		finding(&b->reading, e->at,
			"this test expected route \"%s\", found that \"%s\" (line "
			"%u) matches",
			e->route, got->name, got->at.line);
}

void check_tests(struct building *b)
{
	for (uint32_t i = 0; i < b->model->test_count; i++)
		run_test(b, &b->model->tests[i]);
}
