#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/command.h"
#include "tools/shuntctl/habit_warn.h"
#include "tools/shuntctl/key_warn.h"
#include "tools/shuntctl/lost_warn.h"
#include "tools/shuntctl/route_warn.h"
#include "userspace/base/must.h"
#include "userspace/control/ceilings.h"
#include "userspace/control/reload.h"
#include "userspace/snapshot/snapshot.h"

/* Each fills what it is given. */
static void (*const warners[])(const struct model *model,
			       struct warnings *out) = { route_warn, key_warn, habit_warn,
							 lost_warn };

static void add_warnings(json_t *list, const struct warnings *warnings)
{
	for (uint32_t i = 0; i < warnings->count; i++) {
		json_t *one = json_string(warnings->list[i]);

		json_array_append_new(list, one ? one : json_string("(not UTF-8)"));
	}
}

/* What this machine cannot hold: no mistake of the file, as it may be meant for another one. */
static json_t *json_of_warnings(const struct model *model, const struct ceilings *ceilings)
{
	struct warnings *warnings = must_alloc(sizeof(*warnings));
	json_t *list = json_array();

	for (uint32_t i = 0; i < ceilings->sentence_count; i++)
		json_array_append_new(list, json_string(ceilings->sentences[i].text));
	for (size_t i = 0; i < ARRAY_LEN(warners); i++) {
		warners[i](model, warnings);
		add_warnings(list, warnings);
	}
	free(warnings);
	return list;
}

static void print_json(const struct model *model, const struct findings *findings)
{
	json_t *all = json_object(), *list = json_array();
	struct ceilings ceilings;
	char *text;

	for (uint32_t i = 0; i < findings->count; i++) {
		json_t *one = json_string(findings->list[i].text);

		json_array_append_new(list, one ? one : json_string("(not UTF-8)"));
	}
	json_object_set_new(all, "ok", json_boolean(model));
	json_object_set_new(all, "findings", list);
	json_object_set_new(all, "more", json_integer(findings->more));
	if (model) {
		ceilings_foresee(model, &ceilings);
		json_object_set_new(all, "warnings", json_of_warnings(model, &ceilings));
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

static void print_warnings(const struct model *model)
{
	struct warnings *warnings = must_alloc(sizeof(*warnings));

	for (size_t i = 0; i < ARRAY_LEN(warners); i++) {
		warners[i](model, warnings);
		for (uint32_t k = 0; k < warnings->count; k++)
			fprintf(stderr, "warning: %s\n", warnings->list[k]);
		if (warnings->more)
			fprintf(stderr, "warning: %u more of that kind\n", warnings->more);
	}
	free(warnings);
}

static void print_good(const char *file, const struct model *model)
{
	struct ceilings ceilings;

	ceilings_foresee(model, &ceilings);
	for (uint32_t i = 0; i < ceilings.sentence_count; i++)
		fprintf(stderr, "warning, on this machine: %s\n", ceilings.sentences[i].text);
	print_warnings(model);
	printf("%s: ok, %u vips, %u listeners, %u upstreams, %u endpoints\n", file,
	       model->vip_count, model->listener_count, model->upstream_count,
	       model->endpoint_count);
}

int command_check(const struct command_options *options)
{
	struct findings findings = { 0 };
	struct model *model = model_load(options->operand, &findings);
	struct snapshot *snapshot = model ? snapshot_create(model, 1) : NULL;
	bool good = snapshot && snapshot_secure(snapshot, true, &findings) &&
		    reload_keys(snapshot, NULL, &findings);

	if (options->json)
		print_json(good ? model : NULL, &findings);
	else if (!good)
		print_findings(&findings);
	else
		print_good(options->operand, model);
	snapshot_unref(snapshot);
	return good ? EXIT_DONE : EXIT_REFUSED;
}
