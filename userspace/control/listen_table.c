#include "userspace/control/listen_table.h"

#include <stdlib.h>
#include <unistd.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"
#include "userspace/net/listener.h"

bool listen_protocol_is_proxied(enum listener_protocol protocol)
{
	return protocol == LISTENER_HTTP || protocol == LISTENER_HTTPS ||
	       protocol == LISTENER_TLS_PASSTHROUGH || protocol == LISTENER_TCP_PROXY;
}

/* The protocol may differ: it is the listener index that gives connections their meaning. */
static const struct listen_place *place_find(const struct listen_table *table,
					     const struct addr *address)
{
	for (uint32_t i = 0; table && i < table->count; i++)
		if (addr_is(&table->places[i].address, address))
			return &table->places[i];
	return NULL;
}

static bool place_open(struct listen_place *place, const struct listen_options *options,
		       struct err *err)
{
	struct listener_socket_options socket = { .address = place->address,
						  .free_bind = options->free_bind,
						  .max_segment = options->max_segment };
	uint32_t opened = 0;

	if (!listener_socket_probe(&socket, err))
		return false;
	while (opened < options->workers)
		if (!listener_socket_open(&socket, &place->fds[opened++], err)) {
			opened--;
			goto close_opened;
		}
	return true;
close_opened:
	while (opened > 0)
		close(place->fds[--opened]);
	return false;
}

static bool place_add(struct listen_table *table, const struct listen_table *before,
		      const struct addr *address, const struct listener *listener,
		      const struct listen_options *options, struct err *err)
{
	struct listen_place *place = &table->places[table->count];
	const struct listen_place *old;

	if (table->count == STEERED_MAX)
		return err_set(err,
			       "more than %d addresses with ports are to be listened on; "
			       "take fewer addresses or listeners",
			       STEERED_MAX);
	place->address = *address;
	place->address.port = htons(listener->port);
	place->listener_index = listener->index;
	place->fds = must_alloc(options->workers * sizeof(int));
	old = place_find(before, &place->address);
	place->is_new = !old;
	for (uint32_t i = 0; old && i < options->workers; i++) {
		place->fds[i] = old->fds[i];
		if (options->max_segment)
			listener_socket_limit(place->fds[i], options->max_segment);
	}
	if (!old && !place_open(place, options, err)) {
		free(place->fds);
		return false;
	}
	table->count++;
	return true;
}

static bool vip_add(struct listen_table *table, const struct listen_table *before,
		    const struct vip *vip, const struct listen_options *options, struct err *err)
{
	for (uint32_t i = 0; i < vip->listener_count; i++) {
		const struct listener *listener = &vip->listeners[i];

		if (!listen_protocol_is_proxied(listener->protocol))
			continue;
		for (uint32_t k = 0; k < vip->address_count; k++)
			if (!place_add(table, before, &vip->addresses[k], listener, options, err))
				return false;
	}
	return true;
}

struct listen_table *listen_table_plan(const struct listen_table *before,
				       const struct snapshot *snapshot,
				       const struct listen_options *options, struct err *err)
{
	const struct model *model = snapshot->model;
	struct listen_table *table = must_alloc(sizeof(*table));

	table->workers = options->workers;
	table->places = must_alloc(STEERED_MAX * sizeof(*table->places));
	for (uint32_t i = 0; i < model->vip_count; i++)
		if (!vip_add(table, before, &model->vips[i], options, err)) {
			listen_table_abandon(table);
			return NULL;
		}
	return table;
}

void listen_table_abandon(struct listen_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		for (uint32_t w = 0; table->places[i].is_new && w < table->workers; w++)
			close(table->places[i].fds[w]);
	listen_table_free(table);
}

void listen_table_free(struct listen_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		free(table->places[i].fds);
	free(table->places);
	free(table);
}

void listen_table_sockets(const struct listen_table *table, uint32_t worker,
			  struct worker_socket *out_sockets)
{
	for (uint32_t i = 0; i < table->count; i++)
		out_sockets[i] = (struct worker_socket){
			.fd = table->places[i].fds[worker],
			.listener_index = table->places[i].listener_index,
		};
}
