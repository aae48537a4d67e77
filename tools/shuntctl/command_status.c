#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/admin_get.h"
#include "tools/shuntctl/command.h"

/* Zeros are left out, so that what happened is seen. */
static void print_numbers(const char *title, const json_t *numbers)
{
	const char *name;
	json_t *value;
	bool titled = false;

	json_object_foreach((json_t *)numbers, name, value)
	{
		if (!json_is_integer(value) || json_integer_value(value) == 0)
			continue;
		if (!titled)
			printf("\n%s\n", title);
		titled = true;
		printf("  %-26s %15" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
	}
}

static long long integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

static void print_table(const json_t *status)
{
	const char *node = json_string_value(json_object_get(status, "node"));
	const json_t *splices = json_object_get(status, "splices");

	printf("node %s, snapshot %lld, %lld workers, %lld sessions, %s\n", node ? node : "-",
	       integer(status, "snapshot"), integer(status, "workers"), integer(status, "sessions"),
	       json_is_true(json_object_get(status, "fast_path")) ? "fast path on" : "plain proxy");
	if (integer(status, "reloads_refused"))
		printf("%lld configurations were refused; see the log\n",
		       integer(status, "reloads_refused"));
	if (integer(status, "access_lines_lost"))
		printf("%lld lines of the access log were lost\n",
		       integer(status, "access_lines_lost"));
	print_numbers("proxy", json_object_get(status, "stats"));
	print_numbers("splices", splices);
	print_numbers("not spliced, because", json_object_get(splices, "refused"));
	print_numbers("packets", json_object_get(status, "counters"));
}

int command_status(const struct command_options *options)
{
	struct err err;
	char *text = admin_get(options->admin, "/status", &err);
	json_t *status;

	if (!text)
		return command_refuse("status", &err);
	status = json_loads(text, 0, NULL);
	if (status && options->json)
		fputs(text, stdout);
	else if (status)
		print_table(status);
	else
		err_set(&err, "what answers at %s is no shuntd", options->admin);
	free(text);
	if (!status)
		return command_refuse("status", &err);
	json_decref(status);
	return EXIT_DONE;
}
