#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/command.h"
#include "userspace/snapshot/snapshot.h"

static void print_json(const struct model *model, const struct findings *findings)
{
	json_t *all = json_object(), *list = json_array();
	char *text;

	for (uint32_t i = 0; i < findings->count; i++) {
		json_t *one = json_string(findings->list[i].text);

		json_array_append_new(list, one ? one : json_string("(not UTF-8)"));
	}
	json_object_set_new(all, "ok", json_boolean(model));
	json_object_set_new(all, "findings", list);
	json_object_set_new(all, "more", json_integer(findings->more));
	if (model) {
		json_object_set_new(all, "vips", json_integer(model->vip_count));
		json_object_set_new(all, "listeners", json_integer(model->listener_count));
		json_object_set_new(all, "upstreams", json_integer(model->upstream_count));
		json_object_set_new(all, "endpoints", json_integer(model->endpoint_count));
	}
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	puts(text ? text : "{}");
	free(text);
	json_decref(all);
}

static void print_findings(const struct findings *findings)
{
	uint32_t all = findings->count + findings->more;

	for (uint32_t i = 0; i < findings->count; i++)
		fprintf(stderr, "%s\n", findings->list[i].text);
	fprintf(stderr, "%u mistake%s", all, all == 1 ? "" : "s");
	if (findings->more)
		fprintf(stderr, ", %u of them not shown", findings->more);
	fputc('\n', stderr);
}

int command_check(const struct command_options *options)
{
	struct findings findings = { 0 };
	struct model *model = model_load(options->operand, &findings);
	struct snapshot *snapshot = model ? snapshot_create(model, 1) : NULL;
	bool good = snapshot && snapshot_secure(snapshot, true, &findings);

	if (options->json)
		print_json(good ? model : NULL, &findings);
	else if (!good)
		print_findings(&findings);
	else
		printf("%s: ok, %u vips, %u listeners, %u upstreams, %u endpoints\n",
		       options->operand, model->vip_count, model->listener_count,
		       model->upstream_count, model->endpoint_count);
	snapshot_unref(snapshot);
	return good ? EXIT_DONE : EXIT_REFUSED;
}
