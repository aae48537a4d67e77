#include "tools/shuntctl/endpoint_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool number_read(const char *text, unsigned long most, unsigned long *out, char **out_rest)
{
	if (!text || *text < '0' || *text > '9')
		return false;
	*out = strtoul(text, out_rest, 10);
	return *out <= most;
}

/* "90s", "10m", "2h" */
static bool seconds_read(const char *text, unsigned long *out)
{
	char *unit = NULL;
	unsigned long n, of = 1;

	if (!number_read(text, 100000000, &n, &unit))
		return false;
	if (!strcmp(unit, "m"))
		of = 60;
	else if (!strcmp(unit, "h"))
		of = 3600;
	else if (strcmp(unit, "s") != 0)
		return false;
	*out = n * of;
	return *out > 0;
}

static bool is_known(const char *what)
{
	static const char *const known[] = { "weight", "drain", "disable", "enable", "reset" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(what, known[i]))
			return true;
	return false;
}

static bool read_what(const char *const *words, json_t *wish, struct err *err)
{
	const char *what = words[0], *value = words[1];
	unsigned long n;
	char *rest = NULL;

	if (!is_known(what))
		return err_set(err,
			       "expected weight, drain, disable, enable or reset, found \"%.32s\"",
			       what);
	json_object_set_new(wish, "set", json_string(what));
	if (!strcmp(what, "weight")) {
		if (!number_read(value, 1000, &n, &rest) || *rest)
			return err_set(err, "weight takes a number from 0 to 1000, not \"%.32s\"",
				       value ? value : "");
		json_object_set_new(wish, "weight", json_integer((json_int_t)n));
		return true;
	}
	if (!strcmp(what, "drain") && value) {
		if (!seconds_read(value, &n))
			return err_set(err,
				       "drain takes a time such as 90s, 10m or 2h, not \"%.32s\"",
				       value);
		json_object_set_new(wish, "for_s", json_integer((json_int_t)n));
		return true;
	}
	if (value)
		return err_set(err, "%.32s takes no value; \"%.32s\" is one too many", what, value);
	return true;
}

json_t *endpoint_words_wish(const char *const *words, struct err *err)
{
	const char *at = words[0] && words[1] ? strchr(words[1], '@') : NULL;
	json_t *wish;

	if (!words[0] || !words[1] || !words[2]) {
		err_set(err,
			"expected UPSTREAM ENDPOINT and one of weight N, drain [TIME], disable, "
			"enable, reset");
		return NULL;
	}
	if (at && !at[1]) {
		err_set(err, "expected the name of a vpc behind the @ of \"%.64s\", found none",
			words[1]);
		return NULL;
	}
	wish = json_object();
	if (json_object_set_new(wish, "upstream", json_string(words[0])) != 0) {
		err_set(err, "the name of the upstream is no UTF-8");
		json_decref(wish);
		return NULL;
	}
	json_object_set_new(
		wish, "endpoint",
		json_stringn(words[1], at ? (size_t)(at - words[1]) : strlen(words[1])));
	if (at)
		json_object_set_new(wish, "vpc", json_string(at + 1));
	if (read_what(words + 2, wish, err))
		return wish;
	json_decref(wish);
	return NULL;
}

static const char *text_of(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text ? text : "";
}

void endpoint_words_where(const json_t *one, char *out, size_t size)
{
	const char *vpc = text_of(one, "vpc");

	snprintf(out, size, "%s%s%s", text_of(one, "endpoint"), vpc[0] ? "@" : "", vpc);
}

void endpoint_words_override(const json_t *override, time_t now, char out[ENDPOINT_WORDS_MAX])
{
	const char *service = text_of(override, "service");
	json_t *weight = json_object_get(override, "weight");
	time_t until = (time_t)json_integer_value(json_object_get(override, "until"));
	time_t since = (time_t)json_integer_value(json_object_get(override, "since"));
	char weighs[32] = "", left[48] = "", when[32] = "";
	struct tm utc;

	if (json_is_integer(weight))
		snprintf(weighs, sizeof(weighs), "weight %lld",
			 (long long)json_integer_value(weight));
	if (until > now && !strcmp(service, "draining"))
		snprintf(left, sizeof(left), " for %lld s more", (long long)(until - now));
	if (gmtime_r(&since, &utc))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
	if (!strcmp(service, "on"))
		service = "";
	snprintf(out, ENDPOINT_WORDS_MAX, "%s%s%s%s; by uid %lld, pid %lld, %s", weighs,
		 weighs[0] && service[0] ? ", " : "", service, left,
		 (long long)json_integer_value(json_object_get(override, "uid")),
		 (long long)json_integer_value(json_object_get(override, "pid")), when);
}
