#include "userspace/control/fast_path.h"

#include <stdlib.h>

#include "loader/attach.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/splice_log.h"
#include "userspace/control/traffic_print.h"
#include "userspace/dataplane/dataplane.h"
#include "userspace/dataplane/map_plan.h"
#include "userspace/net/reserved_ports.h"
#include "userspace/splice/splicer.h"

enum { SWEEP_MS = 1000 };

struct fast_path {
	struct loop *loop;
	struct dataplane *dataplane;
	struct splicer *splicer; /* NULL: never splice */
	struct splice_log *log;
	uint32_t idle_ms; /* the longest tunnel time of all listeners */
	struct watch neighbours, events;
	struct timer sweep;
	bool nat_reserved;
	bool shared;      /* the old process has the splices still */
	const char *undo; /* pin directory of what this process attached anew; NULL: nothing */
};

static void on_neighbours(void *context, int events)
{
	struct fast_path *f = context;

	(void)events;
	if (dataplane_dispatch(f->dataplane) && f->splicer)
		splicer_reroute(f->splicer);
}

static void on_events(void *context, int events)
{
	struct fast_path *f = context;

	(void)events;
	splicer_on_events(f->splicer);
}

static void on_sweep(void *context)
{
	struct fast_path *f = context;

	dataplane_refresh(f->dataplane);
	if (!f->shared)
		dataplane_tick(f->dataplane);
	if (f->splicer && !f->shared)
		splicer_sweep(f->splicer, loop_now_ms(f->loop), f->idle_ms);
	timer_start(&f->sweep, SWEEP_MS);
}

static void on_splice_end(void *context, const struct splice_end *end)
{
	struct fast_path *f = context;

	splice_log_write(f->log, end);
}

/* Without it connections are relayed: slower, not broken, so it is no reason not to start. */
static void splicing_start(struct fast_path *f, const struct fast_path_options *options,
			   const struct node *node)
{
	struct splice_maps maps = { .flows = dataplane_flows(f->dataplane),
				    .events_fd = dataplane_events_fd(f->dataplane),
				    .next_hop = dataplane_next_hop,
				    .way = dataplane_next_hop_of,
				    .device = dataplane_device,
				    .expects = dataplane_expects,
				    .is_own = dataplane_is_own,
				    .context = f->dataplane,
				    .on_end = on_splice_end,
				    .end_context = f };
	struct err err = { "no --cgroup was given, so sockets cannot be looked at" };

	maps.splices = dataplane_splices(f->dataplane, &maps.count);
	if (options->cgroup)
		f->splicer = splicer_create(&maps, node, options->map_count > 0, &err);
	if (!f->splicer) {
		log_line(LOG_WARNING, "splicing is off: %s", err.text);
		return;
	}
	watch_init(&f->events, f->loop, splicer_events_fd(f->splicer), on_events, f);
	if (!options->map_count)
		watch_set(&f->events, WATCH_READ);
}

/* Devices that have our programs already get this version of them, without a gap. */
static bool attach(const struct fast_path_options *options, const struct model *model,
		   struct err *err)
{
	const struct node *node = &model->node;
	struct map_sizes sizes = map_plan(model, options->cgroup != NULL);
	struct attach_options how = { .pin_dir = options->pin_dir,
				      .device_count = node->device_count,
				      .mode = (enum attach_mode)node->mode,
				      .sizes = &sizes,
				      .cgroup = options->cgroup };
	struct notices notices;

	for (uint32_t i = 0; i < node->device_count; i++)
		how.devices[i] = node->devices[i];
	if (!attach_all(&how, &notices, err))
		return false;
	for (uint32_t i = 0; i < notices.count; i++)
		log_line(LOG_NOTICE, "%s", notices.list[i].text);
	return true;
}

static struct dataplane *attach_and_open(const struct fast_path_options *options,
					 const struct model *model, bool fresh, struct err *err)
{
	struct dataplane *dataplane;

	if (!attach(options, model, err))
		return NULL;
	dataplane = dataplane_open(options->pin_dir, err);
	if (!dataplane && fresh)
		attach_undo(options->pin_dir, NULL, NULL);
	return dataplane;
}

/*
 * Who takes another's place has only the rights that it kept (privileges.c), which do not suffice
 * to load programs: those that are attached go on.
 */
struct fast_path *fast_path_open(const struct fast_path_options *options, struct snapshot *first,
				 struct err *err)
{
	bool inherits = options->map_count > 0;
	bool fresh = !inherits && !attach_is(options->pin_dir);
	struct dataplane *dataplane;
	struct fast_path *f;

	dataplane = inherits ? dataplane_inherit(options->maps, options->map_count, err)
			     : attach_and_open(options, first->model, fresh, err);
	if (!dataplane)
		return NULL;
	f = must_alloc(sizeof(*f));
	f->loop = options->loop;
	f->dataplane = dataplane;
	f->undo = fresh ? options->pin_dir : NULL;
	f->shared = inherits;
	f->log = splice_log_create(options->log, first);
	watch_init(&f->neighbours, f->loop, dataplane_fd(dataplane), on_neighbours, f);
	watch_set(&f->neighbours, WATCH_READ);
	splicing_start(f, options, &first->model->node);
	timer_init(&f->sweep, f->loop, on_sweep, f);
	timer_start(&f->sweep, SWEEP_MS);
	return f;
}

void fast_path_close(struct fast_path *f)
{
	timer_stop(&f->sweep);
	watch_fini(&f->neighbours);
	watch_fini(&f->events);
	splicer_destroy(f->splicer);
	splice_log_destroy(f->log);
	dataplane_close(f->dataplane);
	free(f);
}

void fast_path_abandon(struct fast_path *f)
{
	const char *undo = f->undo;

	fast_path_close(f);
	if (undo)
		attach_undo(undo, NULL, NULL);
}

const int *fast_path_maps(const struct fast_path *f, uint32_t *out_count)
{
	*out_count = 0;
	return f ? dataplane_maps(f->dataplane, out_count) : NULL;
}

void fast_path_hold(struct fast_path *f, bool hold)
{
	if (f)
		dataplane_hold(f->dataplane, hold);
}

bool fast_path_release(struct fast_path *f)
{
	if (!f)
		return true;
	timer_stop(&f->sweep);
	watch_set(&f->neighbours, 0);
	if (!f->splicer)
		return true;
	watch_set(&f->events, 0);
	return splicer_release(f->splicer);
}

void fast_path_take_over(struct fast_path *f)
{
	if (!f)
		return;
	f->shared = false;
	if (!f->splicer)
		return;
	splicer_take_over(f->splicer);
	watch_set(&f->events, WATCH_READ);
}

void fast_path_is_alone(struct fast_path *f)
{
	if (f && f->splicer)
		splicer_is_alone(f->splicer);
}

static uint32_t longest_tunnel(const struct snapshot *snapshot)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < snapshot->model->listener_count; i++)
		if (snapshot->listeners[i]->timeouts.tunnel_ms > longest)
			longest = snapshot->listeners[i]->timeouts.tunnel_ms;
	return longest;
}

/* Once: the list of the kernel only grows. */
static void reserve_nat_ports(struct fast_path *f, const struct snapshot *snapshot)
{
	const struct model *model = snapshot->model;

	for (uint32_t i = 0; !f->nat_reserved && i < model->listener_count; i++)
		if (snapshot->listeners[i]->forward == FORWARD_NAT) {
			reserved_ports_add(model->node.nat_port_first, model->node.nat_port_last);
			f->nat_reserved = true;
		}
}

/* As operators want it. */
static void splices_follow(struct fast_path *f, const struct snapshot *snapshot)
{
	const struct model *m = snapshot->model;
	struct splicer_stay *stays;

	if (!f->splicer)
		return;
	stays = must_alloc((m->endpoint_count + 1) * sizeof(*stays));
	for (uint32_t i = 0; i < m->upstream_count; i++)
		for (uint32_t k = 0; k < m->upstreams[i].endpoint_count; k++) {
			const struct endpoint *e = &m->upstreams[i].endpoints[k];

			stays[e->index] = (struct splicer_stay){ snapshot_weight(snapshot, e),
								 snapshot->orders[e->index].over };
		}
	splicer_follow(f->splicer, m, stays);
	free(stays);
}

bool fast_path_apply(struct fast_path *f, struct snapshot *snapshot, uint32_t workers,
		     struct err *err)
{
	const struct map_sizes *there;
	struct err less;

	if (!f)
		return true;
	there = dataplane_sizes(f->dataplane);
	if (!map_plan_is_met(snapshot->model, there, err) ||
	    !dataplane_apply(f->dataplane, snapshot, workers, err))
		return false;
	if (map_plan_lacks(snapshot->model, f->splicer != NULL, there, &less))
		log_line(LOG_WARNING, "%s", less.text);
	dataplane_tunnels(f->dataplane, snapshot);
	reserve_nat_ports(f, snapshot);
	f->idle_ms = longest_tunnel(snapshot);
	splice_log_follow(f->log, snapshot);
	splices_follow(f, snapshot);
	return true;
}

bool fast_path_steer(struct fast_path *f, const struct listen_table *table, struct err *err)
{
	for (uint32_t i = 0; f && i < table->count; i++) {
		const struct listen_place *place = &table->places[i];
		uint32_t row = dataplane_row(f->dataplane, &place->address);

		if (row == UINT32_MAX)
			return err_set(err, "no row is left for %s",
				       addr_print(&place->address).text);
		for (uint32_t w = 0; w < table->workers; w++)
			if (!dataplane_listener_set(f->dataplane, row, w, place->fds[w], err))
				return false;
	}
	return true;
}

bool fast_path_way(const struct fast_path *f, const struct endpoint *endpoint, bool direct,
		   struct dataplane_way *out_way, struct err *err)
{
	return dataplane_way(f->dataplane, endpoint, direct, out_way, err);
}

void fast_path_drain(struct fast_path *f, const struct endpoint *endpoint, bool drain)
{
	dataplane_drain(f->dataplane, endpoint, drain);
}

void fast_path_press(struct fast_path *f, const struct addr *address, bool pressed)
{
	dataplane_press(f->dataplane, address, pressed);
}

struct splicer *fast_path_splicer(const struct fast_path *f)
{
	return f ? f->splicer : NULL;
}

char *fast_path_traffic(const struct fast_path *f, const struct snapshot *snapshot)
{
	struct traffic traffic;
	char *text;

	if (!f)
		return NULL;
	dataplane_traffic(f->dataplane, snapshot, &traffic);
	text = traffic_print(&traffic, snapshot->model);
	traffic_fini(&traffic);
	return text;
}

struct splicer *fast_path_mover(const struct fast_path *f)
{
	return f && !f->shared ? f->splicer : NULL;
}

bool fast_path_cut(struct fast_path *f, const struct splice_choice *choice, uint32_t *out_cut,
		   uint32_t *out_later)
{
	if (!f || !f->splicer || f->shared)
		return false;
	splicer_cut(f->splicer, choice, out_cut, out_later);
	return true;
}

void fast_path_status(const struct fast_path *f, struct status *status)
{
	status->fast_path = f != NULL;
	if (!f)
		return;
	dataplane_counters(f->dataplane, status->counters);
	if (f->splicer)
		splicer_stats(f->splicer, &status->splices);
}
