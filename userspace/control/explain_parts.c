#include "userspace/control/explain_parts.h"

#include <stdio.h>

#include "userspace/control/explain_words.h"

json_t *explain_part_text(struct span text)
{
	json_t *made = text.at ? json_stringn(text.at, text.len) : json_null();

	return made ? made : json_string("(not UTF-8)");
}

void explain_part_because(json_t *all, enum end_reason end, struct span detail)
{
	char made[300];

	if (end == END_DONE)
		return;
	snprintf(made, sizeof(made), "%s%s%.*s", end_reason_texts[end], detail.len > 0 ? ": " : "",
		 SPAN_ARG(detail));
	json_object_set_new(all, "because", explain_part_text(span_of(made)));
}

void explain_part_listener(json_t *all, const struct listener *l)
{
	char name[300];

	snprintf(name, sizeof(name), "%s:%u", l->vip->name, l->port);
	json_object_set_new(all, "vip", json_string(l->vip->name));
	json_object_set_new(all, "listener", json_string(name));
	json_object_set_new(all, "protocol", json_string(listener_protocol_names[l->protocol]));
}

json_t *explain_part_candidate(const struct route_try *tried, const struct route *taken)
{
	json_t *one = json_object();

	json_object_set_new(one, "route", json_string(tried->route->name));
	json_object_set_new(one, "line", json_integer(tried->route->at.line));
	json_object_set_new(one, "matches", json_boolean(tried->miss == MISS_NONE));
	json_object_set_new(one, "taken", json_boolean(tried->route == taken));
	json_object_set_new(one, "why", json_string(explain_words_try(tried, taken).text));
	return one;
}

void explain_part_split(json_t *all, const struct route *route, const struct upstream *upstream,
			enum sticky by)
{
	const struct split *split = route ? route->split : NULL;
	json_t *list = json_array();

	for (uint32_t i = 0; split && i < split->count; i++) {
		const struct share *share = &split->shares[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:b}", "upstream",
						share->upstream->name, "weight", (int)share->weight,
						"taken", share->upstream == upstream));
	}
	if (split) {
		json_object_set(all, "split", list);
		json_object_set_new(all, "split_by",
				    json_string(explain_words_split(split, by).text));
	}
	json_decref(list);
}

__attribute__((format(printf, 2, 3))) static void add(json_t *list, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(list, json_string(text));
}

static void add_edits(json_t *list, const char *of, const struct header_edit *edits, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		add(list, "%s %s header %s",
		    !edits[i].value ? "removes"
		    : edits[i].add  ? "adds"
				    : "sets",
		    of, edits[i].name);
}

static void add_place(json_t *list, const char *verb, const struct place_change *place)
{
	if (place->scheme)
		add(list, "%s the scheme to %s", verb, place->scheme);
	if (place->host)
		add(list, "%s the host to %s", verb, place->host);
	if (place->port)
		add(list, "%s the port to %u", verb, place->port);
	if (place->path)
		add(list, "%s the path%s to %s", verb, place->prefix ? "'s prefix" : "",
		    place->path);
}

void explain_part_changes(json_t *all, const struct route *route)
{
	const struct filters *filters = route->filters;
	json_t *list = json_array();

	if (filters) {
		add_place(list, "rewrites", &filters->rewrite);
		add_edits(list, "request", filters->request, filters->request_count);
		add_edits(list, "response", filters->response, filters->response_count);
	}
	if (route->action == ROUTE_REDIRECT && route->place)
		add_place(list, "redirects", route->place);
	if (json_array_size(list) > 0)
		json_object_set(all, "changes", list);
	json_decref(list);
}
