/* tests: what the file claims about itself. */
#include <string.h>

#include "userspace/base/session_id.h"
#include "userspace/http/field.h"
#include "userspace/http/path.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/sni_match.h"

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

static void read_sent(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct expectation *e = into;

	(void)key;
	e->sent_count = build_headers(r, value, &e->sent);
}

/* How many; a list of texts. */
static uint32_t read_texts(struct reading *r, const struct key *key, const struct yaml *value,
			   const char ***out)
{
	uint32_t count = 0;

	if (!schema_is(r, value, YAML_LIST, "a list"))
		return 0;
	*out = arena_take(r->arena, value->count * sizeof(**out));
	for (const struct yaml *v = value->first; v; v = v->next)
		if (v->kind == YAML_TEXT)
			(*out)[count++] = v->text;
		else
			finding(r, v->at, "expected a text in \"%s\", found %s", key->name,
				schema_found(v));
	return count;
}

static void read_not_sent(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	struct expectation *e = into;

	e->not_sent_count = read_texts(r, key, value, &e->not_sent);
}

static void read_test_endpoints(struct reading *r, const struct key *key, const struct yaml *value,
				void *into)
{
	struct expectation *e = into;

	e->endpoint_count = read_texts(r, key, value, &e->endpoints);
}

static void read_test_session(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	if (value->kind != YAML_TEXT || !session_id_parse(span_of(value->text), into))
		finding(r, value->at, "expected %d digits of 0-9 and a-f for \"%s\", found %s",
			SESSION_ID_DIGITS, key->name, schema_found(value));
}

static void read_test_alpn(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct sni_ask unused = { .protocol_count = 0 };

	if (value->kind == YAML_TEXT && sni_match_offer(&unused, span_of(value->text)))
		*(const char **)into = value->text;
	else
		finding(r, value->at,
			"expected at most %d protocols such as \"h2,http/1.1\" for \"%s\", found "
			"%s",
			SNI_OFFERED_MAX, key->name, schema_found(value));
}

#define AT(field) offsetof(struct expectation, field)
const struct key test_keys[] = {
	{ "request", read_request, .required = true },
	{ "headers", read_test_headers },
	{ "from", read_ip, AT(from) },
	{ "client_subject", read_text, AT(subject), 0, 511 },
	{ "alpn", read_test_alpn, AT(alpn) },
	{ "session_id", read_test_session, AT(session_id) },
	{ "session_resumed", read_bool, AT(session_resumed) },
	{ "route", read_text, AT(route) },
	{ "upstream", read_text, AT(upstream) },
	{ "endpoints", read_test_endpoints },
	{ "status", read_number, AT(status), 200, 599 },
	{ "location", read_text, AT(location), 0, 1024 },
	{ "target", read_text, AT(target), 0, 1024 },
	{ "sent", read_sent },
	{ "not_sent", read_not_sent },
	{ 0 },
};
#undef AT

static bool expects_nothing(const struct expectation *e)
{
	return !e->route && !e->upstream && !e->endpoints && !e->status && !e->location &&
	       !e->target && e->sent_count + e->not_sent_count == 0;
}

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
		if (v->kind == YAML_MAP && expects_nothing(e))
			finding(&b->reading, v->at,
				"expected \"route\" or something else that is expected of this "
				"test's request");
	}
}
