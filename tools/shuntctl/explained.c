#include "tools/shuntctl/explained.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *from, const char *key)
{
	return json_string_value(json_object_get(from, key));
}

static long long number(const json_t *from, const char *key)
{
	return (long long)json_integer_value(json_object_get(from, key));
}

__attribute__((format(printf, 2, 3))) static void line(const char *step, const char *fmt, ...)
{
	va_list args;

	printf("  %-12s ", step);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static bool is_true(const json_t *from, const char *key)
{
	return json_is_true(json_object_get(from, key));
}

static bool is_false(const json_t *from, const char *key)
{
	return json_is_false(json_object_get(from, key));
}

/* Of no HTTP. */
static bool is_tunnel(const json_t *e)
{
	return json_is_null(json_object_get(e, "method"));
}

/* Where the answer has it. */
static void line_of(const json_t *e, const char *key, const char *step)
{
	if (text(e, key))
		line(step, "%s", text(e, key));
}

static void print_candidates(const json_t *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "candidates"), i, one)
	{
		if (text(one, "route"))
			line(is_true(one, "taken") ? "route *" : "route", "%s (line %lld): %s",
			     text(one, "route"), number(one, "line"), text(one, "why"));
		else
			line("route", "one that lost: %s", text(one, "why"));
	}
	if (is_false(e, "configuration_known") && text(e, "route"))
		line("route *", "%s (line %lld)", text(e, "route"), number(e, "line"));
	if (number(e, "candidates_not_shown") > 0)
		line("route", "and %lld more candidates", number(e, "candidates_not_shown"));
	if (json_object_get(e, "candidates") && !text(e, "route") && !is_tunnel(e))
		line("route", "none");
	json_array_foreach(json_object_get(e, "changes"), i, one)
		line("changes", "%s", json_string_value(one));
}

static void print_action(const json_t *e)
{
	const char *action = text(e, "action");

	if (text(e, "because"))
		line("refused", "%lld: %s", number(e, "status"), text(e, "because"));
	else if (strcmp(action, "redirect") == 0)
		line("redirect", "%lld to %s", number(e, "status"), text(e, "location"));
	else if (strcmp(action, "respond") == 0)
		line("respond", "%lld", number(e, "status"));
	else if (strcmp(action, "upstream") != 0)
		line("action", "%s", action);
}

static void print_split(const json_t *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "split"), i, one)
		line(json_is_true(json_object_get(one, "taken")) ? "split *" : "split",
		     "%s, weight %lld", text(one, "upstream"), number(one, "weight"));
	line_of(e, "split_by", "split by");
	line_of(e, "stands_in_for", "stands in");
	line_of(e, "upstream", "upstream");
	line_of(e, "persistence", "persistence");
	line_of(e, "balance", "balance");
}

static void print_endpoints(const json_t *e)
{
	const json_t *one;
	bool shown = false;
	size_t i;

	json_array_foreach(json_object_get(e, "endpoints"), i, one)
	{
		const char *step = is_true(one, "chosen") ? "endpoint *" : "endpoint";

		shown |= is_true(one, "chosen");
		if (json_object_get(one, "weight"))
			line(step, "%s, weight %lld, priority %lld, %lld active: %s",
			     text(one, "endpoint"), number(one, "weight"), number(one, "priority"),
			     number(one, "active"), text(one, "state"));
		else
			line(step, "%s: %s", text(one, "endpoint"), text(one, "state"));
	}
	if (is_true(e, "more_unfit"))
		line("endpoint", "and more that were not fit");
	if (number(e, "endpoints_not_shown") > 0)
		line("endpoint", "and %lld more", number(e, "endpoints_not_shown"));
	if (text(e, "endpoint") && !shown)
		line("endpoint *", "%s%s", text(e, "endpoint"),
		     is_true(e, "reused") ? ", on a connection that others had before" : "");
	line_of(e, "endpoint_why", "why");
	json_array_foreach(json_object_get(e, "by_worker"), i, one)
		line("worker", "%zu: %s", i, json_is_string(one) ? json_string_value(one) : "none");
}

static void print_attempts(const json_t *e)
{
	const json_t *all = json_object_get(e, "attempts"), *one;
	long long asked = number(e, "endpoints_asked"), kept = (long long)json_array_size(all);
	size_t i;

	if (asked > kept)
		line("attempts", "%lld; of them the first, and the last", asked);
	json_array_foreach(all, i, one)
		line("attempt", "%s after %lld ms: %s", text(one, "endpoint"),
		     number(one, "after_ms"), text(one, "why"));
	if (number(e, "connections") > asked)
		line("connections", "%lld, as some had gone that waited to be used",
		     number(e, "connections"));
	line_of(e, "not_retried", "not retried");
}

static void print_times(const json_t *e)
{
	static const char *const phases[] = { "head",     "queue",    "connect",
					      "response", "transfer", "total" };
	const json_t *times = json_object_get(e, "times");
	char key[32];

	if (!times)
		return;
	printf("  %-12s", "times");
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		snprintf(key, sizeof(key), "%s_us", phases[i]);
		if (json_object_get(times, key))
			printf(" %s %.1f ms%s", phases[i], (double)number(times, key) / 1000,
			       i + 1 < sizeof(phases) / sizeof(phases[0]) ? "," : "");
	}
	printf("%s\n", is_true(times, "exact") ? "" : "; to a few ms, as there is no access log");
}

/* How one ended that came. */
static void print_end(const json_t *e)
{
	print_attempts(e);
	print_times(e);
	if (text(e, "under_way")) {
		line("under way", "%s", text(e, "under_way"));
		return;
	}
	if (number(e, "status") > 0)
		line("status", "%lld", number(e, "status"));
	line("end", "%s%s%s", text(e, "end"), text(e, "because") ? ": " : "",
	     text(e, "because") ? text(e, "because") : "");
}

static void print_head(const json_t *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "head"), i, one)
		line(i == 0 ? "head" : "", "%s", json_string_value(one));
}

/* When, if it came. */
static void print_when(const json_t *e)
{
	line_of(e, "request_id", "request id");
	line_of(e, "ended", "ended");
	if (number(e, "snapshot") > 0)
		line("snapshot", "%lld%s", number(e, "snapshot"),
		     is_false(e, "configuration_known")
			     ? ", whose configuration is not kept any more"
			     : "");
}

/* Who has it, or what it gets, before all that leads there. */
static void print_short(const json_t *e)
{
	const char *route = text(e, "route"), *to = text(e, "endpoint"), *why = text(e, "because");
	const char *location = text(e, "location"), *upstream = text(e, "upstream");
	bool told = number(e, "status") > 0;

	printf("  %-12s ", "in short");
	if (text(e, "under_way"))
		printf("%s; ", text(e, "under_way"));
	if (told)
		printf("%lld%s%s%s", number(e, "status"), location ? " to " : "",
		       location ? location : "", to ? " via " : "");
	if (to)
		printf("%s%s%s", to, upstream ? " of " : "", upstream ? upstream : "");
	else if (!told)
		printf("nobody is asked");
	printf("%s%s%s%s\n", route ? ", by the route " : "", route ? route : "", why ? ": " : "",
	       why ? why : "");
}

void explained_print(const json_t *e)
{
	const char *protocol = text(e, "protocol");

	printf("%s%s%s%s\n", text(e, "request"), is_true(e, "cut") ? "... (cut)" : "",
	       text(e, "from") ? " from " : "", text(e, "from") ? text(e, "from") : "");
	print_short(e);
	print_when(e);
	line_of(e, "vip", "vip");
	line("listener", "%s%s%s", text(e, "listener"), protocol ? ", " : "",
	     protocol ? protocol : "");
	if (number(e, "other_listeners") > 0)
		line("listener", "%lld more of that port; choose by --vip",
		     number(e, "other_listeners"));
	line_of(e, "server_name", "server name");
	line_of(e, "certificate", "certificate");
	line_of(e, "path", "path");
	print_candidates(e);
	print_split(e);
	print_endpoints(e);
	if (json_object_get(e, "times"))
		print_end(e);
	else
		print_action(e);
	print_head(e);
	if (text(e, "spliced"))
		line("spliced", "%s: %s", text(e, "spliced"), text(e, "spliced_why"));
}
