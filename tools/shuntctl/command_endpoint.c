#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/shuntctl/command.h"
#include "tools/shuntctl/endpoint_words.h"

static const char *text_of(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text ? text : "";
}

static long long integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

static void print_one(const json_t *one)
{
	const json_t *override = json_object_get(one, "override");
	char where[160], said[ENDPOINT_WORDS_MAX] = "";

	endpoint_words_where(one, where, sizeof(where));
	if (json_is_object(override))
		endpoint_words_override(override, time(NULL), said);
	printf("%-16s %-28s %6lld %-5s %s\n", text_of(one, "upstream"), where,
	       integer(one, "weight"), json_is_true(json_object_get(one, "down")) ? "down" : "up",
	       said);
}

/* upstream NULL: of all. */
static void keep_those(json_t *all, const char *upstream)
{
	for (size_t i = json_array_size(all); upstream && i-- > 0;)
		if (strcmp(text_of(json_array_get(all, i), "upstream"), upstream) != 0)
			json_array_remove(all, i);
}

static void print_all(json_t *all, bool json)
{
	char *text = json ? json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	json_t *one;
	size_t i;

	if (text)
		puts(text);
	else
		printf("%-16s %-28s %6s %-5s %s\n", "upstream", "endpoint", "weight", "is",
		       "wanted");
	json_array_foreach(all, i, one)
	{
		if (!text)
			print_one(one);
	}
	free(text);
}

static int endpoint_list(const struct command_options *options)
{
	struct err err;
	char *text = admin_get(&options->admin, "/endpoints", &err);
	json_t *all = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !all)
		err_set(&err, "what answers at %s is no shuntd", options->admin.socket);
	free(text);
	if (!all)
		return command_refuse("endpoint list", &err);
	keep_those(all, options->words[1]);
	if (options->words[1] && json_array_size(all) == 0)
		err_set(&err, "upstream \"%.64s\" has no endpoints here, or is not there",
			options->words[1]);
	else
		print_all(all, options->json);
	if (options->words[1] && json_array_size(all) == 0) {
		json_decref(all);
		return command_refuse("endpoint list", &err);
	}
	json_decref(all);
	return EXIT_DONE;
}

static int endpoint_set(const struct command_options *options)
{
	struct err err;
	json_t *wish = endpoint_words_wish(&options->words[1], &err), *answer;
	char *body, *text;
	int code = EXIT_DONE;

	if (!wish)
		return command_refuse("endpoint set", &err);
	body = json_dumps(wish, JSON_COMPACT);
	json_decref(wish);
	text = body ? admin_post(&options->admin, "/endpoint", body, &err) : NULL;
	free(body);
	if (!text)
		return command_refuse("endpoint set", &err);
	answer = json_loads(text, 0, NULL);
	if (options->json)
		fputs(text, stdout);
	else if (text_of(answer, "warning")[0])
		fprintf(stderr, "shuntctl endpoint set: %s\n", text_of(answer, "warning"));
	json_decref(answer);
	free(text);
	return code;
}

int command_endpoint(const struct command_options *options)
{
	const char *word = options->words[0];

	if (!word || (!strcmp(word, "list") && !options->words[2]))
		return endpoint_list(options);
	if (!strcmp(word, "set"))
		return endpoint_set(options);
	fprintf(stderr,
		"shuntctl endpoint: expected \"list [UPSTREAM]\" or \"set UPSTREAM ENDPOINT ...\", "
		"found \"%s\"; see shuntctl --help\n",
		word);
	return EXIT_USAGE;
}
