/* match: what a request must be like for its route. */
#include <ctype.h>
#include <string.h>

#include "userspace/base/session_id.h"
#include "userspace/http/field.h"
#include "userspace/http/path.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/regex.h"

enum { PATH_BYTES_MAX = 4096, VALUE_BYTES_MAX = 1024, MATCHES_MAX = 32, METHODS_MAX = 64 };

static void read_host(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	const char *host = host_of(r, value, true);
	const char *colon = host ? strrchr(host, ':') : NULL;

	(void)key;
	if (colon && (host[0] != '[' || colon[-1] == ']'))
		finding(r, value->at,
			"expected a host without port, found %s; the listener has the port",
			schema_found(value));
	*(const char **)into = host;
}

/* As it will be in requests, or nothing would ever match. */
static void check_path(struct reading *r, const struct yaml *value, const char *path)
{
	/* Whether "%2F" comes here, the listeners that use the table know. */
	struct path_rules rules = { .slashes = PATH_SLASHES_KEEP };
	size_t len = strlen(path), normal_len;
	char normal[PATH_BYTES_MAX];

	if (strchr(path, '*') || strpbrk(path, "?#") ||
	    (len > 0 && !path_normalise(span_of(path), rules, normal, len, &normal_len)))
		finding(r, value->at,
			"the path %s can never match: no request has it after "
			"normalisation; a star may only be the last segment",
			schema_found(value));
	else if (len > 0 && (normal_len != len || memcmp(normal, path, normal_len)))
		finding(r, value->at,
			"the path \"%s\" can never match: requests are normalised to "
			"\"%.*s\"; write that",
			path, (int)normal_len, normal);
}

static uint32_t segments(const char *path)
{
	uint32_t count = 0;

	for (; *path; path++)
		count += *path == '/';
	return count;
}

/* "/x" exactly, or "/x/" with a star behind for a prefix of whole segments. */
static void read_path(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct route *route = into;
	size_t len = value->kind == YAML_TEXT ? strlen(value->text) : 0;
	const char *path;

	if (value->kind == YAML_MAP) {
		schema_read(r, match_path_keys, value, route);
		return;
	}
	if (len == 0 || len > PATH_BYTES_MAX || value->text[0] != '/') {
		finding(r, value->at, "expected a path such as /x or /x/* for \"%s\", found %s",
			key->name, schema_found(value));
		return;
	}
	path = value->text;
	route->path_kind = PATH_EXACT;
	if (len >= 2 && strcmp(path + len - 2, "/*") == 0) {
		route->path_kind = PATH_PREFIX;
		path = arena_text(r->arena, span_make(path, len - 2));
	}
	if (route->path_kind == PATH_PREFIX && segments(path) > PREFIX_SEGMENTS_MAX)
		finding(r, value->at, "expected at most %d segments before /*, found %u",
			PREFIX_SEGMENTS_MAX, segments(path));
	check_path(r, value, path);
	route->path = path;
}

static void read_methods(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct route *route = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of methods such as [GET, POST]"))
		return;
	if (value->count > METHODS_MAX) {
		finding(r, value->at, "expected at most %d methods, found %u", METHODS_MAX,
			value->count);
		return;
	}
	route->methods = arena_take(r->arena, value->count * sizeof(route->methods[0]));
	for (const struct yaml *v = value->first; v; v = v->next)
		if (v->kind == YAML_TEXT && v->text[0] && span_is_all(span_of(v->text), BYTE_TOKEN))
			route->methods[route->method_count++] = v->text;
		else
			finding(r, v->at, "expected a method such as GET, found %s",
				schema_found(v));
}

/* Regular expressions, also in the values of fields. */
static const struct regex *regex_of(struct reading *r, const struct yaml *value)
{
	const struct regex *regex;
	struct err err;

	if (value->kind != YAML_TEXT) {
		finding(r, value->at, "expected a regular expression, found %s",
			schema_found(value));
		return NULL;
	}
	regex = regex_create(r->arena, value->text, &err);
	if (!regex)
		finding(r, value->at, "%s", err.text);
	return regex;
}

static void read_path_regex(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	struct route *route = into;

	(void)key;
	route->regex = regex_of(r, value);
	if (!route->regex)
		return;
	route->path_kind = PATH_REGEX;
	route->path = regex_text(route->regex);
}

const struct key match_path_keys[] = {
	{ "regex", read_path_regex, .required = true },
	{ 0 },
};

static void read_value_text(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	struct value_match *match = into;

	match->kind = strcmp(key->name, "prefix") == 0 ? VALUE_PREFIX : VALUE_EXACT;
	if (match->kind == VALUE_EXACT && value->kind == YAML_TEXT && !value->text[0])
		match->value = ""; /* there, and empty */
	else
		read_text(r, key, value, &match->value);
}

static void read_value_regex(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	struct value_match *match = into;

	(void)key;
	match->kind = VALUE_REGEX;
	match->regex = regex_of(r, value);
	match->value = match->regex ? regex_text(match->regex) : "";
}

static void read_value_present(struct reading *r, const struct key *key, const struct yaml *value,
			       void *into)
{
	struct value_match *match = into;
	bool present = true;

	match->kind = VALUE_PRESENT;
	match->value = "";
	read_bool(r, key, value, &present);
	match->negated ^= !present;
}

static void read_value_not(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct value_match *match = into;
	bool negated = false;

	read_bool(r, key, value, &negated);
	match->negated ^= negated;
}

const struct key match_value_keys[] = {
	{ "exact", read_value_text, 0, 0, VALUE_BYTES_MAX },
	{ "prefix", read_value_text, 0, 0, VALUE_BYTES_MAX },
	{ "regex", read_value_regex },
	{ "present", read_value_present },
	{ "not", read_value_not },
	{ 0 },
};

static void read_value(struct reading *r, const struct yaml *value, struct value_match *match)
{
	uint32_t count = 0;

	if (value->kind == YAML_TEXT) {
		match->value = value->text;
		return;
	}
	schema_read(r, match_value_keys, value, match);
	if (value->kind != YAML_MAP)
		return;
	for (const struct key *k = match_value_keys; k->name; k++)
		count += strcmp(k->name, "not") != 0 && yaml_get(value, k->name);
	if (count != 1)
		finding(r, value->at,
			"expected one of exact, prefix, regex, present for \"%s\", found %s",
			value->key, schema_found_count(count));
}

/* A map of names and what is wanted of each. Names of fields are in lower case. */
static uint32_t read_values(struct reading *r, const struct yaml *map, bool fields,
			    struct value_match **out)
{
	uint32_t count = 0;

	if (!schema_is(r, map, YAML_MAP, "a map of names and values"))
		return 0;
	if (map->count > MATCHES_MAX) {
		finding(r, map->at, "expected at most %d names, found %u", MATCHES_MAX, map->count);
		return 0;
	}
	*out = arena_take(r->arena, map->count * sizeof(**out));
	for (const struct yaml *v = map->first; v; v = v->next) {
		struct value_match *match = &(*out)[count++];
		char *name = arena_text(r->arena, span_of(v->key));

		for (char *c = name; fields && *c; c++)
			*c = (char)tolower((unsigned char)*c);
		match->name = name;
		if (!name[0] || (fields && !span_is_all(span_of(name), BYTE_TOKEN)))
			finding(r, v->key_at, "expected the name of a field, found \"%s\"", v->key);
		read_value(r, v, match);
	}
	return count;
}

static void read_headers(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct route *route = into;

	(void)key;
	route->header_count = (uint16_t)read_values(r, value, true, &route->headers);
}

/* What most routes do not have is made where it is asked for. */
static struct conditions *conditions_of(struct reading *r, struct route *route)
{
	if (!route->when)
		route->when = arena_take(r->arena, sizeof(*route->when));
	return route->when;
}

static void read_query(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct conditions *when = conditions_of(r, into);

	(void)key;
	when->query_count = read_values(r, value, false, &when->queries);
}

static void read_cookies(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct conditions *when = conditions_of(r, into);

	(void)key;
	when->cookie_count = read_values(r, value, false, &when->cookies);
}

static void read_clients(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	read_networks(r, key, value, &conditions_of(r, into)->clients);
}

static void read_match_countries(struct reading *r, const struct key *key, const struct yaml *value,
				 void *into)
{
	read_countries(r, key, value, conditions_of(r, into));
}

static void read_sni(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct conditions *when = conditions_of(r, into);

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of names such as [www.example.com]"))
		return;
	when->sni = arena_take(r->arena, value->count * sizeof(when->sni[0]));
	for (const struct yaml *v = value->first; v; v = v->next)
		when->sni[when->sni_count++] = server_name_of(r, v);
}

/* "web:443" */
static void read_listeners(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct conditions *when = conditions_of(r, into);

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of vips and ports such as [\"web:443\"]"))
		return;
	when->listeners = arena_take(r->arena, value->count * sizeof(when->listeners[0]));
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct listener_name *name = &when->listeners[when->listener_count++];
		const char *colon = v->kind == YAML_TEXT ? strrchr(v->text, ':') : NULL;
		uint64_t port = 0;

		name->at = v->at;
		name->vip = "";
		if (!colon || !number_parse(colon + 1, 65535, &port) || port == 0)
			finding(r, v->at, "expected a vip and a port such as \"web:443\", found %s",
				schema_found(v));
		else
			name->vip =
				arena_text(r->arena, span_make(v->text, (size_t)(colon - v->text)));
		name->port = (uint16_t)port;
	}
}

static const struct value_match *read_one(struct reading *r, const struct yaml *value,
					  const char *name)
{
	struct value_match *match = arena_take(r->arena, sizeof(*match));

	match->name = name;
	read_value(r, value, match);
	return match;
}

static void read_subject(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	(void)key;
	conditions_of(r, into)->subject = read_one(r, value, "subject");
}

static void read_alpn(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	const struct value_match *match = read_one(r, value, "ALPN");

	(void)key;
	if (match->kind == VALUE_EXACT && !match->negated && match->value &&
	    strcmp(match->value, ALPN_HTTP) != 0)
		finding(r, value->at,
			"the protocol \"%.32s\" can never match: listeners agree on " ALPN_HTTP
			" or on none ({ present: false })",
			match->value);
	conditions_of(r, into)->alpn = match;
}

/* What only ids can be. */
static void check_session_id(struct reading *r, const struct yaml *value,
			     const struct value_match *match)
{
	struct span text = span_of(match->value);
	uint64_t number;

	if (match->kind == VALUE_EXACT && match->value && !session_id_parse(text, &number))
		finding(r, value->at,
			"expected %d digits of 0-9 and a-f for \"session_id\", found \"%.32s\"",
			SESSION_ID_DIGITS, match->value);
	if (match->kind == VALUE_PREFIX && match->value && !session_id_may_begin(text, &number))
		finding(r, value->at,
			"expected a prefix of 1 to %d digits of 0-9 and a-f for \"session_id\", "
			"found \"%.32s\"",
			SESSION_ID_DIGITS, match->value);
}

static void read_session_id(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	const struct value_match *match = read_one(r, value, "session id");

	(void)key;
	check_session_id(r, value, match);
	conditions_of(r, into)->session_id = match;
}

static void read_session_resumed(struct reading *r, const struct key *key, const struct yaml *value,
				 void *into)
{
	bool resumed = false;

	read_bool(r, key, value, &resumed);
	conditions_of(r, into)->session_resumed = resumed ? RESUMPTION_YES : RESUMPTION_NO;
}

const struct key match_keys[] = {
	{ "host", read_host, offsetof(struct route, host) },
	{ "path", read_path },
	{ "methods", read_methods },
	{ "headers", read_headers },
	{ "query", read_query },
	{ "cookies", read_cookies },
	{ "clients", read_clients },
	{ "countries", read_match_countries },
	{ "sni", read_sni },
	{ "alpn", read_alpn },
	{ "client_subject", read_subject },
	{ "session_id", read_session_id },
	{ "session_resumed", read_session_resumed },
	{ "listeners", read_listeners },
	{ 0 },
};

void read_match(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	(void)key;
	/* Who gives an empty list of networks means nobody: it must not let in everybody. */
	for (const struct yaml *v = value->kind == YAML_MAP ? value->first : NULL; v; v = v->next)
		if (v->kind != YAML_TEXT && v->count == 0)
			finding(r, v->at,
				"nothing is in \"%s\"; remove it where anything is to match",
				v->key);
	schema_read(r, match_keys, value, into);
}
