#include "tools/shuntctl/habit_warn.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Methods that RFC 9110 and RFC 5789 have, and that somebody may write in lower case. */
static bool is_known_otherwise(const char *method)
{
	static const char *const known[] = { "GET",    "HEAD",    "POST",    "PUT",  "PATCH",
					     "DELETE", "OPTIONS", "CONNECT", "TRACE" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(method, known[i]) == 0)
			return strcmp(method, known[i]) != 0;
	return false;
}

static void methods_of(const struct route *route, struct warnings *out)
{
	for (uint32_t i = 0; i < route->method_count; i++)
		if (is_known_otherwise(route->methods[i]))
			warnings_add(out,
				     "%s:%u: the route \"%s\" is for the method \"%s\", which no "
				     "client uses: case matters, write it in upper case",
				     route->at.file, route->at.line, route->name,
				     route->methods[i]);
}

/* "$host", "$1" and "%[src]" are texts here. NULL: there is nothing of the kind. */
static const char *foreign_variable(const char *text)
{
	for (const char *c = text; c && *c; c++)
		if ((c[0] == '$' && isalnum((unsigned char)c[1])) || (c[0] == '%' && c[1] == '['))
			return c;
	return NULL;
}

static void text_of(const struct route *route, const char *text, struct place at,
		    struct warnings *out)
{
	const char *found = foreign_variable(text);

	if (found)
		warnings_add(out,
			     "%s:%u: the text \"%s\" of the route \"%s\" is used as it is: "
			     "variables are written as ${client}",
			     at.file, at.line, text, route->name);
}

static void texts_of(const struct route *route, struct warnings *out)
{
	const struct filters *f = route->filters;

	if (!f)
		return;
	for (uint32_t i = 0; i < f->request_count; i++)
		text_of(route, f->request[i].value, f->request[i].at, out);
	for (uint32_t i = 0; i < f->response_count; i++)
		text_of(route, f->response[i].value, f->response[i].at, out);
	text_of(route, f->rewrite.host, f->rewrite.at, out);
	text_of(route, f->rewrite.path, f->rewrite.at, out);
}

static void redirect_of(const struct route *route, struct warnings *out)
{
	if (route->action != ROUTE_REDIRECT)
		return;
	text_of(route, route->place->to, route->at, out);
	text_of(route, route->place->host, route->at, out);
	text_of(route, route->place->path, route->at, out);
}

void habit_warn(const struct model *model, struct warnings *out)
{
	out->count = out->more = 0;
	for (uint32_t i = 0; i < model->table_count; i++)
		for (uint32_t k = 0; k < model->tables[i].count; k++) {
			methods_of(&model->tables[i].routes[k], out);
			redirect_of(&model->tables[i].routes[k], out);
			texts_of(&model->tables[i].routes[k], out);
		}
	for (uint32_t i = 0; i < model->upstream_count; i++) {
		const struct upstream *u = &model->upstreams[i];
		const char *cookie = u->persistence.cookie;

		if (cookie && (strcmp(cookie, "true") == 0 || strcmp(cookie, "yes") == 0))
			warnings_add(out,
				     "%s:%u: the cookie of the upstream \"%s\" is called \"%s\": "
				     "\"cookie\" is its name, such as SHUNT",
				     u->at.file, u->at.line, u->name, cookie);
	}
}
