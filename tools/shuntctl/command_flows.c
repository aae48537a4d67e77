#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/shuntctl/command.h"
#include "userspace/base/addr.h"
#include "userspace/control/flows.h"

enum { NAME_BYTES_MAX = 255 };

static const char *string(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text ? text : "-";
}

static long long integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

/* What few have, behind the columns of all. */
static void print_notes(const json_t *flow)
{
	long long rate = integer(flow, "rate"), source = integer(flow, "rate_per_source");

	if (rate)
		printf("  at most %lld B/s together", rate);
	if (source)
		printf("  at most %lld B/s of its source", source);
	if (rate || source)
		printf("  %lld packets were over that",
		       integer(flow, "over_rate_in") + integer(flow, "over_rate_out"));
	if (json_object_get(flow, "draining_s"))
		printf("  drains for %lld s", integer(flow, "draining_s"));
	putchar('\n');
}

static void print_table(const json_t *flows)
{
	const json_t *flow;
	size_t i, nat = 0;

	printf("%-22s %-22s %-22s %-12s %-9s %12s %12s %7s\n", "client", "vip", "endpoint",
	       "upstream", "state", "bytes in", "bytes out", "age s");
	json_array_foreach((json_t *)flows, i, flow)
	{
		printf("%-22s %-22s %-22s %-12s %-9s", string(flow, "client"), string(flow, "vip"),
		       string(flow, "endpoint"), string(flow, "upstream"), string(flow, "state"));
		if (json_object_get(flow, "protocol")) { /* translated: nobody counts its bytes */
			printf(" %12s %12s %7s\n", "-", "-", "-");
			nat++;
			continue;
		}
		printf(" %12lld %12lld %7lld", integer(flow, "bytes_in"),
		       integer(flow, "bytes_out"), integer(flow, "age_s"));
		print_notes(flow);
	}
	printf("%zu spliced connection%s", i - nat, i - nat == 1 ? "" : "s");
	if (nat)
		printf(", %zu translated (forward: nat)", nat);
	puts(i >= FLOWS_SHOWN_MAX ? "; there may be more" : "");
}

static int flows_list(const struct command_options *options)
{
	struct err err = { .text = "out of memory" };
	char *text = flows_print(options->pin_dir, true, &err);
	json_t *flows;

	if (!text)
		return command_refuse("flows", &err);
	flows = options->json ? NULL : json_loads(text, 0, NULL);
	if (flows)
		print_table(flows);
	else
		puts(text);
	json_decref(flows);
	free(text);
	return EXIT_DONE;
}

/* One word of a request's target: nothing that would be read otherwise there. */
static bool is_word(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return *text && strlen(text) <= NAME_BYTES_MAX;
}

static bool kill_target(const struct command_options *options, char *out, size_t size,
			struct err *err)
{
	int given = (options->second != NULL) + (options->upstream != NULL) + options->all;
	struct addr client;

	if (given != 1)
		return err_set(err, "which? One of CLIENT, --upstream NAME and --all");
	if (options->second && !addr_parse_ip(span_of(options->second), &client) &&
	    !addr_parse(span_of(options->second), &client))
		return err_set(err,
			       "\"%s\" is no client; it is an address with or without a port, such "
			       "as 198.51.100.7:4000 or [2001:db8::7]:4000",
			       options->second);
	if (options->upstream && !is_word(options->upstream))
		return err_set(err, "the name of an upstream has 1 to %d bytes and no blanks",
			       NAME_BYTES_MAX);
	snprintf(out, size, "/flows/kill?%s%s",
		 options->second     ? "client="
		 : options->upstream ? "upstream="
				     : "all",
		 options->second     ? options->second
		 : options->upstream ? options->upstream
				     : "");
	return true;
}

static int flows_kill(const struct command_options *options)
{
	char target[NAME_BYTES_MAX + 64], *text;
	json_t *answer;
	struct err err;

	if (!kill_target(options, target, sizeof(target), &err))
		return command_refuse("flows kill", &err);
	text = admin_post(&options->admin, target, "", &err);
	if (!text)
		return command_refuse("flows kill", &err);
	answer = options->json ? NULL : json_loads(text, 0, NULL);
	if (answer)
		printf("%lld cut, %lld as soon as the kernel alone has them\n",
		       integer(answer, "cut"), integer(answer, "later"));
	else
		fputs(text, stdout);
	json_decref(answer);
	free(text);
	return EXIT_DONE;
}

/* An option that would be left out without a word: what is meant for some would be done to all. */
static bool is_meant(const struct command_options *options, struct err *err)
{
	const char *word = options->operand ? options->operand : "";

	if ((options->all || options->upstream) && strcmp(word, "kill") != 0)
		return err_set(err,
			       "%s says what is to be cut, and goes with \"flows kill\"; \"flows\" "
			       "alone shows all",
			       options->all ? "--all" : "--upstream");
	if (options->vip && strcmp(word, "export") != 0 && strcmp(word, "forget") != 0 &&
	    strcmp(word, "resume") != 0)
		return err_set(err,
			       "--vip says what moves, and goes with \"flows export\", \"forget\" "
			       "and \"resume\"");
	return true;
}

int command_flows(const struct command_options *options)
{
	struct err err;

	if (!is_meant(options, &err)) {
		command_refuse("flows", &err);
		return EXIT_USAGE;
	}
	if (!options->operand)
		return flows_list(options);
	if (!strcmp(options->operand, "kill"))
		return flows_kill(options);
	if (command_move_knows(options->operand))
		return command_move(options);
	fprintf(stderr, "shuntctl flows: unknown word \"%s\"; see shuntctl --help\n",
		options->operand);
	return EXIT_USAGE;
}
