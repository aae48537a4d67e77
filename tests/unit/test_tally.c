/* What all workers count together: found by name, bounded, and gone with the last who has it. */
#include <pthread.h>

#include "tests/harness/test.h"
#include "userspace/upstream/tally.h"

enum { THREADS = 4, TURNS = 20000, MOST = 3 };

TEST(a_name_leads_to_one_tally_as_long_as_anybody_has_it)
{
	struct tally *upstream = tally_take(1, NULL), *endpoint = tally_take(2, upstream);

	CHECK(endpoint != upstream);
	CHECK(endpoint->of == upstream);
	CHECK(tally_take(2, upstream) == endpoint);
	CHECK(tally_enter(&endpoint->active, 0));
	tally_give(upstream); /* its endpoint has it still */
	CHECK(tally_take(1, NULL) == upstream);
	tally_give(upstream);
	tally_give(tally_ref(endpoint));
	tally_give(endpoint);
	CHECK_INT(endpoint->active, 1);
	tally_leave(&endpoint->active);
	tally_give(endpoint);
	/* A new one knows nothing of what was before. */
	endpoint = tally_take(2, NULL);
	CHECK_INT(endpoint->active, 0);
	CHECK(endpoint->of == NULL);
	tally_give(endpoint);
	tally_give(NULL);
}

TEST(no_more_enter_than_may)
{
	struct tally *t = tally_take(3, NULL);

	for (int i = 0; i < MOST; i++)
		CHECK(tally_enter(&t->active, MOST));
	CHECK(!tally_enter(&t->active, MOST));
	CHECK_INT(t->active, MOST);
	tally_leave(&t->active);
	CHECK(tally_enter(&t->active, MOST));
	CHECK(tally_enter(&t->active, 0)); /* any */
	tally_give(t);
}

/* Of one worker: finds the tally anew each time, as snapshots do. */
static void *worker(void *context)
{
	atomic_uint *worst = context;

	for (int i = 0; i < TURNS; i++) {
		struct tally *of = tally_take(4, NULL), *t = tally_take(5, of);

		tally_give(of);
		if (tally_enter(&t->active, MOST)) {
			unsigned now = atomic_load(&t->connections) + 1;

			atomic_fetch_add(&t->connections, 1);
			if (now > atomic_load(worst))
				atomic_store(worst, now);
			atomic_fetch_sub(&t->connections, 1);
			tally_leave(&t->active);
		}
		tally_give(t);
	}
	return NULL;
}

TEST(workers_may_take_and_give_at_once)
{
	pthread_t threads[THREADS];
	atomic_uint worst = 0;

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, worker, &worst), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(worst >= 1);
	CHECK(worst <= MOST);
}
