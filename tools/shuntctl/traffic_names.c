#include "tools/shuntctl/traffic_names.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/shuntctl/admin_get.h"
#include "userspace/base/must.h"
#include "userspace/control/samples.h"

struct traffic_names {
	json_t *traffic;
};

struct traffic_names *traffic_names_get(const struct admin_at *admin, struct err *err)
{
	char *text = admin_get(admin, "/traffic", err);
	json_t *traffic = text ? json_loads(text, 0, NULL) : NULL;
	struct traffic_names *names;

	if (text && !traffic)
		err_set(err, "what answers at %s is no shuntd", admin->socket);
	free(text);
	if (!traffic)
		return NULL;
	names = must_alloc(sizeof(*names));
	names->traffic = traffic;
	return names;
}

void traffic_names_free(struct traffic_names *names)
{
	if (!names)
		return;
	json_decref(names->traffic);
	free(names);
}

static const char *text(const json_t *of, const char *name)
{
	const char *value = json_string_value(json_object_get(of, name));

	return value ? value : "-";
}

static json_int_t integer(const json_t *of, const char *name)
{
	return json_integer_value(json_object_get(of, name));
}

static const json_t *list_of(const struct traffic_names *names, const char *which)
{
	return names ? json_object_get(names->traffic, which) : NULL;
}

bool traffic_names_vip(const struct traffic_names *names, uint32_t tally,
		       char out_name[TRAFFIC_NAME_MAX])
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list_of(names, "vips"), i, one)
	{
		if (integer(one, "tally") != tally)
			continue;
		snprintf(out_name, TRAFFIC_NAME_MAX, "%s:%" JSON_INTEGER_FORMAT, text(one, "vip"),
			 integer(one, "port"));
		return true;
	}
	return false;
}

static void endpoint_name(const json_t *one, char out_name[TRAFFIC_NAME_MAX])
{
	const char *vpc = json_string_value(json_object_get(one, "vpc"));

	snprintf(out_name, TRAFFIC_NAME_MAX, "%s%s%s", text(one, "address"), vpc ? " in " : "",
		 vpc ? vpc : "");
}

bool traffic_names_endpoint(const struct traffic_names *names, uint32_t id,
			    char out_name[TRAFFIC_NAME_MAX])
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list_of(names, "endpoints"), i, one)
	{
		if (integer(one, "id") != id)
			continue;
		endpoint_name(one, out_name);
		return true;
	}
	return false;
}

bool traffic_names_find_vip(const struct traffic_names *names, const char *name, uint64_t *set)
{
	bool found = false;
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list_of(names, "vips"), i, one)
	{
		char whole[TRAFFIC_NAME_MAX];
		json_int_t tally = integer(one, "tally");

		snprintf(whole, sizeof(whole), "%s:%" JSON_INTEGER_FORMAT, text(one, "vip"),
			 integer(one, "port"));
		if ((strcmp(name, text(one, "vip")) != 0 && strcmp(name, whole) != 0) ||
		    tally < 0 || tally >= VIP_TALLIES)
			continue;
		samples_bit(set, (uint32_t)tally);
		found = true;
	}
	return found;
}

bool traffic_names_find_endpoint(const struct traffic_names *names, const char *name, uint64_t *set)
{
	bool found = false;
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list_of(names, "endpoints"), i, one)
	{
		char whole[TRAFFIC_NAME_MAX];
		json_int_t id = integer(one, "id");

		endpoint_name(one, whole);
		if ((strcmp(name, text(one, "address")) != 0 && strcmp(name, whole) != 0 &&
		     strcmp(name, text(one, "upstream")) != 0) ||
		    id < 0 || id >= ENDPOINTS_MAX)
			continue;
		samples_bit(set, (uint32_t)id);
		found = true;
	}
	return found;
}
