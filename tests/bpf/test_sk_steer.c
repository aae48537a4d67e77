/* Which listener socket a connection to a vip gets, through the verified sk_steer. */
#include "tests/harness/maps.h"
#include "tests/harness/socket_pair.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"
#include "sk_steer.skel.h"

#define VIP    "203.0.113.10"
#define VIP6   "2001:db8:53:54:55:56:57:10" /* no two words are the same */
#define OTHER  "203.0.113.11"
#define OTHER6 "2001:db8:53:54:95:56:57:10" /* only the third word is another one */

enum { WORKERS = 3, ROW = 2, ROW6 = 4, CONNECTIONS = 60, LISTENERS_PORT = 7000 };

static struct sk_steer *steer;
static struct maps *maps;
static int sockets[WORKERS], sockets6[WORKERS];

static void set(struct bpf_map *map, const void *key, const void *value)
{
	CHECK_INT(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void put_vip(const char *address, uint16_t port, uint32_t kind, uint32_t row)
{
	struct vip_key key = { .port = htons(port), .proto = IPPROTO_TCP };

	if (strchr(address, ':')) {
		inet_pton(AF_INET6, address, key.addr);
	} else {
		key.addr[2] = htonl(0xffff);
		inet_pton(AF_INET, address, &key.addr[3]);
	}
	maps_vip(maps, &key, kind, row);
	maps_commit(maps);
}

static void put_socket(uint32_t row, uint32_t worker, int fd)
{
	uint32_t key = row * WORKERS_MAX + worker;
	uint64_t value = (uint64_t)fd;

	set(steer->maps.shunt_listeners, &key, &value);
}

static void put_workers(uint32_t workers)
{
	struct settings s = { .hash_seed = 7, .abi_version = ABI_VERSION, .workers = workers };

	maps_settings(maps, &s);
}

/*
 * On other addresses and ports than the vips: only steering brings connections there. All on one
 * port, as the workers' are, which the kernel would deal out by a hash of its own.
 */
static void listen_all(void)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		sockets[i] = socket_listen("127.0.0.1", LISTENERS_PORT);
		sockets6[i] = socket_listen("::1", LISTENERS_PORT);
		put_socket(ROW, i, sockets[i]);
		put_socket(ROW6, i, sockets6[i]);
	}
}

static bool setup(void)
{
	struct bpf_map *map;
	int ns;

	if (steer)
		return true;
	if (!socket_namespace())
		return false;
	steer = sk_steer__open();
	bpf_object__for_each_map(map, steer->obj)
	{
		bpf_map__set_pin_path(map, NULL);
	}
	CHECK_INT(sk_steer__load(steer), 0);
	maps = maps_open(steer->maps.shunt_settings, steer->maps.shunt_addrs,
			 steer->maps.shunt_vips, NULL, NULL);
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(bpf_link_create(bpf_program__fd(steer->progs.sk_steer), ns, BPF_SK_LOOKUP, NULL) >=
	      0);
	close(ns);
	socket_local_route(VIP);
	socket_local_route(VIP6);
	socket_local_route(OTHER);
	socket_local_route(OTHER6);
	listen_all();
	put_vip(VIP, 80, VIP_L7, ROW);
	put_vip(VIP6, 80, VIP_L7, ROW6);
	put_vip(VIP, 53, VIP_L4, ROW);
	return true;
}

#define NEED_STEER                                                                                 \
	do {                                                                                       \
		if (!setup())                                                                      \
			TEST_SKIP("loading BPF programs needs root");                              \
		put_workers(WORKERS);                                                              \
	} while (0)

/* Index of the listener that has a connection, which is accepted and closed; -1: none. */
static int who_got(const int fds[WORKERS])
{
	struct pollfd polled[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (poll(polled, WORKERS, 90000) < 1)
		return -1;
	for (int i = 0; i < WORKERS; i++)
		if (polled[i].revents & POLLIN) {
			close(accept4(fds[i], NULL, NULL, SOCK_CLOEXEC));
			return i;
		}
	return -1;
}

static void count(const char *vip, const int fds[WORKERS], uint32_t out_counts[WORKERS])
{
	memset(out_counts, 0, WORKERS * sizeof(out_counts[0]));
	for (int i = 0; i < CONNECTIONS; i++) {
		int who, fd = socket_connect(vip, 80);

		CHECK(fd >= 0);
		who = who_got(fds);
		CHECK(who >= 0);
		out_counts[who]++;
		close(fd);
	}
}

TEST(connections_to_a_vip_are_spread_over_the_workers)
{
	uint32_t counts[WORKERS];

	NEED_STEER;
	count(VIP, sockets, counts);
	/* 60 over 3: fewer than 5 at one of them has odds below one in a million. */
	for (int i = 0; i < WORKERS; i++)
		CHECK(counts[i] >= 5);
	count(VIP6, sockets6, counts);
	for (int i = 0; i < WORKERS; i++)
		CHECK(counts[i] >= 5);
}

TEST(only_workers_that_there_are_get_connections)
{
	uint32_t counts[WORKERS];

	NEED_STEER;
	put_workers(1);
	count(VIP, sockets, counts);
	CHECK_INT(counts[0], CONNECTIONS);
}

TEST(a_worker_without_socket_is_passed_over)
{
	NEED_STEER;
	for (uint32_t missing = 0; missing < WORKERS; missing++) {
		uint32_t counts[WORKERS], key = ROW * WORKERS_MAX + missing;

		CHECK_INT(bpf_map_delete_elem(bpf_map__fd(steer->maps.shunt_listeners), &key), 0);
		count(VIP, sockets, counts); /* all 60 arrive */
		put_socket(ROW, missing, sockets[missing]);
		CHECK_INT(counts[missing], 0);
	}
}

TEST(what_is_no_vip_of_the_proxy_goes_its_usual_way)
{
	static const struct {
		const char *name, *address;
		uint16_t port;
	} rows[] = {
		{ "another port of the vip", VIP, 81 }, { "another address", OTHER, 80 },
		{ "another port, IPv6", VIP6, 81 },     { "another address, IPv6", OTHER6, 80 },
		{ "a packet listener", VIP, 53 },
	};

	NEED_STEER;
	FOR_ROWS (row, rows) {
		int listener, fd = socket_connect(row->address, row->port);

		CHECK_INT(fd, -1);
		CHECK_INT(errno, ECONNREFUSED);
		listener = socket_listen(row->address, row->port); /* an ordinary one */
		fd = socket_connect(row->address, row->port);
		CHECK(fd >= 0);
		close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		close(fd);
		close(listener);
	}
}

TEST(without_any_socket_the_stack_decides)
{
	NEED_STEER;
	put_vip(VIP, 82, VIP_L7, 9); /* an empty row */
	CHECK_INT(socket_connect(VIP, 82), -1);
	CHECK_INT(errno, ECONNREFUSED);
	put_workers(0);
	CHECK_INT(socket_connect(VIP, 80), -1);
	put_workers(WORKERS_MAX + 1);
	CHECK_INT(socket_connect(VIP, 80), -1);
}
