#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/admin_get.h"
#include "tools/shuntctl/command.h"
#include "tools/shuntctl/revision.h"
#include "tools/shuntctl/route_diff.h"
#include "userspace/control/layout.h"

/* What a daemon runs now, with the addresses that names have now; NULL and *err where it does not
 * say. */
static json_t *running(const struct admin_at *admin, struct err *err)
{
	char *text = admin_get(admin, "/layout", err);
	json_t *layout = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !layout)
		err_set(err, "the daemon does not tell its layout; it is an older one");
	free(text);
	return layout;
}

static struct snapshot *load(const struct admin_at *admin, const char *name, struct err *err)
{
	struct model *model = revision_load(admin, name, err);

	return model ? snapshot_create(model, 0) : NULL;
}

static bool is_empty(const json_t *report, const char *key)
{
	const json_t *changes = json_object_get(report, key), *names;
	const char *change;

	if (json_is_array(changes))
		return json_array_size(changes) == 0;
	json_object_foreach((json_t *)changes, change, names)
	{
		if (json_array_size(names) > 0)
			return false;
	}
	return true;
}

/* One against the other; without an old one, against what runs. */
static json_t *compare(const struct command_options *options, struct err *err)
{
	bool both = options->second != NULL;
	struct snapshot *next =
		load(&options->admin, both ? options->second : options->operand, err);
	struct snapshot *last =
		next ? load(&options->admin, both ? options->operand : "@0", err) : NULL;
	json_t *after = next ? layout_of(next->model) : NULL, *before = NULL, *report = NULL;

	if (next)
		before = !both  ? running(&options->admin, err)
			 : last ? layout_of(last->model)
				: NULL;
	if (before)
		report = layout_diff(before, after);
	if (report && last)
		json_object_update_new(report, route_diff(last, next));
	if (report && (!is_empty(report, "routes") || !is_empty(report, "details")))
		json_object_set_new(report, "same", json_false());
	json_decref(before);
	json_decref(after);
	snapshot_unref(last);
	snapshot_unref(next);
	return report;
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

static void print_moves(const json_t *list, const char *what, const char *key, const char *whom)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one)
	{
		printf("%s %s: %.2f %% of %s", what, json_string_value(json_object_get(one, key)),
		       100 * json_real_value(json_object_get(one, "moves")), whom);
		if (json_object_get(one, "must"))
			printf(", %.2f %% must",
			       100 * json_real_value(json_object_get(one, "must")));
		putchar('\n');
	}
}

static void print_details(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one)
	{
		const char *was = json_string_value(json_object_get(one, "was"));
		const char *is = json_string_value(json_object_get(one, "is"));

		printf("%s: %s is %s, was %s\n", json_string_value(json_object_get(one, "of")),
		       json_string_value(json_object_get(one, "key")), is ? is : "not given",
		       was ? was : "not given");
	}
}

static void print_report(const json_t *report)
{
	json_t *one;
	size_t i;

	print_names("listener", json_object_get(report, "listeners"));
	print_names("server name", json_object_get(report, "server_names"));
	print_names("upstream", json_object_get(report, "upstreams"));
	print_names("route", json_object_get(report, "routes"));
	print_details(json_object_get(report, "details"));
	json_array_foreach(json_object_get(report, "endpoints"), i, one) print_endpoint(one);
	json_array_foreach(json_object_get(report, "rings"), i, one) print_ring(one);
	print_moves(json_object_get(report, "splits"), "route", "route",
		    "its users get another upstream");
	print_moves(json_object_get(report, "sticky"), "upstream", "upstream",
		    "those bound to endpoints get another one");
	if (json_is_true(json_object_get(report, "same")))
		puts("nothing of listeners, routes, upstreams and endpoints changes");
}

int command_diff(const struct command_options *options)
{
	struct err err = { .text = "" };
	json_t *report = compare(options, &err);

	if (!report)
		return command_refuse("diff", &err);
	if (options->json) {
		json_dumpf(report, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else {
		print_report(report);
	}
	json_decref(report);
	return EXIT_DONE;
}
