/* filters: what is changed of requests and responses; and the parts of redirects. */
#include <string.h>
#include <strings.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/rewrite.h"

enum { EDITS_MAX = 16, TEXT_BYTES_MAX = 1024 };

struct edits {
	struct header_edit *list;
	uint32_t count;
};

static void add_edit(struct reading *r, struct edits *edits, struct place at,
		     struct header_edit edit)
{
	if (!edit.name[0] || !span_is_all(span_of(edit.name), BYTE_TOKEN))
		finding(r, at, "expected the name of a field such as X-Name, found \"%s\"",
			edit.name);
	else if (!may_set_field(edit.name))
		finding(r, at, "the field \"%s\" is not one that may be changed%s", edit.name,
			strcasecmp(edit.name, "Host") == 0 ? "; \"rewrite\" has \"host\" for that"
							   : "");
	else if (edits->count == EDITS_MAX)
		finding(r, at, "expected at most %d changes of fields", EDITS_MAX);
	else
		edits->list[edits->count++] = edit;
}

static void read_edits(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct edits *edits = into;
	bool add = strcmp(key->name, "add") == 0;

	if (!schema_is(r, value, YAML_MAP, "a map of fields and texts"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next)
		if (!is_field_value(v))
			finding(r, v->at, "expected the value of a field, found %s",
				schema_found(v));
		else
			add_edit(r, edits, v->key_at,
				 (struct header_edit){ v->key, v->text, add, v->at });
}

static void read_remove(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of fields such as [x-debug]"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next)
		if (v->kind != YAML_TEXT)
			finding(r, v->at, "expected the name of a field, found %s",
				schema_found(v));
		else
			add_edit(r, into, v->at,
				 (struct header_edit){ v->text, NULL, false, v->at });
}

const struct key edit_keys[] = {
	{ "set", read_edits },
	{ "add", read_edits },
	{ "remove", read_remove },
	{ 0 },
};

static void read_header_edits(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	struct filters *filters = into;
	struct edits edits = { arena_take(r->arena, EDITS_MAX * sizeof(edits.list[0])), 0 };
	bool request = strcmp(key->name, "request_headers") == 0;

	schema_read(r, edit_keys, value, &edits);
	*(request ? &filters->request : &filters->response) = edits.list;
	*(request ? &filters->request_count : &filters->response_count) = edits.count;
}

/* "/new", or "/new/" with a star behind: what is below the route's prefix stays. */
void read_new_path(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct place_change *change = into;
	size_t len = value->kind == YAML_TEXT ? strlen(value->text) : 0;
	char *path;

	(void)key;
	if (len == 0 || len > TEXT_BYTES_MAX || value->text[0] != '/' ||
	    strpbrk(value->text, "?# \\") || !span_is_all(span_of(value->text), BYTE_VALUE)) {
		finding(r, value->at, "expected a path such as /x or /x/* for \"path\", found %s",
			schema_found(value));
		return;
	}
	path = arena_text(r->arena, span_of(value->text));
	change->prefix = len >= 2 && strcmp(path + len - 2, "/*") == 0;
	if (change->prefix)
		path[len - 2] = 0;
	change->path = path;
	change->at = value->at;
}

/* With one letter in place of each variable. */
static const char *host_example(struct arena *arena, const char *text)
{
	char *out = arena_text(arena, span_of(text)), *at = out;
	const char *end;

	while (*text) {
		end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
		*at++ = end ? 'x' : *text;
		text = end ? end + 1 : text + 1;
	}
	*at = 0;
	return out;
}

void read_new_host(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct place_change *change = into;
	struct yaml example = *value;

	(void)key;
	change->host_varies = value->kind == YAML_TEXT && strstr(value->text, "${");
	if (change->host_varies)
		example.text = host_example(r->arena, value->text);
	change->host = host_of(r, &example, false);
	if (change->host && change->host_varies)
		change->host = value->text;
	change->at = value->at;
}

const struct key rewrite_keys[] = {
	{ "host", read_new_host },
	{ "path", read_new_path },
	{ 0 },
};

static void read_rewrite(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct filters *filters = into;

	(void)key;
	schema_read(r, rewrite_keys, value, &filters->rewrite);
}

const struct key filter_keys[] = {
	{ "request_headers", read_header_edits },
	{ "response_headers", read_header_edits },
	{ "rewrite", read_rewrite },
	{ 0 },
};

void read_filters(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct route *route = into;

	(void)key;
	route->filters = arena_take(r->arena, sizeof(*route->filters));
	schema_read(r, filter_keys, value, route->filters);
}

static void check_text(struct reading *r, struct place at, const char *text, bool request,
		       const struct regex *regex)
{
	struct span unknown;

	if (text && !rewrite_is_text(text, request, regex, &unknown))
		finding(r, at,
			"there is no variable \"${%.*s}\" here; there are client, route, "
			"upstream%s",
			SPAN_ARG(unknown),
			request ? ", host, path, query, method, scheme, and groups of the path's "
				  "expression"
				: "");
}

static void check_change(struct reading *r, const struct route *route,
			 const struct place_change *change)
{
	check_text(r, change->at, change->path, true, route->regex);
	if (change->host_varies)
		check_text(r, change->at, change->host, true, route->regex);
	if (change->prefix && route->path_kind != PATH_PREFIX && route->path_kind != PATH_ANY)
		finding(r, change->at,
			"a new prefix is of use only where the route's \"path\" is a prefix");
}

void build_filters(struct reading *r, const struct route *route)
{
	const struct filters *f = route->filters;

	if (route->action == ROUTE_REDIRECT)
		check_change(r, route, route->place);
	if (!f)
		return;
	if (route->action != ROUTE_UPSTREAM)
		finding(r, route->at, "\"filters\" are of use only with an upstream");
	check_change(r, route, &f->rewrite);
	for (uint32_t i = 0; i < f->request_count; i++)
		check_text(r, f->request[i].at, f->request[i].value, true, route->regex);
	for (uint32_t i = 0; i < f->response_count; i++)
		check_text(r, f->response[i].at, f->response[i].value, false, NULL);
}
