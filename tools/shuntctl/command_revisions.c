/* shuntctl revisions: configurations that were in effect and are kept. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/shuntctl/command.h"

static void print(const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "revisions"), i, one)
	{
		time_t since = (time_t)json_integer_value(json_object_get(one, "since"));
		char when[40] = "";
		struct tm utc;

		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since, &utc));
		printf("@%lld since %s, %lld bytes\n",
		       (long long)json_integer_value(json_object_get(one, "revision")), when,
		       (long long)json_integer_value(json_object_get(one, "bytes")));
	}
}

int command_revisions(const struct command_options *options)
{
	struct err err = { .text = "" };
	char *text = admin_post(&options->admin, "/source", "", &err);
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;

	if (!text)
		return command_refuse("revisions", &err);
	if (options->json)
		printf("%s", text);
	else
		print(answer);
	json_decref(answer);
	free(text);
	return EXIT_DONE;
}
