/* Rings: what a change keeps, when the past is forgotten, and whose lines are whose. */
#include <stdlib.h>

#include "bpf/abi/sizes.h"
#include "tests/harness/test.h"
#include "userspace/dataplane/ring_store.h"

enum { A = 1, B = 2, C = 3, SLOTS = 7, T = 1000 };

static struct ring_line lines[RING_LINES_MAX];
static struct ring_store *store;
static struct ring_place place;

static void fresh(void)
{
	ring_store_destroy(store);
	memset(lines, 0, sizeof(lines));
	store = ring_store_create(lines, RING_LINES_MAX);
}

static void set_at(uint32_t index, const uint32_t *ids, uint32_t slots, uint32_t now_s)
{
	struct err err;

	CHECK(ring_store_set(store, index, ids, slots, now_s, &place, &err));
}

/* Ring 0: all slots have one endpoint, but the first. */
static void set(uint32_t first, uint32_t rest, uint32_t now_s)
{
	uint32_t ids[SLOTS] = { first, rest, rest, rest, rest, rest, rest };

	set_at(0, ids, SLOTS, now_s);
	ring_store_retire(store);
}

static uint32_t slot(uint32_t first, uint32_t i)
{
	return lines[first + i / RING_LINE].slots[i % RING_LINE];
}

static void check_first(uint32_t now, uint32_t before)
{
	CHECK_INT(slot(place.ring, 0), now);
	CHECK_INT(slot(place.before, 0), before);
}

/* A hash in this slot of SLOTS. */
static uint64_t hash_in(uint32_t i)
{
	return (((uint64_t)i << 32) / SLOTS + 1) << 32;
}

/* The time after which what was before is forgotten, and a pass that shows nobody who needs it. */
static void settle(uint32_t changed_s)
{
	ring_store_settle(store, changed_s + RING_SETTLE_S);
	ring_store_settle(store, changed_s + RING_SETTLE_S);
}

TEST(a_first_ring_has_no_past)
{
	fresh();
	set(A, A, T);
	for (uint32_t i = 0; i < SLOTS; i++) {
		CHECK_INT(slot(place.ring, i), A);
		CHECK_INT(slot(place.before, i), A);
	}
	CHECK_INT(place.slots, SLOTS);
	CHECK_INT(ring_store_unsettled(store, 0), 0);
	CHECK_INT(ring_store_changed_s(store, 0), 0);
}

TEST(a_slot_that_changes_is_marked_and_keeps_what_was_before)
{
	fresh();
	set(A, A, T);
	set(B, A, T + 1);
	check_first(B | RING_CHANGED, A);
	for (uint32_t i = 1; i < SLOTS; i++) {
		CHECK_INT(slot(place.ring, i), A);
		CHECK_INT(slot(place.before, i), A);
	}
	CHECK_INT(ring_store_unsettled(store, 0), 1);
	CHECK_INT(ring_store_changed_s(store, 0), T + 1);
}

TEST(what_was_before_is_what_a_connection_that_nobody_knows_may_have)
{
	static const struct {
		const char *name;
		uint32_t second, third;
		bool settled; /* between the two changes */
		uint32_t now, before;
	} rows[] = {
		{ "there and on: who came between is known", B, C, false, C, A },
		{ "there and back", B, A, false, A, A },
		{ "there, a long time, and on", B, C, true, C, B },
		{ "there, a long time, and back", B, A, true, A, B },
	};

	FOR_ROWS (row, rows) {
		fresh();
		set(A, A, T);
		set(row->second, A, T + 1);
		if (row->settled)
			settle(T + 1);
		set(row->third, A, T + 100000);
		check_first(row->now | RING_CHANGED, row->before);
	}
}

TEST(the_past_is_forgotten_when_it_has_settled_and_the_mark_goes_a_pass_later)
{
	fresh();
	set(A, A, T);
	set(B, A, T);
	ring_store_settle(store, T + RING_SETTLE_S - 1);
	check_first(B | RING_CHANGED, A);
	ring_store_settle(store, T + RING_SETTLE_S);
	check_first(B | RING_CHANGED, B);
	ring_store_settle(store, T + RING_SETTLE_S);
	check_first(B, B);
	CHECK_INT(ring_store_unsettled(store, 0), 0);
}

TEST(a_second_change_begins_the_time_anew)
{
	fresh();
	set(A, A, T);
	set(B, A, T);
	set(C, A, T + 100);
	ring_store_settle(store, T + RING_SETTLE_S);
	check_first(C | RING_CHANGED, A);
	ring_store_settle(store, T + 100 + RING_SETTLE_S);
	check_first(C | RING_CHANGED, C);
}

TEST(a_change_elsewhere_leaves_a_slot_its_past_and_its_time)
{
	fresh();
	set(A, A, T);
	set(B, A, T);
	set(B, C, T + 100);
	check_first(B | RING_CHANGED, A);
	ring_store_settle(store, T + RING_SETTLE_S);
	check_first(B | RING_CHANGED, B);
	CHECK_INT(slot(place.before, 1), A);
	CHECK_INT(ring_store_unsettled(store, 0), SLOTS);
}

TEST(the_mark_stays_while_a_known_connection_has_another_endpoint)
{
	fresh();
	set(A, A, T);
	set(B, A, T);
	ring_store_settle(store, T + RING_SETTLE_S);
	for (uint32_t pass = 0; pass < 3; pass++) {
		CHECK(ring_store_keeps(store, 0, hash_in(0), A));
		ring_store_settle(store, T + RING_SETTLE_S + pass);
		check_first(B | RING_CHANGED, B);
	}
	ring_store_settle(store, T + RING_SETTLE_S + 3); /* none was shown */
	check_first(B, B);
}

TEST(a_connection_stays_known_as_long_as_the_ring_would_say_otherwise)
{
	fresh();
	CHECK(!ring_store_keeps(store, 0, hash_in(0), A)); /* there is no ring */
	set(A, A, T);
	CHECK(!ring_store_keeps(store, 0, hash_in(0), A));
	set(B, A, T);
	CHECK(ring_store_keeps(store, 0, hash_in(0), A));
	CHECK(ring_store_keeps(store, 0, hash_in(0), B)); /* unknown, it would go to A */
	CHECK(!ring_store_keeps(store, 0, hash_in(1), A));
	ring_store_settle(store, T + RING_SETTLE_S);
	CHECK(ring_store_keeps(store, 0, hash_in(0), A));
	CHECK(!ring_store_keeps(store, 0, hash_in(0), B));
}

TEST(the_same_ring_again_changes_no_line)
{
	struct ring_place first;

	fresh();
	set(A, A, T);
	set(B, A, T);
	first = place;
	set(B, A, T + 50);
	CHECK_INT(place.ring, first.ring);
	CHECK_INT(place.before, first.before);
	CHECK_INT(ring_store_changed_s(store, 0), T);
}

TEST(another_number_of_slots_knows_nothing_of_the_time_before)
{
	uint32_t ids[11] = { B, A, A, A, A, A, A, A, A, A, C };

	fresh();
	set(A, A, T);
	set(B, A, T);
	set_at(0, ids, 11, T + 1);
	CHECK_INT(place.slots, 11);
	CHECK_INT(ring_store_unsettled(store, 0), 0);
	for (uint32_t i = 0; i < 11; i++) {
		CHECK_INT(slot(place.ring, i), ids[i]);
		CHECK_INT(slot(place.before, i), ids[i]);
	}
}

TEST(an_older_daemons_ring_is_adopted_with_its_past_and_time_to_settle)
{
	struct ring_place old;

	fresh();
	set(A, A, T);
	set(B, A, T);
	old = place;
	ring_store_destroy(store);
	store = ring_store_create(lines, RING_LINES_MAX);
	ring_store_adopt(store, 0, &old, 2 * T);
	ring_store_adopt(store, 0, &old, 3 * T); /* by another address of the listener */
	CHECK_INT(ring_store_changed_s(store, 0), 2 * T);
	ring_store_settle(store, T + RING_SETTLE_S);
	CHECK_INT(slot(old.before, 0), A);
	set(C, A, 2 * T);
	CHECK(place.ring != old.ring && place.before != old.ring);
	check_first(C | RING_CHANGED, A);
	settle(2 * T);
	check_first(C, C);
}

TEST(places_that_cannot_be_are_not_adopted)
{
	static const struct {
		const char *name;
		struct ring_place place;
	} rows[] = {
		{ "no slots", { 0, 1, 0 } },
		{ "too many slots", { 0, 4096, RING_SLOTS_MAX + 1 } },
		{ "a ring over the end", { RING_LINES_MAX, 0, 7 } },
		{ "a ring that ends behind the end", { RING_LINES_MAX - 1, 0, 33 } },
		{ "what was before behind the end", { 0, UINT32_MAX, 7 } },
	};

	FOR_ROWS (row, rows) {
		bool marks[ENDPOINTS_MAX] = { false };

		fresh();
		ring_store_adopt(store, 0, &row->place, T);
		CHECK(!ring_store_keeps(store, 0, hash_in(0), A));
		ring_store_mark(store, marks);
		CHECK(!marks[0]);
	}
}

TEST(endpoints_of_today_and_of_before_are_marked_until_the_past_is_forgotten)
{
	bool marks[ENDPOINTS_MAX] = { false };

	fresh();
	set(A, A, T);
	set(B, B, T);
	ring_store_mark(store, marks);
	CHECK(marks[A] && marks[B] && !marks[C]);
	memset(marks, 0, sizeof(marks));
	ring_store_settle(store, T + RING_SETTLE_S);
	ring_store_mark(store, marks);
	CHECK(!marks[A] && marks[B]);
	memset(marks, 0, sizeof(marks));
	ring_store_drop(store, 0);
	ring_store_mark(store, marks);
	CHECK(!marks[B]);
}

/* --- lines ---------------------------------------------------------------------------------- */

enum { RINGS = 40 };

static struct ring_place places[RINGS], committed[RINGS];

static bool overlap(uint32_t a, uint32_t a_slots, uint32_t b, uint32_t b_slots)
{
	uint32_t a_lines = (a_slots + RING_LINE - 1) / RING_LINE;
	uint32_t b_lines = (b_slots + RING_LINE - 1) / RING_LINE;

	return a < b + b_lines && b < a + a_lines;
}

static bool is_apart(const struct ring_place *x, const struct ring_place *y)
{
	return !x->slots || !y->slots ||
	       (!overlap(x->ring, x->slots, y->ring, y->slots) &&
		!overlap(x->ring, x->slots, y->before, y->slots) &&
		!overlap(x->before, x->slots, y->ring, y->slots) &&
		!overlap(x->before, x->slots, y->before, y->slots));
}

static void check_apart(void)
{
	for (uint32_t i = 0; i < RINGS; i++) {
		const struct ring_place *p = &places[i];

		CHECK(!p->slots || !overlap(p->ring, p->slots, p->before, p->slots));
		for (uint32_t k = 0; k < RINGS; k++) {
			CHECK(i == k || is_apart(p, &places[k]));
			/* What programs still read is written by nobody. */
			CHECK(!memcmp(p, &committed[k], sizeof(*p)) || is_apart(p, &committed[k]));
		}
	}
}

TEST(rings_never_overlap_nor_touch_what_is_still_read)
{
	static const uint32_t sizes[] = { 7, 31, 37, 251, 4093, 16381, 65537 };
	static uint32_t ids[RING_SLOTS_MAX];
	uint32_t random = 1;

	fresh();
	memset(places, 0, sizeof(places));
	memset(committed, 0, sizeof(committed));
	for (uint32_t turn = 0; turn < 400; turn++) {
		uint32_t i, slots;

		random = random * 1664525 + 1013904223;
		i = (random >> 8) % RINGS;
		slots = places[i].slots && random >> 31 ? places[i].slots
							: sizes[(random >> 20) % 7];
		if ((random >> 16) % 8 == 0) {
			ring_store_drop(store, i);
			places[i] = (struct ring_place){ 0 };
		} else {
			for (uint32_t k = 0; k < slots; k++)
				ids[k] = 1 + (random + k) % 5;
			set_at(i, ids, slots, T + turn);
			places[i] = place;
		}
		check_apart();
		if (turn % 5 == 4) {
			memcpy(committed, places, sizeof(places));
			ring_store_retire(store);
		}
	}
}

static uint32_t fill_up(uint32_t *ids)
{
	uint32_t rings = 0;
	struct err err;

	while (rings < RINGS_MAX &&
	       ring_store_set(store, rings, ids, RING_SLOTS_DEFAULT, T, &place, &err))
		rings++;
	CHECK(rings < RINGS_MAX);
	CHECK(strstr(err.text, "the rings of all L4 listeners need more than 2097152 slots"));
	return rings;
}

TEST(where_lines_run_out_nothing_changes_and_retired_ones_are_used_again)
{
	static uint32_t ids[RING_SLOTS_DEFAULT], other[RING_SLOTS_DEFAULT];
	struct ring_place untouched = { 1, 2, 3 };
	struct err err;
	uint32_t rings;

	for (uint32_t i = 0; i < RING_SLOTS_DEFAULT; i++) {
		ids[i] = A;
		other[i] = B;
	}
	fresh();
	rings = fill_up(ids);
	CHECK_INT(rings, RING_LINES_MAX / 2 / ((RING_SLOTS_DEFAULT + RING_LINE - 1) / RING_LINE));
	CHECK(!ring_store_set(store, 0, other, RING_SLOTS_DEFAULT, T, &untouched, &err));
	CHECK_INT(untouched.ring, 1);
	CHECK(ring_store_set(store, 0, ids, RING_SLOTS_DEFAULT, T, &place, &err)); /* the same */
	ring_store_drop(store, 3);
	CHECK(!ring_store_set(store, 0, other, RING_SLOTS_DEFAULT, T, &untouched, &err));
	ring_store_retire(store);
	CHECK(ring_store_set(store, 0, other, RING_SLOTS_DEFAULT, T, &place, &err));
	check_first(B | RING_CHANGED, A);
}
