#include "userspace/control/serving.h"

#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/control/path_mtu.h"

enum { DRAIN_DEFAULT_MS = 10000 };

struct serving {
	struct serving_options options;
	struct snapshot *snapshot;
	struct listen_table *table;
	struct worker **workers;
	bool accepting;
	uint32_t running, ended;
	struct ceilings ceilings; /* of the first snapshot: they stay */
};

static void on_worker_end(void *context)
{
	struct serving *s = context;

	if (++s->ended == s->running)
		s->options.on_end(s->options.context);
}

static void ceilings_set(struct serving *s, const struct model *model)
{
	struct ceilings_have have = {
		.files = s->options.files_max,
		.files_other =
			ceilings_files_other(model, s->options.workers, listen_table_fds(s->table)),
		.memory_bytes = ceilings_memory(),
		.workers = s->options.workers,
	};

	ceilings_compute(model, &have, &s->ceilings);
}

static void workers_create(struct serving *s, const struct snapshot *first)
{
	ceilings_set(s, first->model);
	for (uint32_t i = 0; i < s->options.workers; i++)
		s->workers[i] = worker_create(&(struct worker_options){
			.number = i,
			.log = s->options.log,
			.splicer = fast_path_splicer(s->options.fast_path),
			.ceilings = s->ceilings.each,
			.control = s->options.loop,
			.on_end = on_worker_end,
			.context = s,
		});
}

static void workers_set(struct serving *s)
{
	struct worker_socket *sockets = must_alloc(listen_table_fds(s->table) * sizeof(*sockets));

	for (uint32_t i = 0; i < s->options.workers; i++) {
		uint32_t count = listen_table_sockets(s->table, i, sockets);

		worker_set(s->workers[i], s->snapshot, sockets, count);
	}
	free(sockets);
}

static bool fast_path_follow(struct serving *s, struct snapshot *snapshot,
			     const struct listen_table *table, struct err *err)
{
	struct fast_path *fast = s->options.fast_path;

	if (fast_path_apply(fast, snapshot, err) && fast_path_steer(fast, table, err))
		return true;
	if (s->snapshot)
		serving_restore(s);
	return false;
}

bool serving_apply(struct serving *s, struct snapshot *snapshot, struct err *err)
{
	struct listen_options options = {
		.workers = s->options.workers,
		.free_bind = s->options.fast_path != NULL,
		.max_segment = s->options.fast_path ? path_mtu_max_segment(snapshot->model) : 0,
		.share = !s->table,
	};
	const struct listen_table *before = s->table ? s->table : s->options.inherited;
	struct listen_table *table = listen_table_plan(before, snapshot, &options, err);

	if (!table)
		return false;
	if (!fast_path_follow(s, snapshot, table, err)) {
		listen_table_abandon(table);
		return false;
	}
	listen_table_free(s->table);
	s->table = table;
	if (s->snapshot)
		snapshot_unref(s->snapshot);
	else
		workers_create(s, snapshot);
	s->snapshot = snapshot_ref(snapshot);
	if (s->accepting)
		workers_set(s);
	return true;
}

struct serving *serving_create(const struct serving_options *options, struct snapshot *first,
			       struct err *err)
{
	struct serving *s = must_alloc(sizeof(*s));

	s->options = *options;
	s->workers = must_alloc(options->workers * sizeof(struct worker *));
	if (!serving_apply(s, first, err)) {
		free(s->workers);
		free(s);
		return NULL;
	}
	if (options->inherited)
		listen_table_close_missing(options->inherited, s->table);
	return s;
}

bool serving_start(struct serving *s, struct err *err)
{
	for (; s->running < s->options.workers; s->running++)
		if (!worker_start(s->workers[s->running], err))
			return false;
	return true;
}

void serving_accept(struct serving *s)
{
	s->accepting = true;
	workers_set(s);
}

void serving_let_go(struct serving *s, const bool *taken)
{
	struct worker_socket *sockets = must_alloc(listen_table_fds(s->table) * sizeof(*sockets));

	for (uint32_t w = 0; w < s->options.workers; w++) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < s->table->count; i++) {
			const struct listen_place *place = &s->table->places[i];

			for (uint32_t k = w; taken[i] && k < place->fd_count;
			     k += s->options.workers)
				sockets[count++].fd = place->fds[k];
		}
		worker_let_go(s->workers[w], sockets, count);
	}
	free(sockets);
}

void serving_restore(struct serving *s)
{
	if (fast_path_apply(s->options.fast_path, s->snapshot, NULL))
		fast_path_steer(s->options.fast_path, s->table, NULL);
}

const struct listen_table *serving_table(const struct serving *s)
{
	return s->table;
}

bool serving_is_well(struct serving *s)
{
	bool well = true;

	for (uint32_t i = 0; i < s->running; i++)
		well &= worker_is_well(s->workers[i]); /* all of them are asked */
	return well;
}

void serving_drain_patiently(struct serving *s, uint32_t drain_ms)
{
	for (uint32_t i = 0; i < s->running; i++)
		worker_drain_patiently(s->workers[i], drain_ms);
}

void serving_drain(struct serving *s, uint32_t drain_ms)
{
	for (uint32_t i = 0; i < s->running; i++)
		worker_drain(s->workers[i], drain_ms);
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

void serving_status(const struct serving *s, struct status *status)
{
	uint64_t opened, closed;

	status->snapshot = s->snapshot->number;
	status->node = s->snapshot->model->node.name;
	status->workers = s->options.workers;
	for (uint32_t i = 0; i < s->options.workers; i++)
		status_add_stats(&status->stats, worker_stats(s->workers[i]));
	closed = atomic_load_explicit(&status->stats.sessions_closed, memory_order_relaxed);
	opened = atomic_load_explicit(&status->stats.sessions_opened, memory_order_relaxed);
	status->sessions = opened > closed ? opened - closed : 0;
	fast_path_status(s->options.fast_path, status);
}

void serving_destroy(struct serving *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->options.workers; i++)
		worker_destroy(s->workers[i]);
	listen_table_free(s->table);
	snapshot_unref(s->snapshot);
	free(s->workers);
	free(s);
}
