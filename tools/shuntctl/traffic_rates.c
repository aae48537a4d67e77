#include "tools/shuntctl/traffic_rates.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const counted[][2] = {
	{ "packets", "packets_per_second" },
	{ "bytes", "bytes_per_second" },
	{ "dropped_packets", "dropped_packets_per_second" },
	{ "dropped_bytes", "dropped_bytes_per_second" },
};

enum { COUNTED = sizeof(counted) / sizeof(*counted) };

static json_int_t integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

static void rate_one(json_t *now, const json_t *before, double seconds)
{
	for (int i = 0; i < COUNTED; i++) {
		json_int_t was = integer(before, counted[i][0]);
		json_int_t is = integer(now, counted[i][0]);

		/* Less than before: the number has another owner now. */
		if (json_object_get(now, counted[i][0]))
			json_object_set_new(now, counted[i][1],
					    json_real(is < was ? 0 : (double)(is - was) / seconds));
	}
}

/* Whom a number belongs to, so that lists of different configurations are compared rightly. */
static bool is_same(const json_t *a, const json_t *b)
{
	static const char *const names[] = {
		"vip", "upstream", "address", "port", "protocol", "vpc"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const json_t *x = json_object_get(a, names[i]), *y = json_object_get(b, names[i]);

		if ((x || y) && !json_equal(x, y))
			return false;
	}
	return true;
}

static void rate_list(json_t *now, const json_t *before, double seconds)
{
	json_t *one, *other;
	size_t i, k;

	json_array_foreach(now, i, one)
	{
		const json_t *was = json_array_get(before, i); /* nearly always at its old place */

		if (!was || !is_same(one, was)) {
			was = NULL;
			json_array_foreach((json_t *)before, k, other) was =
				was || !is_same(one, other) ? was : other;
		}
		if (was)
			rate_one(one, was, seconds);
	}
}

void traffic_rates_add(json_t *now, const json_t *before)
{
	double seconds = (double)(integer(now, "at_ns") - integer(before, "at_ns")) / 1e9;
	const json_t *old = json_object_get(before, "reasons");
	const char *name;
	json_t *one;

	if (seconds <= 0)
		return;
	json_object_foreach(json_object_get(now, "reasons"), name, one)
		rate_one(one, json_object_get(old, name), seconds);
	rate_list(json_object_get(now, "vips"), json_object_get(before, "vips"), seconds);
	rate_list(json_object_get(now, "endpoints"), json_object_get(before, "endpoints"), seconds);
}

static void print_rate(const json_t *of, const char *name)
{
	const json_t *rate = json_object_get(of, name);

	if (rate)
		printf(" %12.1f", json_real_value(rate));
}

static void print_head(const char *title, const char *more, const json_t *first)
{
	bool rated = json_object_get(first, "packets_per_second") != NULL;

	printf("\n%-40s %15s %15s%s%s\n", title, "packets", "bytes", more,
	       rated ? "    packets/s      bytes/s" : "");
}

static void print_line(const char *who, const json_t *of, bool with_drops)
{
	printf("  %-38s %15" JSON_INTEGER_FORMAT " %15" JSON_INTEGER_FORMAT, who,
	       integer(of, "packets"), integer(of, "bytes"));
	if (with_drops)
		printf(" %12" JSON_INTEGER_FORMAT, integer(of, "dropped_packets"));
	print_rate(of, "packets_per_second");
	print_rate(of, "bytes_per_second");
	putchar('\n');
}

static const char *text(const json_t *of, const char *name)
{
	const char *value = json_string_value(json_object_get(of, name));

	return value ? value : "-";
}

static void print_reasons(const json_t *reasons)
{
	bool titled = false;
	const char *name;
	json_t *one;

	json_object_foreach((json_t *)reasons, name, one)
	{
		if (!integer(one, "packets"))
			continue;
		if (!titled)
			print_head("packets, by reason", "", one);
		titled = true;
		print_line(name, one, false);
	}
}

static void print_list(const json_t *list, const char *title, const char *owner, bool with_drops)
{
	bool titled = false;
	char who[160];
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one)
	{
		if (!integer(one, "packets") && !integer(one, "dropped_packets"))
			continue;
		if (!titled)
			print_head(title, with_drops ? "      dropped" : "", one);
		titled = true;
		if (with_drops)
			snprintf(who, sizeof(who), "%s %s %s %" JSON_INTEGER_FORMAT,
				 text(one, owner), text(one, "address"), text(one, "protocol"),
				 integer(one, "port"));
		else
			snprintf(who, sizeof(who), "%s %s%s%s", text(one, owner),
				 text(one, "address"),
				 json_is_string(json_object_get(one, "vpc")) ? " in " : "",
				 json_is_string(json_object_get(one, "vpc")) ? text(one, "vpc")
									     : "");
		print_line(who, one, with_drops);
	}
}

void traffic_rates_print(const json_t *traffic)
{
	print_reasons(json_object_get(traffic, "reasons"));
	print_list(json_object_get(traffic, "vips"), "by listener", "vip", true);
	print_list(json_object_get(traffic, "endpoints"), "by endpoint", "upstream", false);
}
