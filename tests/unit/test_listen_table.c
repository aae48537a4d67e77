#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/listen_table.h"
#include "userspace/net/listener.h"

enum { WORKERS = 2, LISTENERS = 3 };

/* A snapshot of one vip on loopback; ports of 0 end the list. */
struct small {
	struct addr address;
	struct listener listeners[LISTENERS];
	struct vip vip;
	struct model model;
	struct snapshot snapshot;
};

static const struct listen_options options = { .workers = WORKERS };

static void small_fill(struct small *s, const uint16_t *ports, enum listener_protocol protocol)
{
	memset(s, 0, sizeof(*s));
	CHECK(addr_parse_ip(SPAN("127.0.0.1"), &s->address));
	s->vip = (struct vip){ .name = "web",
			       .addresses = &s->address,
			       .address_count = 1,
			       .listeners = s->listeners };
	for (uint32_t i = 0; i < LISTENERS && ports[i]; i++) {
		s->listeners[i] = (struct listener){
			.vip = &s->vip, .port = ports[i], .index = i, .protocol = protocol
		};
		s->vip.listener_count++;
	}
	s->model = (struct model){ .vips = &s->vip,
				   .vip_count = 1,
				   .listener_count = s->vip.listener_count };
	s->snapshot.model = &s->model;
}

/* A port that is free now: the kernel gave it to a socket that is closed again. */
static uint16_t port_free(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&any, &len) == 0);
	close(fd);
	return ntohs(any.sin_port);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void close_all(struct listen_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		for (uint32_t w = 0; w < WORKERS; w++)
			close(table->places[i].fds[w]);
	listen_table_free(table);
}

TEST(a_place_that_stays_keeps_its_sockets_and_gets_its_new_index)
{
	uint16_t stays = port_free(), comes = port_free();
	struct small before, after;
	struct listen_table *first, *second;
	struct worker_socket sockets[LISTENERS];
	struct err err;

	small_fill(&before, (uint16_t[LISTENERS]){ stays }, LISTENER_HTTP);
	small_fill(&after, (uint16_t[LISTENERS]){ comes, stays }, LISTENER_TCP_PROXY);
	first = listen_table_plan(NULL, &before.snapshot, &options, &err);
	CHECK(first != NULL);
	CHECK_INT(first->count, 1);
	second = listen_table_plan(first, &after.snapshot, &options, &err);
	CHECK(second != NULL);
	CHECK_INT(second->count, 2);
	listen_table_sockets(second, 1, sockets);
	CHECK_INT(sockets[1].fd, first->places[0].fds[1]);
	CHECK_INT(sockets[1].listener_index, 1);
	CHECK(second->places[0].is_new && !second->places[1].is_new);
	listen_table_free(first);
	close_all(second);
}

TEST(a_plan_that_fails_closes_only_what_it_opened)
{
	uint16_t stays = port_free(), taken = port_free();
	struct listener_socket_options other = { .max_segment = 0 };
	struct small before, after;
	struct listen_table *first;
	int foreign;
	struct err err = { "" };

	small_fill(&before, (uint16_t[LISTENERS]){ stays }, LISTENER_HTTP);
	small_fill(&after, (uint16_t[LISTENERS]){ stays, taken }, LISTENER_HTTP);
	other.address = before.address;
	other.address.port = htons(taken);
	CHECK(listener_socket_open(&other, &foreign, &err));
	first = listen_table_plan(NULL, &before.snapshot, &options, &err);
	CHECK(first != NULL);
	CHECK(listen_table_plan(first, &after.snapshot, &options, &err) == NULL);
	CHECK(strstr(err.text, "another process does") != NULL);
	CHECK(is_open(first->places[0].fds[0]) && is_open(first->places[0].fds[1]));
	close(foreign);
	close_all(first);
}

TEST(a_plan_that_is_abandoned_leaves_the_old_sockets_open)
{
	uint16_t stays = port_free(), comes = port_free();
	struct small before, after;
	struct listen_table *first, *second;
	int fresh;
	struct err err;

	small_fill(&before, (uint16_t[LISTENERS]){ stays }, LISTENER_HTTP);
	small_fill(&after, (uint16_t[LISTENERS]){ stays, comes }, LISTENER_HTTP);
	first = listen_table_plan(NULL, &before.snapshot, &options, &err);
	second = listen_table_plan(first, &after.snapshot, &options, &err);
	CHECK(first && second);
	fresh = second->places[1].fds[0];
	listen_table_abandon(second);
	CHECK(!is_open(fresh));
	CHECK(is_open(first->places[0].fds[0]));
	close_all(first);
}

TEST(what_the_kernel_forwards_is_not_listened_on)
{
	struct small l4;
	struct listen_table *table;
	struct err err;

	small_fill(&l4, (uint16_t[LISTENERS]){ 80, 81 }, LISTENER_UDP);
	table = listen_table_plan(NULL, &l4.snapshot, &options, &err);
	CHECK(table != NULL);
	CHECK_INT(table->count, 0);
	listen_table_free(table);
}

/* The worker whose socket i is. */
static uint32_t owner(const struct listen_table *table, uint32_t i)
{
	return i % table->workers;
}

TEST(when_workers_come_and_go_no_queue_is_closed_and_no_number_has_two_owners)
{
	static const struct {
		const char *name;
		uint32_t before, after, sockets, moved;
	} rows[] = {
		{ "more", 2, 4, 4, 0 },
		{ "fewer", 4, 2, 4, 2 },
		{ "only one is left", 4, 1, 4, 3 },
		{ "as many", 3, 3, 3, 0 },
		{ "one more", 3, 4, 4, 0 },
	};

	FOR_ROWS (row, rows) {
		struct listen_options first_options = { .workers = row->before };
		struct listen_options then = { .workers = row->after };
		struct listen_table *first, *second;
		struct small s;
		uint32_t moved = 0;
		struct err err;

		small_fill(&s, (uint16_t[LISTENERS]){ port_free() }, LISTENER_HTTP);
		first = listen_table_plan(NULL, &s.snapshot, &first_options, &err);
		CHECK(first != NULL);
		second = listen_table_plan(first, &s.snapshot, &then, &err);
		CHECK(second != NULL);
		CHECK_INT(second->places[0].fd_count, row->sockets);
		for (uint32_t i = 0; i < row->before; i++) {
			bool same = first->places[0].fds[i] == second->places[0].fds[i];

			CHECK(is_open(first->places[0].fds[i]) &&
			      is_open(second->places[0].fds[i]));
			CHECK_INT(same, owner(first, i) == owner(second, i));
			moved += !same;
		}
		CHECK_INT(moved, row->moved);
		listen_table_abandon(second);
		for (uint32_t i = 0; i < row->before; i++) {
			CHECK(is_open(first->places[0].fds[i]));
			close(first->places[0].fds[i]);
		}
		listen_table_free(first);
	}
}

TEST(while_another_process_accepts_no_socket_is_opened_beside_its_own)
{
	struct listen_options more = { .workers = 4, .share = true };
	struct listen_table *first, *second;
	struct small s;
	struct err err;
	int fd;

	small_fill(&s, (uint16_t[LISTENERS]){ port_free() }, LISTENER_HTTP);
	first = listen_table_plan(NULL, &s.snapshot, &options, &err);
	CHECK(first != NULL);
	second = listen_table_plan(first, &s.snapshot, &more, &err);
	CHECK(second != NULL);
	CHECK_INT(second->places[0].fd_count, 4);
	for (uint32_t i = 0; i < 4; i++) { /* the same socket has the same cookie */
		uint64_t ours = 1, theirs = 2;
		socklen_t len = sizeof(ours);

		fd = second->places[0].fds[i];
		CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &ours, &len) == 0);
		fd = first->places[0].fds[i % WORKERS];
		CHECK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &theirs, &len) == 0);
		CHECK(ours == theirs);
	}
	listen_table_abandon(second);
	close_all(first);
}
