#include "userspace/control/names.h"

#include <jansson.h>

struct printing {
	json_t *all;
	uint64_t now_ms;
};

/* All that are used, or only those that the last answer did not have. */
static json_t *addresses_of(const struct resolver_name *name, bool held)
{
	const struct name_set *set = name->set;
	json_t *all = json_array();

	for (uint32_t i = 0; i < set->count; i++)
		if (!held || set->gone_ms[i])
			json_array_append_new(
				all, json_string(addr_print(&set->answers[i].address).text));
	return all;
}

static void print_one(void *context, const struct resolver_name *name)
{
	struct printing *p = context;
	json_t *one = json_object();
	uint64_t tell = name->tell_ms > p->now_ms ? name->tell_ms - p->now_ms : 0;
	uint64_t due = name->due_ms > p->now_ms ? name->due_ms - p->now_ms : 0;

	json_object_set_new(one, "name", json_string(name->text));
	json_object_set_new(one, "kind", json_string(name->kind == NAME_SRV ? "srv" : "host"));
	json_object_set_new(one, "addresses", addresses_of(name, false));
	json_object_set_new(one, "held", addresses_of(name, true));
	json_object_set_new(one, "change_in_ms",
			    name->tell_ms ? json_integer((json_int_t)tell) : json_null());
	json_object_set_new(one, "pause_ms", json_integer(name->set->pause_ms));
	json_object_set_new(one, "state",
			    json_string(name->failing    ? "failing"
					: name->answered ? "answered"
							 : "unknown"));
	json_object_set_new(one, "for_ms",
			    name->answered
				    ? json_integer((json_int_t)(p->now_ms - name->answered_ms))
				    : json_null());
	json_object_set_new(one, "detail", json_string(name->failing ? name->why : ""));
	json_object_set_new(one, "again_ms", json_integer((json_int_t)due));
	json_object_set_new(one, "lookups", json_integer((json_int_t)name->lookups));
	json_object_set_new(one, "failures", json_integer((json_int_t)name->failures));
	json_array_append_new(p->all, one);
}

char *names_print(const struct resolver *resolver, uint64_t now_ms)
{
	struct printing p = { json_array(), now_ms };
	char *text;

	resolver_each(resolver, print_one, &p);
	text = json_dumps(p.all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(p.all);
	return text;
}
