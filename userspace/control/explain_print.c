#include "userspace/control/explain_print.h"

#include <stdio.h>
#include <string.h>

#include "userspace/control/explain_parts.h"
#include "userspace/control/explain_words.h"

static json_t *print_candidates(const struct explained *e)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->trace.count; i++)
		json_array_append_new(list,
				      explain_part_candidate(&e->trace.tries[i], e->trace.taken));
	return list;
}

/* "www.example.com [h2, http/1.1]" */
static json_t *print_entry_name(const struct sni_route *entry)
{
	char name[512];
	size_t len = (size_t)snprintf(name, sizeof(name), "%s", entry->name);

	for (uint32_t i = 0; i < entry->protocol_count && len < sizeof(name); i++)
		len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%s", i ? ", " : " [",
					entry->protocols[i]);
	if (entry->protocol_count > 0 && len < sizeof(name))
		snprintf(name + len, sizeof(name) - len, "]");
	return explain_part_text(span_of(name));
}

/* Entries for names that the client's fits. */
static void print_entries(json_t *all, const struct explain_told *t)
{
	const struct explained *e = t->explained;
	json_t *list = json_array();
	uint32_t more = 0;

	for (uint32_t i = 0; i < t->listener->sni_count; i++) {
		const struct sni_route *entry = &t->listener->sni[i];
		enum sni_miss miss = sni_match_try(entry, &e->hello);
		json_t *one;

		if (miss == SNI_MISS_NAME)
			continue;
		if (json_array_size(list) == EXPLAIN_TRIES_MAX) {
			more++;
			continue;
		}
		one = json_pack("{s:o, s:i, s:b, s:b, s:s}", "route", print_entry_name(entry),
				"line", (int)entry->at.line, "matches", miss == SNI_MISS_NONE,
				"taken", entry == e->entry, "why",
				explain_words_entry(entry, e).text);
		json_array_append_new(list, one);
	}
	json_object_set_new(all, "candidates", list);
	json_object_set_new(all, "candidates_not_shown", json_integer(more));
	json_object_set_new(all, "route", e->entry ? print_entry_name(e->entry) : json_null());
}

static void print_listener(json_t *all, const struct explain_told *t)
{
	json_object_set_new(all, "request", json_string(t->query->request));
	json_object_set_new(all, "from",
			    t->query->has_client ? json_string(addr_print(&t->query->client).text)
						 : json_null());
	json_object_set_new(all, "snapshot", json_integer((json_int_t)t->snapshot->number));
	explain_part_listener(all, t->listener);
	json_object_set_new(all, "other_listeners", json_integer(t->listeners - 1));
}

static void print_route(json_t *all, const struct explained *e)
{
	const struct route *r = e->decision.route;

	if (!e->decision.path.at)
		return; /* it was refused before */
	json_object_set_new(all, "path", explain_part_text(e->decision.path));
	json_object_set_new(all, "candidates", print_candidates(e));
	json_object_set_new(all, "candidates_not_shown", json_integer(e->trace.more));
	json_object_set_new(all, "route", r ? json_string(r->name) : json_null());
	if (!r)
		return;
	json_object_set_new(all, "line", json_integer(r->at.line));
	explain_part_changes(all, r);
}

static void print_end(json_t *all, const struct explained *e)
{
	json_object_set_new(all, "action", json_string(explain_words_action(e)));
	json_object_set_new(all, "status", e->status ? json_integer(e->status) : json_null());
	json_object_set_new(all, "end", json_string(end_reason_words[e->end]));
	explain_part_because(all, e->end, span_of(e->detail));
	if (e->location.at)
		json_object_set_new(all, "location", explain_part_text(e->location));
}

static void print_upstream(json_t *all, const struct explained *e)
{
	const struct upstream *u = e->decision.upstream;

	explain_part_split(all, e->decision.route, e->wanted, e->decision.split_by);
	if (u && e->wanted && u != e->wanted)
		json_object_set_new(all, "stands_in_for", json_string(e->wanted->name));
	json_object_set_new(all, "upstream", u ? json_string(u->name) : json_null());
}

static json_t *print_endpoint(const struct explained *e, uint32_t i)
{
	const struct explain_endpoint *one = &e->endpoints[i];
	const struct endpoint *to = one->endpoint;
	json_t *made = json_object();

	json_object_set_new(made, "endpoint", json_string(addr_print(&to->address).text));
	json_object_set_new(made, "weight", json_integer(one->state.order.weight));
	json_object_set_new(made, "priority", json_integer(to->priority));
	json_object_set_new(made, "active", json_integer(one->state.active));
	json_object_set_new(made, "state", json_string(explain_words_state(one).text));
	json_object_set_new(made, "chosen",
			    json_boolean(e->answer == ROSTER_FOUND && e->place == i));
	return made;
}

static void print_endpoints(json_t *all, const struct explained *e)
{
	const struct upstream *u = e->decision.upstream;
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->endpoint_count; i++)
		json_array_append_new(list, print_endpoint(e, i));
	json_object_set_new(all, "endpoints", list);
	json_object_set_new(all, "endpoints_not_shown",
			    json_integer(u->endpoint_count - e->endpoint_count));
	json_object_set_new(all, "endpoint",
			    e->answer == ROSTER_FOUND
				    ? json_string(addr_print(&u->endpoints[e->place].address).text)
				    : json_null());
	json_object_set_new(all, "endpoint_why", json_string(explain_words_choice(e).text));
}

/* Only where workers differ: each has turns, chance and knowledge of its own. */
static void print_votes(json_t *all, const struct explain_told *t)
{
	json_t *list = json_array();
	bool differ = false;

	for (uint32_t i = 0; i < t->vote_count; i++) {
		const struct explain_vote *v = &t->votes[i];
		bool found = v->upstream && v->answer == ROSTER_FOUND;

		differ |= v->upstream != t->votes[0].upstream || v->answer != t->votes[0].answer ||
			  (found && v->place != t->votes[0].place);
		json_array_append_new(
			list,
			found ? json_string(
					addr_print(&v->upstream->endpoints[v->place].address).text)
			      : json_null());
	}
	if (differ)
		json_object_set(all, "by_worker", list);
	json_decref(list);
}

static void print_head(json_t *all, struct span head)
{
	json_t *list = json_array();

	while (head.len > 2) {
		const char *end = memchr(head.at, '\r', head.len);
		size_t len = end ? (size_t)(end - head.at) : head.len;

		json_array_append_new(list, explain_part_text(span_make(head.at, len)));
		head = span_after(head, len + 2 < head.len ? len + 2 : head.len);
	}
	json_object_set_new(all, "head", list);
}

static void print_splice(json_t *all, const struct explained *e)
{
	json_object_set_new(all, "spliced",
			    json_string(e->full     ? "full"
					: e->bodies ? "bodies"
						    : "none"));
	json_object_set_new(all, "spliced_why", json_string(explain_words_splice(e).text));
}

static struct explain_keeping keeping_of(const struct explained *e)
{
	const struct upstream *u = e->decision.upstream;

	return (struct explain_keeping){
		.upstream = u,
		.keyed = e->keyed,
		.keeps = e->keeps,
		.foreign = e->foreign,
		.kept = e->keeps && e->answer == ROSTER_FOUND && e->place == e->kept,
		.of = e->keeps ? &u->endpoints[e->kept].address : NULL,
	};
}

json_t *explain_print(const struct explain_told *t)
{
	const struct explained *e = t->explained;
	struct explain_keeping keeping;
	json_t *all = json_object();

	print_listener(all, t);
	if (e->certificate)
		json_object_set_new(all, "certificate", json_string(e->certificate->name));
	if (t->listener->routes)
		print_route(all, e);
	if (t->listener->protocol == LISTENER_TLS_PASSTHROUGH)
		print_entries(all, t);
	print_end(all, e);
	if (!e->decision.upstream)
		return all;
	print_upstream(all, e);
	keeping = keeping_of(e);
	if (e->asked)
		json_object_set_new(all, "persistence",
				    json_string(explain_words_persistence(&keeping).text));
	json_object_set_new(all, "balance",
			    json_string(explain_words_balance(e->decision.upstream).text));
	if (e->asked) {
		print_endpoints(all, e);
		print_votes(all, t);
	}
	if (e->head.len > 0)
		print_head(all, e->head);
	if (e->asked && e->answer == ROSTER_FOUND)
		print_splice(all, e);
	return all;
}

json_t *explain_print_packets(const struct explain_told *t)
{
	const struct upstream *u = t->listener->upstream;
	json_t *all = json_object();

	print_listener(all, t);
	json_object_set_new(all, "action",
			    json_string("forwarded packet by packet; ask shuntctl "
					"explain --packet"));
	json_object_set_new(all, "status", json_null());
	json_object_set_new(all, "upstream", u ? json_string(u->name) : json_null());
	return all;
}
