/* What differs between two layouts, and how many flows that moves. */
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/control/layout.h"
#include "userspace/snapshot/compile_rings.h"

/* Endpoints of two rings, by identity; ids are places in it, from 1 on. */
struct roll {
	uint64_t *identities;
	uint32_t count;
	int64_t *gains; /* by id: slots after, less those before */
};

/* The ring of one listener. */
struct ring {
	uint32_t *ids, slots;
};

static uint64_t number_of(const json_t *from, const char *key)
{
	const char *text = json_string_value(json_object_get(from, key));

	return text ? strtoull(text, NULL, 16) : 0;
}

static const char *text_of(const json_t *from, const char *key)
{
	const char *text = json_string_value(json_object_get(from, key));

	return text ? text : "";
}

static uint32_t roll_id(struct roll *roll, uint64_t identity)
{
	for (uint32_t i = 0; i < roll->count; i++)
		if (roll->identities[i] == identity)
			return i + 1;
	roll->identities[roll->count] = identity;
	return ++roll->count;
}

static const json_t *endpoints_of(const json_t *layout, const json_t *listener)
{
	return json_object_get(json_object_get(layout, "upstreams"), text_of(listener, "upstream"));
}

static void ring_make(struct ring *ring, const json_t *layout, const json_t *listener,
		      struct roll *roll)
{
	const json_t *endpoints = endpoints_of(layout, listener), *e;
	size_t count = json_array_size(endpoints), i;
	struct ring_member *members = must_alloc((count + 1) * sizeof(*members));

	ring->slots = (uint32_t)json_integer_value(json_object_get(listener, "ring"));
	ring->ids = must_alloc((ring->slots + 1) * sizeof(*ring->ids));
	json_array_foreach((json_t *)endpoints, i, e)
	{
		uint64_t identity = number_of(e, "identity");

		members[i] = (struct ring_member){ identity, roll_id(roll, identity),
						   (uint32_t)json_integer_value(
							   json_object_get(e, "weight")) };
	}
	compile_ring(members, (uint32_t)count, number_of(layout, "hash_seed"), ring->ids,
		     ring->slots);
	free(members);
}

/*
 * Both rings divide the same range of hashes, each into its own slots: how much of it, in units of
 * 1 / (a->slots * b->slots), has another endpoint.
 */
static uint64_t moved(const struct ring *a, const struct ring *b, struct roll *roll)
{
	uint64_t at = 0, end = (uint64_t)a->slots * b->slots, sum = 0;
	uint32_t i = 0, k = 0;

	while (at < end) {
		uint64_t a_end = (uint64_t)(i + 1) * b->slots, b_end = (uint64_t)(k + 1) * a->slots;
		uint64_t next = a_end < b_end ? a_end : b_end;

		roll->gains[a->ids[i]] -= (int64_t)(next - at);
		roll->gains[b->ids[k]] += (int64_t)(next - at);
		sum += a->ids[i] != b->ids[k] ? next - at : 0;
		i += a_end == next;
		k += b_end == next;
		at = next;
	}
	return sum;
}

static void diff_ring(json_t *list, const char *name, const json_t *before, const json_t *was,
		      const json_t *after, const json_t *is)
{
	size_t most = json_array_size(endpoints_of(before, was)) +
		      json_array_size(endpoints_of(after, is)) + 1;
	struct roll roll = { .identities = must_alloc(most * sizeof(uint64_t)),
			     .gains = must_alloc(most * sizeof(int64_t)) };
	uint64_t must = 0, moves;
	struct ring a, b;
	double all;

	ring_make(&a, before, was, &roll);
	ring_make(&b, after, is, &roll);
	all = (double)a.slots * b.slots;
	moves = moved(&a, &b, &roll);
	for (uint32_t id = 0; id <= roll.count; id++)
		must += roll.gains[id] > 0 ? (uint64_t)roll.gains[id] : 0;
	if (moves || a.slots != b.slots)
		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:f, s:f}", "listener", name,
						      "slots", (int)b.slots, "slots_before",
						      (int)a.slots, "moves", (double)moves / all,
						      "must", (double)must / all));
	free(a.ids);
	free(b.ids);
	free(roll.gains);
	free(roll.identities);
}

static bool is_packets(const json_t *listener)
{
	return json_integer_value(json_object_get(listener, "ring")) > 0;
}

static json_t *diff_rings(const json_t *before, const json_t *after)
{
	json_t *list = json_array(), *is;
	const char *name;

	json_object_foreach(json_object_get(after, "listeners"), name, is)
	{
		const json_t *was = json_object_get(json_object_get(before, "listeners"), name);

		if (was && is_packets(was) && is_packets(is))
			diff_ring(list, name, before, was, after, is);
	}
	return list;
}

/* Names of two maps. */
static json_t *diff_names(const json_t *before, const json_t *after)
{
	json_t *added = json_array(), *removed = json_array(), *changed = json_array();
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)after, name, value)
	{
		const json_t *was = json_object_get(before, name);

		if (!was)
			json_array_append_new(added, json_string(name));
		else if (!json_equal(was, value))
			json_array_append_new(changed, json_string(name));
	}
	json_object_foreach((json_t *)before, name, value)
	{
		if (!json_object_get(after, name))
			json_array_append_new(removed, json_string(name));
	}
	return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

static const json_t *endpoint_in(const json_t *endpoints, const json_t *wanted)
{
	const json_t *e;
	size_t i;

	json_array_foreach((json_t *)endpoints, i, e)
	{
		if (json_equal(json_object_get(e, "identity"), json_object_get(wanted, "identity")))
			return e;
	}
	return NULL;
}

static void add_endpoint(json_t *list, const char *upstream, const json_t *was, const json_t *is)
{
	const char *change = !was ? "added" : is ? "weight" : "removed";
	json_t *one = json_pack("{s:s, s:s, s:s}", "upstream", upstream, "endpoint",
				text_of(is ? is : was, "name"), "change", change);

	if (is)
		json_object_set(one, "weight", json_object_get(is, "weight"));
	if (was)
		json_object_set(one, "weight_before", json_object_get(was, "weight"));
	json_array_append_new(list, one);
}

/* Of one upstream: who came, who has another weight, who went. */
static void diff_endpoints(json_t *list, const char *upstream, const json_t *before,
			   const json_t *after)
{
	const json_t *e;
	size_t i;

	json_array_foreach((json_t *)after, i, e)
	{
		const json_t *was = endpoint_in(before, e);

		if (!was ||
		    !json_equal(json_object_get(was, "weight"), json_object_get(e, "weight")))
			add_endpoint(list, upstream, was, e);
	}
	json_array_foreach((json_t *)before, i, e)
	{
		if (!endpoint_in(after, e))
			add_endpoint(list, upstream, e, NULL);
	}
}

static json_t *diff_all_endpoints(const json_t *before, const json_t *after)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach((json_t *)after, name, value)
		diff_endpoints(list, name, json_object_get(before, name), value);
	json_object_foreach((json_t *)before, name, value)
	{
		if (!json_object_get(after, name))
			diff_endpoints(list, name, value, NULL);
	}
	return list;
}

json_t *layout_diff(const json_t *before, const json_t *after)
{
	const json_t *was = json_object_get(before, "upstreams");
	const json_t *is = json_object_get(after, "upstreams");

	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "same", json_equal(before, after),
			 "listeners",
			 diff_names(json_object_get(before, "listeners"),
				    json_object_get(after, "listeners")),
			 "server_names",
			 diff_names(json_object_get(before, "server_names"),
				    json_object_get(after, "server_names")),
			 "upstreams", diff_names(was, is), "endpoints", diff_all_endpoints(was, is),
			 "rings", diff_rings(before, after));
}
