#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/admin_get.h"
#include "tools/shuntctl/command.h"
#include "userspace/control/layout.h"
#include "userspace/model/model.h"

/* What a daemon runs now; NULL and *err where it does not say. */
static json_t *running(const struct admin_at *admin, struct err *err)
{
	char *text = admin_get(admin, "/layout", err);
	json_t *layout = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !layout)
		err_set(err, "the daemon does not tell its layout; it is an older one");
	free(text);
	return layout;
}

static json_t *wanted(const char *file)
{
	struct findings findings = { 0 };
	struct model *model = model_load(file, &findings);
	json_t *layout = model ? layout_of(model) : NULL;

	for (uint32_t i = 0; i < findings.count; i++)
		fprintf(stderr, "%s\n", findings.list[i].text);
	if (findings.more)
		fprintf(stderr, "%u more mistakes\n", findings.more);
	model_destroy(model);
	return layout;
}

static void print_names(const char *what, const json_t *changes)
{
	const char *change;
	json_t *names, *name;
	size_t i;

	json_object_foreach((json_t *)changes, change, names)
	{
		json_array_foreach(names, i, name)
			printf("%s %s: %s\n", what, json_string_value(name), change);
	}
}

static void print_endpoint(const json_t *e)
{
	const char *upstream, *name, *change;
	json_int_t weight = 0, before = 0;

	if (json_unpack((json_t *)e, "{s:s, s:s, s:s, s?I, s?I}", "upstream", &upstream, "endpoint",
			&name, "change", &change, "weight", &weight, "weight_before", &before) < 0)
		return;
	printf("endpoint %s of %s: ", name, upstream);
	if (*change == 'w')
		printf("weight %lld, was %lld\n", (long long)weight, (long long)before);
	else
		printf("%s\n", change);
}

static void print_ring(const json_t *ring)
{
	double moves, must;
	const char *listener;
	int slots, before;

	if (json_unpack((json_t *)ring, "{s:s, s:i, s:i, s:F, s:F}", "listener", &listener, "slots",
			&slots, "slots_before", &before, "moves", &moves, "must", &must) < 0)
		return;
	if (slots != before)
		printf("ring of %s: %d slots, was %d: established connections move too\n", listener,
		       slots, before);
	printf("ring of %s: %.2f %% of flows get another endpoint, %.2f %% must\n", listener,
	       100 * moves, 100 * must);
}

static void print_report(const json_t *report)
{
	json_t *one;
	size_t i;

	print_names("listener", json_object_get(report, "listeners"));
	print_names("upstream", json_object_get(report, "upstreams"));
	json_array_foreach(json_object_get(report, "endpoints"), i, one) print_endpoint(one);
	json_array_foreach(json_object_get(report, "rings"), i, one) print_ring(one);
	if (json_is_true(json_object_get(report, "same")))
		puts("nothing of listeners, upstreams and endpoints changes");
}

int command_diff(const struct command_options *options)
{
	json_t *after = wanted(options->operand), *before, *report;
	struct err err = { .text = "" };
	char *text;

	if (!after)
		return EXIT_REFUSED;
	before = running(&options->admin, &err);
	if (!before) {
		json_decref(after);
		return command_refuse("diff", &err);
	}
	report = layout_diff(before, after);
	if (options->json) {
		text = json_dumps(report, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		puts(text ? text : "{}");
		free(text);
	} else {
		print_report(report);
	}
	json_decref(report);
	json_decref(before);
	json_decref(after);
	return EXIT_DONE;
}
