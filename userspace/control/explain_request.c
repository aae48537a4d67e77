#include "userspace/control/explain_request.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/control/admin_refusal.h"
#include "userspace/control/explain_print.h"

enum { PATIENCE_MS = 1000 }; /* with a worker that does not answer */

/* What is asked of a worker lives until both sides are through with it. */
struct errand {
	struct explain_ask ask;
	struct explained explained;
	bool done; /* the worker had a proxy */
	atomic_uint refs;
};

static struct errand *errand_create(const struct explain_ask *ask)
{
	struct errand *errand = must_alloc(sizeof(*errand));
	char *head = must_alloc(ask->head.len + 1);

	atomic_init(&errand->refs, 1);
	errand->ask = *ask;
	snapshot_ref(ask->snapshot);
	memcpy(head, ask->head.at, ask->head.len);
	errand->ask.head.at = head;
	errand->ask.sni = ask->sni ? strdup(ask->sni) : NULL;
	errand->ask.alpn = ask->alpn ? strdup(ask->alpn) : NULL;
	errand->ask.subject = ask->subject ? strdup(ask->subject) : NULL;
	return errand;
}

static void errand_unref(void *context)
{
	struct errand *errand = context;

	if (!errand || atomic_fetch_sub(&errand->refs, 1) != 1)
		return;
	snapshot_unref(errand->ask.snapshot);
	free((char *)errand->ask.head.at);
	free((char *)errand->ask.sni);
	free((char *)errand->ask.alpn);
	free((char *)errand->ask.subject);
	free(errand);
}

static void errand_run(void *context, struct proxy *proxy)
{
	struct errand *errand = context;

	if (proxy)
		explain_by(proxy, &errand->ask, &errand->explained);
	errand->done = proxy != NULL;
}

/* NULL and *err where the worker does not answer. */
static struct errand *ask_worker(struct worker *worker, uint32_t number,
				 const struct explain_ask *ask, struct err *err)
{
	struct errand *errand = errand_create(ask);
	struct worker_call call = { errand_run, errand_unref, errand };

	atomic_fetch_add(&errand->refs, 1);
	if (worker_call(worker, &call, PATIENCE_MS) && errand->done)
		return errand;
	errand_unref(errand);
	err_set(err, "worker %u does not answer", number);
	return NULL;
}

/* Of a snapshot that nobody runs. */
static struct errand *ask_nobody(const struct explain_ask *ask)
{
	struct errand *errand = errand_create(ask);
	struct explain_state state = { .rosters = rosters_create(),
				       .now_ms = clock_ns(CLOCK_MONOTONIC) / 1000000,
				       .splices = ask->snapshot->model->node.device_count > 0 };

	rosters_keep_apart(state.rosters);
	rosters_renew(state.rosters, ask->snapshot, state.now_ms);
	explain(&state, ask, &errand->explained);
	rosters_destroy(state.rosters);
	return errand;
}

static struct explain_vote vote_of(const struct explained *e)
{
	return (struct explain_vote){ e->decision.upstream, e->answer, e->place };
}

struct asking {
	struct snapshot *snapshot;
	struct crew *crew;
	struct explain_query query;
	struct explain_vote votes[WORKERS_MAX];
	uint32_t vote_count;
};

/* The first worker's; others only vote. */
static struct errand *ask_all(struct asking *a, const struct listener *l, struct err *err)
{
	struct explain_ask ask = explain_query_ask(&a->query, a->snapshot, l);
	struct errand *first = NULL;

	if (!a->crew)
		return ask_nobody(&ask);
	a->vote_count = 0;
	for (uint32_t i = 0; i < crew_count(a->crew); i++) {
		struct errand *errand = ask_worker(crew_worker(a->crew, i), i, &ask, err);

		if (!errand) {
			errand_unref(first);
			return NULL;
		}
		a->votes[a->vote_count++] = vote_of(&errand->explained);
		if (first)
			errand_unref(errand);
		else
			first = errand;
	}
	return first;
}

static uint32_t listeners_of(const struct asking *a)
{
	uint32_t n = 0;

	while (explain_query_listener(&a->query, a->snapshot->model, n))
		n++;
	return n;
}

static bool is_packets(const struct listener *l)
{
	return l->protocol == LISTENER_TCP || l->protocol == LISTENER_UDP;
}

/* Of several listeners the first that has a route for it, or else the first. */
static json_t *tell(struct asking *a, struct err *err)
{
	const struct listener *l = explain_query_listener(&a->query, a->snapshot->model, 0);
	struct explain_told told = { .query = &a->query,
				     .snapshot = a->snapshot,
				     .listener = l,
				     .votes = a->votes,
				     .listeners = listeners_of(a) };
	struct errand *errand;
	json_t *made;

	for (uint32_t i = 0; i < told.listeners && told.listeners > 1; i++) {
		const struct listener *next =
			explain_query_listener(&a->query, a->snapshot->model, i);
		struct explain_ask ask = explain_query_ask(&a->query, a->snapshot, next);

		if (is_packets(next))
			continue;
		errand = ask_nobody(&ask);
		if (errand->explained.decision.route)
			told.listener = next;
		errand_unref(errand);
		if (told.listener == next)
			break;
	}
	if (is_packets(told.listener))
		return explain_print_packets(&told);
	errand = ask_all(a, told.listener, err);
	if (!errand)
		return NULL;
	told.explained = &errand->explained;
	told.vote_count = a->vote_count;
	made = explain_print(&told);
	errand_unref(errand);
	return made;
}

json_t *explain_request(struct snapshot *snapshot, struct crew *crew, const json_t *asked,
			struct err *err)
{
	struct asking *a = must_alloc(sizeof(*a));
	struct arena *arena = arena_create();
	json_t *made = NULL;

	a->snapshot = snapshot;
	a->crew = crew;
	if (!explain_query_read(arena, asked, &a->query, err))
		goto free_all;
	if (explain_query_listener(&a->query, snapshot->model, 0))
		made = tell(a, err);
	else
		err_set(err, "no listener%s%s has port %u for %s", a->query.vip ? " of vip " : "",
			a->query.vip ? a->query.vip : "", a->query.port,
			a->query.secure ? "https" : "http");
free_all:
	arena_destroy(arena);
	free(a);
	return made;
}

char *explain_request_text(struct snapshot *snapshot, struct crew *crew, struct span asked,
			   uint32_t *out_status)
{
	json_t *query = json_loadb(asked.at ? asked.at : "", asked.len, 0, NULL), *made = NULL;
	struct err err = { .text = "what is asked is no JSON" };
	char *text;

	if (query)
		made = explain_request(snapshot, crew, query, &err);
	text = made ? json_dumps(made, JSON_INDENT(2) | JSON_PRESERVE_ORDER)
		    : admin_refuse(out_status, err.text);
	json_decref(made);
	json_decref(query);
	return text;
}
