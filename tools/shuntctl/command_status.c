#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/shuntctl/admin_get.h"
#include "tools/shuntctl/command.h"
#include "tools/shuntctl/endpoint_words.h"
#include "tools/shuntctl/traffic_rates.h"

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

/* "3h", in the largest unit of which there is one. */
static void print_span(long long ms)
{
	if (ms < 60000)
		printf("%5llds ", ms / 1000);
	else if (ms < 3600000)
		printf("%5lldm ", ms / 60000);
	else
		printf("%5lldh ", ms / 3600000);
}

static const char *text_of(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text ? text : "";
}

static void print_health(const json_t *health)
{
	size_t i;
	json_t *one;

	if (json_array_size(health))
		printf("\n%-16s %-28s %-8s %6s  %s\n", "upstream", "endpoint", "state", "for",
		       "last check");
	json_array_foreach((json_t *)health, i, one)
	{
		const char *vpc = text_of(one, "vpc"), *detail = text_of(one, "detail");
		char where[96];

		snprintf(where, sizeof(where), "%s%s%s", text_of(one, "endpoint"),
			 vpc[0] ? " " : "", vpc);
		printf("%-16s %-28s %-8s ", text_of(one, "upstream"), where, text_of(one, "state"));
		print_span(integer(one, "for_ms"));
		printf(" %s%s%s\n", text_of(one, "layer"), detail[0] ? ": " : "", detail);
	}
}

static bool has_text(const json_t *list, const char *text)
{
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)list, i, one)
	{
		if (strcmp(json_string_value(one), text) == 0)
			return true;
	}
	return false;
}

static bool is_told(const json_t *upstream)
{
	const char *breaker = text_of(upstream, "breaker");

	return integer(upstream, "active") || integer(upstream, "pending") ||
	       integer(upstream, "waiting") || (breaker[0] && strcmp(breaker, "closed") != 0) ||
	       json_array_size(json_object_get(upstream, "ejected"));
}

static void print_upstream(const json_t *one)
{
	const char *breaker = text_of(one, "breaker");
	char state[48] = "-";
	json_t *away;
	size_t i;

	if (strcmp(breaker, "open") == 0)
		snprintf(state, sizeof(state), "open for %lld ms", integer(one, "breaker_left_ms"));
	else if (strcmp(breaker, "half_open") == 0)
		snprintf(state, sizeof(state), "half open");
	else if (breaker[0])
		snprintf(state, sizeof(state), "%s", breaker);
	printf("%-16s %-20s %8lld %8lld %8lld %8lld %5zu of %lld\n", text_of(one, "upstream"),
	       state, integer(one, "active"), integer(one, "pending"), integer(one, "waiting"),
	       integer(one, "retrying"), json_array_size(json_object_get(one, "ejected")),
	       integer(one, "endpoints"));
	json_array_foreach(json_object_get(one, "ejected"), i, away)
	{
		const char *vpc = text_of(away, "vpc");

		printf("  %s%s%s is ejected for %lld ms more\n", text_of(away, "endpoint"),
		       vpc[0] ? " " : "", vpc, integer(away, "left_ms"));
	}
}

/* Those where nothing happens are left out, as zeros are. */
static void print_upstreams(const json_t *upstreams)
{
	bool titled = false;
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)upstreams, i, one)
	{
		if (!is_told(one))
			continue;
		if (!titled)
			printf("\n%-16s %-20s %8s %8s %8s %8s  %s\n", "upstream", "breaker",
			       "active", "pending", "waiting", "retrying", "ejected");
		titled = true;
		print_upstream(one);
	}
}

static void print_names(const json_t *names)
{
	size_t i, k;
	json_t *one, *address;

	if (json_array_size(names))
		printf("\n%-36s %-9s %8s  %s\n", "name", "state", "answered", "stands for");
	json_array_foreach((json_t *)names, i, one)
	{
		const char *detail = text_of(one, "detail");

		printf("%-36s %-9s ", text_of(one, "name"), text_of(one, "state"));
		print_span(integer(one, "for_ms"));
		json_array_foreach(json_object_get(one, "addresses"), k, address)
			printf(" %s%s", json_string_value(address),
			       has_text(json_object_get(one, "held"), json_string_value(address))
				       ? " (held)"
				       : "");
		if (json_is_integer(json_object_get(one, "change_in_ms")))
			printf(" (in effect in %lld ms)", integer(one, "change_in_ms"));
		printf("%s%s%s\n", detail[0] ? " (" : "", detail, detail[0] ? ")" : "");
	}
}

static void print_overrides(const json_t *overrides)
{
	size_t i;
	json_t *one;

	if (json_array_size(overrides))
		printf("\noverrides, until shuntctl endpoint set ... reset\n");
	json_array_foreach((json_t *)overrides, i, one)
	{
		char where[160], said[ENDPOINT_WORDS_MAX];

		endpoint_words_where(one, where, sizeof(where));
		endpoint_words_override(one, time(NULL), said);
		printf("  %-16s %-28s %s\n", text_of(one, "upstream"), where, said);
	}
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
	if (integer(status, "accept_queues_pressed_times"))
		printf("accept queues filled %lld times; of %lld listeners they do now\n",
		       integer(status, "accept_queues_pressed_times"),
		       integer(status, "accept_queues_pressed"));
	print_overrides(json_object_get(status, "overrides"));
	print_upstreams(json_object_get(status, "upstreams"));
	print_health(json_object_get(status, "health"));
	print_names(json_object_get(status, "names"));
	print_numbers("proxy", json_object_get(status, "stats"));
	if (json_is_real(json_object_get(status, "amplification")))
		printf("  %-26s %15.3f\n", "amplification",
		       json_real_value(json_object_get(status, "amplification")));
	print_numbers("splices", splices);
	print_numbers("not spliced, because", json_object_get(splices, "refused"));
	if (json_object_get(status, "traffic"))
		traffic_rates_print(json_object_get(status, "traffic"));
	else
		print_numbers("packets", json_object_get(status, "counters"));
}

/* NULL: a plain proxy has none, and an older daemon does not know the question. */
static json_t *traffic_get(const struct admin_at *admin)
{
	struct err ignored;
	char *text = admin_get(admin, "/traffic", &ignored);
	json_t *traffic = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return traffic;
}

static void traffic_add(json_t *status, const struct command_options *options)
{
	json_t *before = traffic_get(&options->admin), *now = before;

	if (before && options->interval_ms) {
		const struct timespec wait = {
			.tv_sec = options->interval_ms / 1000,
			.tv_nsec = (long)(options->interval_ms % 1000) * 1000000,
		};

		nanosleep(&wait, NULL);
		now = traffic_get(&options->admin);
		if (now)
			traffic_rates_add(now, before);
		json_decref(before);
	}
	if (now)
		json_object_set_new(status, "traffic", now);
}

/* An older daemon does not know the question. */
static void add(json_t *status, const char *name, const char *path, const struct admin_at *admin)
{
	struct err ignored;
	char *text = admin_get(admin, path, &ignored);
	json_t *answer = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	if (answer)
		json_object_set_new(status, name, answer);
}

static void print(const json_t *status, bool json)
{
	char *text = json ? json_dumps(status, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

	if (text)
		puts(text);
	else
		print_table(status);
	free(text);
}

int command_status(const struct command_options *options)
{
	struct err err;
	char *text = admin_get(&options->admin, "/status", &err);
	json_t *status = text ? json_loads(text, 0, NULL) : NULL;

	if (text && !status)
		err_set(&err, "what answers at %s is no shuntd", options->admin.socket);
	free(text);
	if (!status)
		return command_refuse("status", &err);
	add(status, "overrides", "/overrides", &options->admin);
	add(status, "upstreams", "/upstreams", &options->admin);
	add(status, "health", "/health", &options->admin);
	add(status, "names", "/names", &options->admin);
	traffic_add(status, options);
	print(status, options->json);
	json_decref(status);
	return EXIT_DONE;
}
