/*
 * route_lookup - the router, asked line by line: {"config": {...}, "requests": [{...}]} in, and out
 * {"routes": [[name, path] or [null, status], ...]}, or {"findings": [...]} where the configuration
 * is refused.
 *
 * For tests that compare it with a matcher of their own. It has all from the daemon's code.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/base/session_id.h"
#include "userspace/route/decide.h"

static struct span text_of(const json_t *request, const char *key)
{
	return span_of(json_string_value(json_object_get(request, key)));
}

/* By the number in the request, of the first vip's. */
static const struct listener *listener_of(const struct model *model, const json_t *request)
{
	json_t *number = json_object_get(request, "listener");

	return number && model->vip_count > 0
		       ? &model->vips[0].listeners[json_integer_value(number)]
		       : NULL;
}

/* As a worker does it, from the bytes of the head on: the route's name and the path as normalised,
 * or nothing and the status of the refusal. */
static json_t *find(const struct model *model, const json_t *request)
{
	static char path[DECIDE_HEAD_BYTES];
	static struct message msg;
	struct span from = text_of(request, "from"), head = text_of(request, "head");
	struct addr client = { 0 };
	struct asked asked = { .listener = listener_of(model, request),
			       .client = from.at ? &client : NULL,
			       .sni = text_of(request, "sni"),
			       .alpn = text_of(request, "alpn"),
			       .subject = text_of(request, "subject"),
			       .session_resumed =
				       json_is_true(json_object_get(request, "session_resumed")) };
	enum h1_reject reject;
	struct h1_parser parser;
	struct decision d;
	enum h1_result got;
	size_t used;

	session_id_parse(text_of(request, "session_id"), &asked.session_id);
	MUST(!from.at || addr_parse_ip(from, &client));
	h1_parser_init(&parser, H1_REQUEST, &decide_limits);
	got = h1_parser_head(&parser, head, &msg, &used, &reject);
	MUST(got != H1_NEED_MORE);
	if (got == H1_REJECT)
		return json_pack("[n,i]", (int)h1_reject_status(reject));
	MUST(used == head.len);
	d = decide(&asked, &msg, path, sizeof(path));
	if (!d.route)
		return json_pack("[n,i]", (int)d.status);
	return json_pack("[s,s%]", d.route->name, d.path.at, d.path.len);
}

static json_t *answer(const json_t *line)
{
	char *text = json_dumps(json_object_get(line, "config"), 0);
	struct findings findings = { 0 };
	struct model *model = model_load_text("config", text, strlen(text), &findings);
	json_t *list = json_array(), *request;
	size_t i;

	if (model)
		model_forget_root(model); /* as shuntd does: nothing of it may be needed */
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
