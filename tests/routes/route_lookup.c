/*
 * route_lookup - the router, asked line by line: {"config": {...}, "requests": [{...}]} in, and out
 * {"routes": [name or null, ...]}, or {"findings": [...]} where the configuration is refused.
 *
 * For tests that compare it with a matcher of their own. It has all from the daemon's code.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/route/country.h"
#include "userspace/route/router.h"

static struct span text_of(const json_t *request, const char *key)
{
	return span_of(json_string_value(json_object_get(request, key)));
}

static struct span field_of(const void *context, struct span name)
{
	const json_t *fields = json_object_get(context, "headers"), *pair;
	size_t i;

	json_array_foreach(fields, i, pair) if (
		span_is_nocase(span_of(json_string_value(json_array_get(pair, 0))),
			       name)) return span_of(json_string_value(json_array_get(pair, 1)));
	return (struct span){ NULL, 0 };
}

/* By the number in the request, of the first vip's. */
static const struct listener *listener_of(const struct model *model, const json_t *request)
{
	json_t *number = json_object_get(request, "listener");

	return number && model->vip_count > 0
		       ? &model->vips[0].listeners[json_integer_value(number)]
		       : NULL;
}

static json_t *find(const struct model *model, const json_t *request)
{
	struct span from = text_of(request, "from");
	struct addr client = { 0 };
	struct route_request req = { .host = text_of(request, "host"),
				     .path = text_of(request, "path"),
				     .query = text_of(request, "query"),
				     .sni = text_of(request, "sni"),
				     .alpn = text_of(request, "alpn"),
				     .subject = text_of(request, "subject"),
				     .client = from.at ? &client : NULL,
				     .listener = listener_of(model, request),
				     .method = text_of(request, "method"),
				     .field = field_of,
				     .context = request };
	const struct route *route;

	MUST(!from.at || addr_parse_ip(from, &client));
	req.country = country_of(model->tables[0].countries, req.client);
	route = router_find(&model->tables[0], &req);
	return route ? json_string(route->name) : json_null();
}

static json_t *answer(const json_t *line)
{
	char *text = json_dumps(json_object_get(line, "config"), 0);
	struct findings findings = { 0 };
	struct model *model = model_load_text("config", text, strlen(text), &findings);
	json_t *list = json_array(), *request;
	size_t i;

	json_array_foreach(json_object_get(line, "requests"), i, request) if (model)
		json_array_append_new(list, find(model, request));
	for (i = 0; i < findings.count; i++)
		json_array_append_new(list, json_string(findings.list[i].text));
	request = json_pack("{s:o}", model ? "routes" : "findings", list);
	model_destroy(model);
	free(text);
	return request;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		json_t *asked = json_loads(line, 0, NULL), *told;

		MUST(asked);
		told = answer(asked);
		MUST(json_dumpf(told, stdout, JSON_COMPACT) == 0);
		putchar('\n');
		fflush(stdout);
		json_decref(told);
		json_decref(asked);
	}
	free(line);
	return 0;
}
