#include "tools/shuntctl/explained.h"

#include <stdarg.h>
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

	json_array_foreach(json_object_get(e, "candidates"), i, one) line(
		json_is_true(json_object_get(one, "taken")) ? "route *" : "route",
		"%s (line %lld): %s", text(one, "route"), number(one, "line"), text(one, "why"));
	if (number(e, "candidates_not_shown") > 0)
		line("route", "and %lld more candidates", number(e, "candidates_not_shown"));
	if (json_object_get(e, "candidates") && !text(e, "route"))
		line("route", "none");
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
	line_of(e, "upstream", "upstream");
	line_of(e, "persistence", "persistence");
	line_of(e, "balance", "balance");
}

static void print_endpoints(const json_t *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "endpoints"), i, one)
		line(json_is_true(json_object_get(one, "chosen")) ? "endpoint *" : "endpoint",
		     "%s, weight %lld, priority %lld, %lld active: %s", text(one, "endpoint"),
		     number(one, "weight"), number(one, "priority"), number(one, "active"),
		     text(one, "state"));
	if (number(e, "endpoints_not_shown") > 0)
		line("endpoint", "and %lld more", number(e, "endpoints_not_shown"));
	line_of(e, "endpoint_why", "why");
	json_array_foreach(json_object_get(e, "by_worker"), i, one)
		line("worker", "%zu: %s", i, json_is_string(one) ? json_string_value(one) : "none");
}

static void print_head(const json_t *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "head"), i, one)
		line(i == 0 ? "head" : "", "%s", json_string_value(one));
}

void explained_print(const json_t *e)
{
	printf("%s%s%s\n", text(e, "request"), text(e, "from") ? " from " : "",
	       text(e, "from") ? text(e, "from") : "");
	if (number(e, "snapshot") > 0)
		line("snapshot", "%lld", number(e, "snapshot"));
	line_of(e, "vip", "vip");
	line("listener", "%s, %s", text(e, "listener"), text(e, "protocol"));
	if (number(e, "other_listeners") > 0)
		line("listener", "%lld more of that port; choose by --vip",
		     number(e, "other_listeners"));
	line_of(e, "certificate", "certificate");
	line_of(e, "path", "path");
	print_candidates(e);
	print_split(e);
	print_endpoints(e);
	print_action(e);
	print_head(e);
	if (text(e, "spliced"))
		line("spliced", "%s: %s", text(e, "spliced"), text(e, "spliced_why"));
}

void explained_print_deed(const json_t *d)
{
	printf("%s %s%s%s from %s\n", text(d, "method") ? text(d, "method") : "a tunnel",
	       text(d, "host") ? text(d, "host") : "", text(d, "path") ? text(d, "path") : "",
	       json_is_true(json_object_get(d, "cut")) ? "... (cut)" : "", text(d, "from"));
	line_of(d, "ended", "ended");
	line("snapshot", "%lld", number(d, "snapshot"));
	line_of(d, "listener", "listener");
	if (text(d, "route"))
		line("route *", "%s (line %lld)", text(d, "route"), number(d, "line"));
	line_of(d, "upstream", "upstream");
	if (text(d, "endpoint"))
		line("endpoint *", "%s", text(d, "endpoint"));
	line_of(d, "endpoint_why", "why");
	if (number(d, "endpoints_asked") > 1 || number(d, "connections") > 1)
		line("tries", "%lld endpoints, %lld connections", number(d, "endpoints_asked"),
		     number(d, "connections"));
	if (text(d, "spliced_why") && text(d, "spliced_why")[0])
		line("spliced", "%s", text(d, "spliced_why"));
	if (number(d, "status") > 0)
		line("status", "%lld", number(d, "status"));
	line("end", "%s%s%s", text(d, "end"), text(d, "because") ? ": " : "",
	     text(d, "because") ? text(d, "because") : "");
}
