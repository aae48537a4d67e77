#include "userspace/control/listen_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static struct listener_socket_options socket_options(const struct listen_place *place,
						     const struct listen_options *options)
{
	return (struct listener_socket_options){ .address = place->address,
						 .free_bind = options->free_bind,
						 .max_segment = options->max_segment };
}

static bool place_open(struct listen_place *place, const struct listen_options *options,
		       struct err *err)
{
	struct listener_socket_options socket = socket_options(place, options);
	uint32_t opened = 0;

	place->fds = must_alloc(options->workers * sizeof(int));
	place->fd_count = options->workers;
	if (!listener_socket_probe(&socket, err))
		goto free_fds;
	while (opened < options->workers)
		if (!listener_socket_open(&socket, &place->fds[opened++], err)) {
			opened--;
			goto close_opened;
		}
	return true;
close_opened:
	while (opened > 0)
		close(place->fds[--opened]);
free_fds:
	free(place->fds);
	return false;
}

/*
 * What is there stays. Workers beyond that get a socket of their own, or share one: where the
 * kernel lets only the user join who made the others (SO_REUSEPORT), and while another process
 * accepts there, since what the kernel puts into the queue of our own socket were lost if we
 * failed.
 */
static bool place_keep(struct listen_place *place, const struct listen_place *old,
		       const struct listen_options *options, struct err *err)
{
	struct listener_socket_options socket = socket_options(place, options);
	uint32_t count = old->fd_count > options->workers ? old->fd_count : options->workers;

	place->fds = must_alloc(count * sizeof(int));
	place->fds_before = old->fd_count;
	for (; place->fd_count < count; place->fd_count++) {
		uint32_t i = place->fd_count;

		if (i < old->fd_count) {
			place->fds[i] = old->fds[i];
			if (options->max_segment)
				listener_socket_limit(place->fds[i], options->max_segment);
			continue;
		}
		if (!options->share && listener_socket_open(&socket, &place->fds[i], NULL))
			continue;
		place->fds[i] = fcntl(old->fds[i % old->fd_count], F_DUPFD_CLOEXEC, 0);
		if (place->fds[i] < 0) {
			err_sys(err, "cannot share the socket of %s",
				addr_print(&place->address).text);
			goto close_new;
		}
	}
	return true;
close_new:
	while (place->fd_count > place->fds_before)
		close(place->fds[--place->fd_count]);
	free(place->fds);
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
	*place = (struct listen_place){ .address = *address, .listener_index = listener->index };
	place->address.port = htons(listener->port);
	old = place_find(before, &place->address);
	place->is_new = !old;
	if (old ? !place_keep(place, old, options, err) : !place_open(place, options, err))
		return false;
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

struct listen_table *listen_table_create(uint32_t workers)
{
	struct listen_table *table = must_alloc(sizeof(*table));

	table->workers = workers;
	table->places = must_alloc(STEERED_MAX * sizeof(*table->places));
	return table;
}

struct listen_table *listen_table_plan(const struct listen_table *before,
				       const struct snapshot *snapshot,
				       const struct listen_options *options, struct err *err)
{
	const struct model *model = snapshot->model;
	struct listen_table *table = listen_table_create(options->workers);

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
		for (uint32_t k = table->places[i].fds_before; k < table->places[i].fd_count; k++)
			close(table->places[i].fds[k]);
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

bool listen_table_has(const struct listen_table *table, const struct addr *address)
{
	return place_find(table, address) != NULL;
}

bool listen_table_inherit(struct listen_table *table, const struct addr *address, const int *fds,
			  uint32_t fd_count)
{
	struct listen_place *place = &table->places[table->count];

	if (table->count == STEERED_MAX || fd_count == 0 || place_find(table, address))
		return false;
	*place = (struct listen_place){ .address = *address, .fd_count = fd_count };
	place->fds = must_alloc(fd_count * sizeof(int));
	memcpy(place->fds, fds, fd_count * sizeof(int));
	table->count++;
	return true;
}

void listen_table_close_missing(const struct listen_table *table, const struct listen_table *next)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct listen_place *place = &table->places[i];

		for (uint32_t k = 0; k < place->fd_count && !place_find(next, &place->address); k++)
			close(place->fds[k]);
	}
}

uint32_t listen_table_fds(const struct listen_table *table)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < table->count; i++)
		all += table->places[i].fd_count;
	return all;
}

uint32_t listen_table_sockets(const struct listen_table *table, uint32_t worker,
			      struct worker_socket *out_sockets)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct listen_place *place = &table->places[i];

		for (uint32_t k = worker; k < place->fd_count; k += table->workers)
			out_sockets[count++] = (struct worker_socket){
				.fd = place->fds[k],
				.listener_index = place->listener_index,
			};
	}
	return count;
}
