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

static void place_make_room(struct listen_place *place, uint32_t count)
{
	place->fds = must_alloc(count * sizeof(*place->fds));
	place->opened = must_alloc(count * sizeof(*place->opened));
}

static void place_free(struct listen_place *place)
{
	free(place->fds);
	free(place->opened);
}

static void place_close_opened(struct listen_place *place)
{
	for (uint32_t i = 0; i < place->fd_count; i++)
		if (place->opened[i])
			close(place->fds[i]);
}

static bool place_open(struct listen_place *place, const struct listen_options *options,
		       struct err *err)
{
	struct listener_socket_options socket = socket_options(place, options);
	uint32_t opened = 0;

	place_make_room(place, options->workers);
	place->fd_count = options->workers;
	if (!listener_socket_probe(&socket, err))
		goto free_fds;
	for (; opened < options->workers; opened++) {
		if (!listener_socket_open(&socket, &place->fds[opened], err))
			goto close_opened;
		place->opened[opened] = true;
	}
	return true;
close_opened:
	while (opened > 0)
		close(place->fds[--opened]);
free_fds:
	place_free(place);
	return false;
}

/*
 * The next socket of a place that stays. What is there stays; one that moves to another worker gets
 * another number, as its first owner closes the old one. Workers beyond get a socket of their own,
 * or share one: where the kernel lets only the user join who made the others (SO_REUSEPORT), and
 * while another process accepts there, since what the kernel puts into the queue of our own socket
 * were lost if we failed.
 */
static bool keep_next(struct listen_place *place, const struct listen_place *old, bool moves,
		      const struct listen_options *options, struct err *err)
{
	struct listener_socket_options socket = socket_options(place, options);
	uint32_t i = place->fd_count;
	bool is_there = i < old->fd_count;

	place->opened[i] = !is_there || moves;
	if (is_there && !moves)
		place->fds[i] = old->fds[i];
	else if (is_there || options->share || !listener_socket_open(&socket, &place->fds[i], NULL))
		place->fds[i] = fcntl(old->fds[i % old->fd_count], F_DUPFD_CLOEXEC, 0);
	if (place->fds[i] < 0)
		return err_sys(err, "cannot share the socket of %s",
			       addr_print(&place->address).text);
	if (is_there && options->max_segment)
		listener_socket_limit(place->fds[i], options->max_segment);
	place->fd_count++;
	return true;
}

static bool place_keep(struct listen_place *place, const struct listen_place *old, uint32_t workers,
		       const struct listen_options *options, struct err *err)
{
	uint32_t count = old->fd_count > options->workers ? old->fd_count : options->workers;

	place_make_room(place, count);
	while (place->fd_count < count) {
		uint32_t i = place->fd_count;
		bool moves = !options->share && i % workers != i % options->workers;

		if (!keep_next(place, old, moves, options, err)) {
			place_close_opened(place);
			place_free(place);
			return false;
		}
	}
	return true;
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
	if (old ? !place_keep(place, old, before->workers, options, err)
		: !place_open(place, options, err))
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
		place_close_opened(&table->places[i]);
	listen_table_free(table);
}

void listen_table_free(struct listen_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		place_free(&table->places[i]);
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
