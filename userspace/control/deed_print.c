#include "userspace/control/deed_print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/must.h"
#include "userspace/control/explain_words.h"
#include "userspace/proxy/deed_ring.h"
#include "userspace/proxy/request_id.h"

enum { PATIENCE_MS = 1000, TIME_BYTES = 40 };

struct search {
	char id[REQUEST_ID_MAX + 1];
	struct deed deed;
	bool found;
	atomic_uint refs;
};

static void search_unref(void *context)
{
	struct search *search = context;

	if (atomic_fetch_sub(&search->refs, 1) == 1)
		free(search);
}

static void search_run(void *context, struct proxy *proxy)
{
	struct search *search = context;
	const struct deed *deed = proxy ? proxy_deed(proxy, span_of(search->id)) : NULL;

	search->found = deed != NULL;
	if (deed)
		search->deed = *deed;
}

/* Another one for each worker, since one that is late writes to it yet. */
static bool ask(struct worker *worker, struct span id, struct deed *out)
{
	struct search *search = must_alloc(sizeof(*search));
	struct worker_call call = { search_run, search_unref, search };
	bool found;

	atomic_init(&search->refs, 2);
	snprintf(search->id, sizeof(search->id), "%.*s", SPAN_ARG(id));
	found = worker_call(worker, &call, PATIENCE_MS) && search->found;
	if (found)
		*out = search->deed;
	search_unref(search);
	return found;
}

static json_t *text(struct span s)
{
	json_t *made = s.len > 0 ? json_stringn(s.at, s.len) : json_null();

	return made ? made : json_string("(not UTF-8)");
}

static json_t *time_of(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char made[TIME_BYTES];
	struct tm utc;
	size_t len;

	gmtime_r(&seconds, &utc);
	len = strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(made + len, sizeof(made) - len, ".%03uZ", (unsigned)(ms % 1000));
	return json_string(made);
}

/* The listener by the present snapshot, where that is the one. */
static json_t *listener_of(const struct deed *d, const struct snapshot *snapshot)
{
	char made[300];

	if (snapshot->number == d->snapshot && d->listener < snapshot->model->listener_count)
		snprintf(made, sizeof(made), "%s:%u", snapshot->listeners[d->listener]->vip->name,
			 d->port);
	else
		snprintf(made, sizeof(made), "port %u", d->port);
	return json_string(made);
}

static void print_endpoint(json_t *all, const struct deed *d)
{
	json_object_set_new(all, "upstream", text(deed_piece(d, DEED_UPSTREAM)));
	if (d->lengths[DEED_UPSTREAM] == 0)
		return;
	json_object_set_new(all, "endpoint",
			    d->endpoint.port ? json_string(addr_print(&d->endpoint).text)
					     : json_null());
	json_object_set_new(all, "endpoint_why", json_string(explain_words_deed(d).text));
	json_object_set_new(all, "endpoints_asked", json_integer(d->asked));
	json_object_set_new(all, "connections", json_integer(d->tries));
	json_object_set_new(all, "reused", json_boolean(d->reused));
	json_object_set_new(all, "spliced", json_boolean(d->spliced));
	json_object_set_new(all, "spliced_why", json_string(splice_reason_texts[d->splice_reason]));
}

static json_t *print(const struct deed *d, const struct snapshot *snapshot)
{
	json_t *all = json_object();

	json_object_set_new(all, "request_id", text(deed_piece(d, DEED_ID)));
	json_object_set_new(all, "ended", time_of(d->ended_ms));
	json_object_set_new(all, "session", json_integer((json_int_t)d->session));
	json_object_set_new(all, "snapshot", json_integer(d->snapshot));
	json_object_set_new(all, "listener", listener_of(d, snapshot));
	json_object_set_new(all, "from", json_string(addr_print(&d->client).text));
	json_object_set_new(all, "method", text(deed_piece(d, DEED_METHOD)));
	json_object_set_new(all, "host", text(deed_piece(d, DEED_HOST)));
	json_object_set_new(all, "path", text(deed_piece(d, DEED_PATH)));
	json_object_set_new(all, "cut", json_boolean(d->cut));
	json_object_set_new(all, "route", text(deed_piece(d, DEED_ROUTE)));
	json_object_set_new(all, "line", json_integer(d->route_line));
	print_endpoint(all, d);
	json_object_set_new(all, "status", json_integer(d->status));
	json_object_set_new(all, "end", json_string(end_reason_words[d->end]));
	if (d->end != END_DONE)
		json_object_set_new(all, "because", json_string(end_reason_texts[d->end]));
	return all;
}

char *deed_ask(struct crew *crew, const struct snapshot *snapshot, struct span id,
	       uint32_t *out_status)
{
	struct deed deed, one;
	bool found = false;
	json_t *all;
	char *made;

	for (uint32_t i = 0; request_id_may_be_taken(id) && i < crew_count(crew); i++)
		if (ask(crew_worker(crew, i), id, &one) &&
		    (!found || one.ended_ms > deed.ended_ms)) {
			deed = one;
			found = true;
		}
	*out_status = found ? 200 : 400;
	all = found ? print(&deed, snapshot)
		    : json_pack("{s:s}", "error",
				"no request of that name is remembered: each worker knows its last "
				"8192, and of those that went wrong its last 2048, once they have "
				"ended");
	made = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	return made;
}
