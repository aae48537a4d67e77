#include "userspace/control/upstreams.h"

#include <jansson.h>

#include "userspace/upstream/upstream_state.h"

static const char *const breaker_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_HALF_OPEN] = "half_open",
};

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *ejected_of(const struct upstream *u, uint64_t now_ms)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];
		uint64_t left_ms = upstream_state_ejected_ms(u, e, now_ms);
		json_t *one;

		if (left_ms == 0)
			continue;
		one = json_object();
		json_object_set_new(one, "endpoint", json_string(addr_print(&e->address).text));
		json_object_set_new(one, "vpc", e->vpc ? json_string(e->vpc->name) : json_null());
		json_object_set_new(one, "left_ms", number(left_ms));
		json_array_append_new(all, one);
	}
	return all;
}

static json_t *state_of(const struct upstream *u, uint64_t now_ms)
{
	struct upstream_state state = upstream_state_of(u, now_ms);
	bool judged = u->breaker.failed_percent > 0;
	json_t *one = json_object();

	json_object_set_new(one, "upstream", json_string(u->name));
	json_object_set_new(one, "endpoints", number(u->endpoint_count));
	json_object_set_new(one, "breaker",
			    judged ? json_string(breaker_names[state.breaker]) : json_null());
	json_object_set_new(one, "breaker_left_ms", number(state.breaker_left_ms));
	json_object_set_new(one, "active", number(state.active));
	json_object_set_new(one, "pending", number(state.pending));
	json_object_set_new(one, "waiting", number(state.waiting));
	json_object_set_new(one, "retrying", number(state.retrying));
	json_object_set_new(one, "ejected",
			    state.has_ejected ? ejected_of(u, now_ms) : json_array());
	return one;
}

char *upstreams_print(const struct snapshot *snapshot, uint64_t now_ms)
{
	json_t *all = json_array();
	char *text;

	for (uint32_t i = 0; i < snapshot->model->upstream_count; i++)
		json_array_append_new(all, state_of(&snapshot->model->upstreams[i], now_ms));
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
}
