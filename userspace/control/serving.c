#include "userspace/control/serving.h"

#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/control/accept_watch.h"
#include "userspace/control/crew.h"
#include "userspace/control/deed_ask.h"
#include "userspace/control/explain_request.h"
#include "userspace/control/flows_post.h"
#include "userspace/control/history.h"
#include "userspace/control/path_mtu.h"

enum { DRAIN_DEFAULT_MS = 10000 };

struct serving {
	struct serving_options options;
	struct snapshot *snapshot;
	struct listen_table *table;
	struct crew *crew;
	struct history *history;
	struct accept_watch *queues; /* NULL: plain proxy */
	bool accepting;
	struct ceilings ceilings;
};

static void ceilings_set(struct serving *s)
{
	struct ceilings_have have = {
		.files = s->options.files_max,
		.files_other = ceilings_files_other(s->snapshot->model, s->table->workers,
						    listen_table_fds(s->table)),
		.memory_bytes = ceilings_memory(),
		.workers = s->table->workers,
	};

	ceilings_compute(s->snapshot->model, &have, &s->ceilings);
}

static void workers_set(struct serving *s)
{
	struct worker_socket *sockets = must_alloc(listen_table_fds(s->table) * sizeof(*sockets));
	uint32_t workers = crew_count(s->crew);

	for (uint32_t i = 0; i < workers; i++) {
		uint32_t count = listen_table_sockets(s->table, i, sockets);

		worker_set(crew_worker(s->crew, i), s->snapshot, &s->ceilings.each, sockets, count);
	}
	free(sockets);
}

/* Once we accept: until then, and after that, the queues are another process's. */
static void queues_follow(struct serving *s)
{
	if (s->queues && s->accepting)
		accept_watch_follow(s->queues, s->table, s->snapshot);
}

static bool fast_path_follow(struct serving *s, struct snapshot *snapshot,
			     const struct listen_table *table, struct err *err)
{
	struct fast_path *fast = s->options.fast_path;

	if (fast_path_apply(fast, snapshot, table->workers, err) &&
	    fast_path_steer(fast, table, err))
		return true;
	if (s->snapshot)
		serving_restore(s);
	return false;
}

static struct listen_table *plan(struct serving *s, struct snapshot *snapshot, uint32_t workers,
				 struct err *err)
{
	struct listen_options options = {
		.workers = workers,
		.free_bind = s->options.fast_path != NULL,
		.max_segment = s->options.fast_path ? path_mtu_max_segment(snapshot->model) : 0,
		.share = !s->table,
	};

	return listen_table_plan(s->table ? s->table : s->options.inherited, snapshot, &options,
				 err);
}

/* What it was made of. */
static void remember(struct serving *s, const struct snapshot *next)
{
	if (!s->snapshot || (next->model->read && next->model != s->snapshot->model))
		history_add(s->history, s->options.config, next->number);
	else
		history_extend(s->history, next->number);
}

bool serving_apply(struct serving *s, struct snapshot *snapshot, uint32_t workers, struct err *err)
{
	uint32_t before = crew_count(s->crew);
	struct listen_table *table = plan(s, snapshot, workers, err);

	if (!table)
		return false;
	if (!crew_grow(s->crew, workers, err))
		goto abandon_table;
	if (!fast_path_follow(s, snapshot, table, err))
		goto shrink_crew;
	remember(s, snapshot);
	listen_table_free(s->table);
	s->table = table;
	if (s->snapshot)
		snapshot_unref(s->snapshot);
	s->snapshot = snapshot_ref(snapshot);
	ceilings_set(s);
	crew_shrink(s->crew, workers, serving_drain_ms(s));
	if (s->accepting)
		workers_set(s);
	queues_follow(s);
	return true;
shrink_crew:
	crew_shrink(s->crew, before, 0);
abandon_table:
	listen_table_abandon(table);
	return false;
}

struct serving *serving_create(const struct serving_options *options, struct snapshot *first,
			       uint32_t workers, struct err *err)
{
	struct serving *s = must_alloc(sizeof(*s));

	s->history = history_create();
	s->options = *options;
	if (options->fast_path)
		s->queues = accept_watch_create(options->loop, options->fast_path);
	s->crew = crew_create(
		&(struct crew_options){ .loop = options->loop,
					.log = options->log,
					.splicer = fast_path_splicer(options->fast_path),
					.on_end = options->on_end,
					.context = options->context });
	if (!serving_apply(s, first, workers, err)) {
		crew_destroy(s->crew);
		accept_watch_destroy(s->queues);
		history_destroy(s->history);
		free(s);
		return NULL;
	}
	if (options->inherited)
		listen_table_close_missing(options->inherited, s->table);
	return s;
}

bool serving_start(struct serving *s, struct err *err)
{
	return crew_start(s->crew, err);
}

void serving_accept(struct serving *s)
{
	s->accepting = true;
	workers_set(s);
	queues_follow(s);
}

void serving_let_go(struct serving *s, const bool *taken)
{
	struct worker_socket *sockets = must_alloc(listen_table_fds(s->table) * sizeof(*sockets));

	accept_watch_stop(s->queues);
	for (uint32_t w = 0; w < s->table->workers; w++) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < s->table->count; i++) {
			const struct listen_place *place = &s->table->places[i];

			for (uint32_t k = w; taken[i] && k < place->fd_count;
			     k += s->table->workers)
				sockets[count++].fd = place->fds[k];
		}
		worker_let_go(crew_worker(s->crew, w), sockets, count);
	}
	free(sockets);
}

void serving_restore(struct serving *s)
{
	if (fast_path_apply(s->options.fast_path, s->snapshot, s->table->workers, NULL))
		fast_path_steer(s->options.fast_path, s->table, NULL);
}

const struct listen_table *serving_table(const struct serving *s)
{
	return s->table;
}

bool serving_is_well(struct serving *s)
{
	return crew_is_well(s->crew);
}

void serving_drain_patiently(struct serving *s, uint32_t drain_ms)
{
	accept_watch_stop(s->queues);
	crew_drain(s->crew, drain_ms, true);
}

void serving_drain(struct serving *s, uint32_t drain_ms)
{
	accept_watch_stop(s->queues);
	crew_drain(s->crew, drain_ms, false);
}

uint32_t serving_drain_ms(const struct serving *s)
{
	const struct snapshot *now = s->snapshot;
	uint32_t longest = 0;

	for (uint32_t i = 0; i < now->model->listener_count; i++)
		if (now->listeners[i]->timeouts.drain_ms > longest)
			longest = now->listeners[i]->timeouts.drain_ms;
	return longest ? longest : DRAIN_DEFAULT_MS;
}

const struct snapshot *serving_snapshot(const struct serving *s)
{
	return s->snapshot;
}

const struct ceilings *serving_ceilings(const struct serving *s)
{
	return &s->ceilings;
}

char *serving_post(struct serving *s, const struct admin_request *request, uint32_t *out_status)
{
	if (span_is(request->path, SPAN("/explain")))
		return explain_request_text(s->snapshot, s->crew, request->body, out_status);
	if (span_is(request->path, SPAN("/source")))
		return history_print(s->history, request->body, out_status);
	if (span_is(request->path, SPAN("/request")))
		return deed_ask(s->crew, s->snapshot, s->history, request->body, out_status);
	return flows_post(s->options.fast_path, request, out_status);
}

void serving_status(const struct serving *s, struct status *status)
{
	uint64_t opened, closed;

	status->snapshot = s->snapshot->number;
	status->node = s->snapshot->model->node.name;
	status->workers = crew_count(s->crew);
	crew_add_stats(s->crew, &status->stats);
	closed = atomic_load_explicit(&status->stats.sessions_closed, memory_order_relaxed);
	opened = atomic_load_explicit(&status->stats.sessions_opened, memory_order_relaxed);
	status->sessions = opened > closed ? opened - closed : 0;
	fast_path_status(s->options.fast_path, status);
	if (s->queues)
		accept_watch_status(s->queues, status);
}

void serving_destroy(struct serving *s)
{
	if (!s)
		return;
	crew_destroy(s->crew);
	accept_watch_destroy(s->queues);
	listen_table_free(s->table);
	snapshot_unref(s->snapshot);
	history_destroy(s->history);
	free(s);
}
