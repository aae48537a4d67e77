#include "userspace/control/crew.h"

#include <stdlib.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"

/* Dismissed ones have a thread and memory still: reloads come faster than sessions end. */
enum { LEAVING_MAX = WORKERS_MAX };

struct seat {
	struct crew *crew;
	struct worker *worker;
	bool leaves;
	struct seat *next; /* of those that leave */
};

struct crew {
	struct crew_options options;
	struct seat *seats[WORKERS_MAX];
	uint32_t count;
	struct seat *leaving;
	uint32_t leaving_count;
	uint32_t running; /* threads */
	uint32_t number;  /* of the next worker: sessions are told apart by it */
	bool started;
	struct stats gone; /* what those counted that are no more */
};

static void seat_leave(struct seat *seat)
{
	struct crew *crew = seat->crew;
	struct seat **at = &crew->leaving;

	while (*at != seat)
		at = &(*at)->next;
	*at = seat->next;
	crew->leaving_count--;
	status_add_stats(&crew->gone, worker_stats(seat->worker));
	worker_destroy(seat->worker);
	free(seat);
}

static void on_worker_end(void *context)
{
	struct seat *seat = context;
	struct crew *crew = seat->crew;

	if (seat->leaves)
		seat_leave(seat);
	if (--crew->running == 0)
		crew->options.on_end(crew->options.context);
}

struct crew *crew_create(const struct crew_options *options)
{
	struct crew *crew = must_alloc(sizeof(*crew));

	crew->options = *options;
	return crew;
}

static void hire(struct crew *crew)
{
	struct seat *seat = must_alloc(sizeof(*seat));

	seat->crew = crew;
	seat->worker = worker_create(&(struct worker_options){
		.number = crew->number++,
		.log = crew->options.log,
		.splicer = crew->options.splicer,
		.control = crew->options.loop,
		.on_end = on_worker_end,
		.context = seat,
	});
	crew->seats[crew->count++] = seat;
}

static void seat_destroy(struct seat *seat)
{
	worker_destroy(seat->worker);
	free(seat);
}

static bool start_from(struct crew *crew, uint32_t first, struct err *err)
{
	for (uint32_t i = first; i < crew->count; i++) {
		if (!worker_start(crew->seats[i]->worker, err))
			return false;
		crew->running++;
	}
	return true;
}

bool crew_grow(struct crew *crew, uint32_t count, struct err *err)
{
	uint32_t before = crew->count, running = crew->running;

	MUST(count <= WORKERS_MAX);
	while (crew->count < count)
		hire(crew);
	if (!crew->started || start_from(crew, before, err))
		return true;
	while (crew->count > before)
		seat_destroy(crew->seats[--crew->count]);
	crew->running = running;
	return false;
}

void crew_shrink(struct crew *crew, uint32_t count, uint32_t drain_ms)
{
	while (crew->count > count) {
		struct seat *seat = crew->seats[--crew->count];

		if (crew->started) {
			seat->leaves = true;
			seat->next = crew->leaving;
			crew->leaving = seat;
			worker_drain_patiently(seat->worker,
					       crew->leaving_count++ < LEAVING_MAX ? drain_ms : 0);
		} else {
			seat_destroy(seat);
		}
	}
}

bool crew_start(struct crew *crew, struct err *err)
{
	crew->started = true;
	return start_from(crew, 0, err);
}

uint32_t crew_count(const struct crew *crew)
{
	return crew->count;
}

struct worker *crew_worker(struct crew *crew, uint32_t index)
{
	return crew->seats[index]->worker;
}

void crew_drain(struct crew *crew, uint32_t drain_ms, bool patiently)
{
	void (*drain)(struct worker *, uint32_t) =
		patiently ? worker_drain_patiently : worker_drain;

	for (uint32_t i = 0; i < crew->count; i++)
		drain(crew->seats[i]->worker, drain_ms);
	for (struct seat *seat = crew->leaving; seat; seat = seat->next)
		drain(seat->worker, drain_ms);
}

bool crew_is_well(struct crew *crew)
{
	bool well = true;

	for (uint32_t i = 0; i < crew->count; i++)
		well &= worker_is_well(crew->seats[i]->worker); /* all of them are asked */
	for (struct seat *seat = crew->leaving; seat; seat = seat->next)
		well &= worker_is_well(seat->worker);
	return well;
}

void crew_add_stats(const struct crew *crew, struct stats *sum)
{
	status_add_stats(sum, &crew->gone);
	for (uint32_t i = 0; i < crew->count; i++)
		status_add_stats(sum, worker_stats(crew->seats[i]->worker));
	for (const struct seat *seat = crew->leaving; seat; seat = seat->next)
		status_add_stats(sum, worker_stats(seat->worker));
}

void crew_destroy(struct crew *crew)
{
	if (!crew)
		return;
	while (crew->leaving) {
		struct seat *seat = crew->leaving;

		crew->leaving = seat->next;
		seat_destroy(seat);
	}
	while (crew->count > 0)
		seat_destroy(crew->seats[--crew->count]);
	free(crew);
}
