/* shuntctl test FILE: what the file claims about itself, one line a test. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tools/shuntctl/command.h"
#include "userspace/model/model.h"

static void print_json(const struct model *model, const struct findings *findings)
{
	json_t *all = json_object(), *list = json_array();

	for (uint32_t i = 0; i < findings->count; i++) {
		json_t *one = json_string(findings->list[i].text);

		json_array_append_new(list, one ? one : json_string("(not UTF-8)"));
	}
	json_object_set_new(all, "ok", json_boolean(model));
	if (model)
		json_object_set_new(all, "tests", json_integer(model->test_count));
	json_object_set_new(all, "findings", list);
	json_object_set_new(all, "more", json_integer(findings->more));
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(all);
}

static void print_test(const char *file, const struct expectation *e)
{
	uint16_t usual = strcmp(e->scheme, "https") == 0 ? 443 : 80;
	char port[8] = "";

	if (e->port != usual)
		snprintf(port, sizeof(port), ":%u", e->port);
	printf("%s:%u: ok, %s %s://%s%s%s%s%s\n", e->at.file ? e->at.file : file, e->at.line,
	       e->method, e->scheme, e->host, port, e->path, e->query ? "?" : "",
	       e->query ? e->query : "");
}

/* A configuration whose tests fail is none that can be loaded: each is a finding of its own. */
int command_test(const struct command_options *options)
{
	struct findings findings = { 0 };
	struct model *model = model_load(options->operand, &findings);
	int code = model ? EXIT_DONE : EXIT_REFUSED;

	if (options->json) {
		print_json(model, &findings);
	} else if (model) {
		for (uint32_t i = 0; i < model->test_count; i++)
			print_test(options->operand, &model->tests[i]);
		printf("%u test%s, all as expected\n", model->test_count,
		       model->test_count == 1 ? "" : "s");
	} else {
		for (uint32_t i = 0; i < findings.count; i++)
			fprintf(stderr, "%s\n", findings.list[i].text);
		if (findings.more)
			fprintf(stderr, "and %u more\n", findings.more);
	}
	model_destroy(model);
	return code;
}
