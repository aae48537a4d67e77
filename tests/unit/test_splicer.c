/* What the control thread does to elements: of splices that are exported, and of shared rates. */
#define grace_wait made_up_grace
#include "userspace/splice/splicer_move.c"

#include "tests/harness/test.h"
#include "userspace/base/clock.h"

enum { ELEMENTS = 8, BUCKETS = 64 };

#define SECOND_NS 1000000000ull

static struct splice elements[ELEMENTS];
static struct slot slots[ELEMENTS];
static struct flow_bucket flows[BUCKETS];
static const __u64 seed = 7;
static struct splicer splicer;
static uint32_t events_in_between;

void made_up_grace(void)
{
	elements[0].events |= events_in_between;
}

/* One splice, the control thread's. */
static void set_up(void)
{
	memset(elements, 0, sizeof(elements));
	memset(slots, 0, sizeof(slots));
	memset(flows, 0, sizeof(flows));
	splicer = (struct splicer){
		.maps = { .splices = elements,
			  .count = ELEMENTS,
			  .flows = { flows, BUCKETS, &seed } },
		.first_free = SLOT_NONE,
		.slots = slots,
		.used_end = 1,
		.now_ms = 1000,
	};
	pthread_mutex_init(&splicer.lock, NULL);
	pthread_mutex_init(&splicer.rates_lock, NULL);
	rates_adopt(&splicer, 0);
	elements[0].state = SPLICE_SPLICED;
	slot_to_control(&splicer, 0);
	events_in_between = 0;
}

TEST(a_syn_of_before_the_export_frees_nothing_that_was_exported)
{
	const struct splice_choice all = { NULL, NULL, NULL };
	struct splice_moving moving;

	set_up();
	events_in_between = SPLICE_REUSED;
	CHECK(splicer_freeze(&splicer, &all, &moving));
	CHECK_INT(moving.moved, 1);
	splicer_sweep(&splicer, 2000, 60000);
	CHECK_INT(elements[0].state, SPLICE_MOVED);
	CHECK_INT(elements[0].events, 0);
	splicer_resume(&splicer, &all, &moving);
	CHECK_INT(moving.moved, 1);
	splicer_sweep(&splicer, 3000, 60000);
	CHECK_INT(elements[0].state, SPLICE_SPLICED);
}

TEST(what_ends_while_it_is_exported_is_not_moved)
{
	static const struct {
		const char *name;
		uint32_t events, moved, ended, state;
	} rows[] = {
		{ "nothing happens", 0, 1, 0, SPLICE_MOVED },
		{ "both ends finish", SPLICE_ENDED, 0, 1, SPLICE_CLOSED },
		{ "one resets", SPLICE_RESET, 0, 1, SPLICE_CLOSED },
		{ "its socket's bytes were acknowledged before", SPLICE_DRAINED, 1, 0,
		  SPLICE_MOVED },
	};

	FOR_ROWS (row, rows) {
		const struct splice_choice all = { NULL, NULL, NULL };
		struct splice_moving moving;

		set_up();
		events_in_between = row->events;
		CHECK(splicer_freeze(&splicer, &all, &moving));
		CHECK_INT(moving.moved, row->moved);
		CHECK_INT(moving.ended, row->ended);
		CHECK_INT(elements[0].state, row->state);
		CHECK_INT(splicer.endings[SPLICE_ENDING_DONE] +
				  splicer.endings[SPLICE_ENDING_RESET],
			  row->ended);
	}
}

TEST(what_is_owed_at_a_lower_rate_does_not_hold_back_at_a_higher_one)
{
	static const struct {
		const char *name;
		uint64_t rate, rate_then;
		bool less;
	} rows[] = {
		{ "higher", 4096, 1 << 20, true },
		{ "the same", 4096, 4096, false },
		{ "lower", 8192, 4096, false },
	};

	FOR_ROWS (row, rows) {
		struct splice_rate rate = { .owner = 1, .all = row->rate };
		struct addr client = { .port = 1 };
		uint64_t due = clock_ns(CLOCK_MONOTONIC) + 15 * SECOND_NS;
		const struct bucket *b;

		set_up();
		rate_take(&splicer, 0, &rate, &client);
		CHECK_INT(elements[0].pays[0], 2);
		b = &elements[1].bucket;
		elements[1].bucket.due[0] = elements[1].bucket.due[1] = due;
		rate.all = row->rate_then;
		rate_give(&splicer, 0);
		rate_take(&splicer, 0, &rate, &client);
		CHECK_INT(elements[0].pays[0], 2);
		CHECK_INT(b->kib_ns, 1024 * 1000000000ull / row->rate_then);
		for (int dir = 0; dir < 2; dir++) {
			CHECK_INT(b->due[dir] < due, row->less);
			if (row->less)
				CHECK(b->due[dir] <= clock_ns(CLOCK_MONOTONIC) + b->ahead_ns);
		}
		rate_give(&splicer, 0);
	}
}
