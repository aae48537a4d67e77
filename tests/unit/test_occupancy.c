#include <pthread.h>

#include "tests/harness/test.h"
#include "userspace/proxy/occupancy.h"

enum { THREADS = 4, TURNS = 20000 };

static struct vip web = { .name = "web" }, other = { .name = "other" };

TEST(listeners_are_counted_by_who_they_are_whatever_snapshot_they_are_of)
{
	struct listener before = { .vip = &web, .port = 80, .protocol = LISTENER_HTTP };
	struct listener after = before, port = before, protocol = before, vip = before;

	port.port = 81;
	protocol.protocol = LISTENER_HTTPS;
	vip.vip = &other;
	occupancy_enter(&before);
	occupancy_enter(&after);
	CHECK_INT(occupancy_of_listener(&before), 2);
	CHECK_INT(occupancy_of_listener(&port), 0);
	CHECK_INT(occupancy_of_listener(&protocol), 0);
	CHECK_INT(occupancy_of_listener(&vip), 0);
	occupancy_enter(&vip);
	CHECK_INT(occupancy_of_process(), 3);
	occupancy_leave(&after);
	occupancy_leave(&after);
	occupancy_leave(&vip);
	CHECK_INT(occupancy_of_listener(&before), 0);
	CHECK_INT(occupancy_of_process(), 0);
}

/* Sixteen times as many as there are places: they share, and nothing is lost. */
TEST(more_listeners_than_there_are_places_share_them)
{
	for (uint32_t i = 0; i < 65535; i++) {
		struct listener l = { .vip = &web, .port = (uint16_t)i };

		occupancy_enter(&l);
		CHECK(occupancy_of_listener(&l) >= 1);
	}
	CHECK_INT(occupancy_of_process(), 65535);
	for (uint32_t i = 0; i < 65535; i++)
		occupancy_leave(&(struct listener){ .vip = &web, .port = (uint16_t)i });
	CHECK_INT(occupancy_of_process(), 0);
}

static void *come_and_go(void *context)
{
	for (uint32_t i = 0; i < TURNS; i++) {
		struct listener l = { .vip = context, .port = (uint16_t)(i % 7) };

		occupancy_enter(&l);
		occupancy_leave(&l);
	}
	return NULL;
}

TEST(workers_count_together)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, come_and_go, &web), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(occupancy_of_process(), 0);
}
