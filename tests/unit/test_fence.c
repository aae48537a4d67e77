/* Tickets of grace periods: handed out in order, and past in order. */
#include <pthread.h>
#include <sched.h>

#include "tests/harness/test.h"
#include "userspace/base/clock.h"
#include "userspace/splice/fence.h"

enum { LIMIT_MS = 90000, TICKETS = 20, THREADS = 4 };

static void wait_past(struct fence *f, uint64_t ticket)
{
	uint64_t end = clock_monotonic_ms() + LIMIT_MS;

	while (!fence_is_past(f, ticket)) {
		CHECK(clock_monotonic_ms() < end);
		sched_yield();
	}
}

TEST(a_ticket_is_past_in_the_end_and_stays_so)
{
	struct fence *f = fence_create();
	uint64_t last = 0;

	for (int i = 0; i < TICKETS; i++) {
		uint64_t ticket = fence_request(f);

		CHECK(ticket > 0);
		CHECK(ticket > last); /* all before it are past, so none of them will do */
		wait_past(f, ticket);
		CHECK(last == 0 || fence_is_past(f, last));
		last = ticket;
	}
	CHECK(!fence_is_past(f, last + 1)); /* nobody asked for it */
	fence_destroy(f);
}

/* A period that runs already may have looked at a processor before the request. */
TEST(requests_in_a_row_never_share_a_period_that_has_begun)
{
	struct fence *f = fence_create();
	uint64_t tickets[TICKETS];

	for (int i = 0; i < TICKETS; i++) {
		bool idle = i == 0 || fence_is_past(f, tickets[i - 1]);

		tickets[i] = fence_request(f);
		CHECK(i == 0 || tickets[i] >= tickets[i - 1]);
		CHECK(i == 0 || !idle || tickets[i] > tickets[i - 1]);
		CHECK(i == 0 || tickets[i] <= tickets[i - 1] + 1); /* shared, not queued */
	}
	wait_past(f, tickets[TICKETS - 1]);
	for (int i = 0; i < TICKETS; i++)
		CHECK(fence_is_past(f, tickets[i]));
	fence_destroy(f);
}

/* Seen as soon as a request comes while the period of the one before it runs. */
TEST(a_request_during_a_period_waits_for_the_next_one)
{
	uint64_t end = clock_monotonic_ms() + LIMIT_MS;
	struct fence *f = fence_create();
	bool seen = false;

	while (!seen && clock_monotonic_ms() < end) {
		uint64_t first = fence_request(f);

		while (!seen && !fence_is_past(f, first))
			seen = fence_request(f) > first && !fence_is_past(f, first);
	}
	CHECK(seen);
	fence_destroy(f);
}

struct asker {
	struct fence *fence;
	uint64_t last;
};

static void *ask(void *context)
{
	struct asker *asker = context;

	for (int i = 0; i < TICKETS; i++) {
		asker->last = fence_request(asker->fence);
		sched_yield();
	}
	return NULL;
}

TEST(any_thread_may_ask)
{
	struct fence *f = fence_create();
	struct asker askers[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){ .fence = f };
		CHECK_INT(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		wait_past(f, askers[i].last);
	}
	fence_destroy(f);
}

TEST(a_fence_ends_while_somebody_still_waits)
{
	struct fence *f = fence_create();

	fence_request(f);
	fence_destroy(f);
	fence_destroy(NULL);
}
