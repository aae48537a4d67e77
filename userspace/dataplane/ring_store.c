#include "userspace/dataplane/ring_store.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/mapped.h"

/* What is known of a slot beside what the maps say. */
struct slot_past {
	uint32_t changed_s;
	bool merged;    /* what it was before is forgotten */
	bool disagrees; /* a known connection has another endpoint */
};

struct ring {
	bool used;
	struct ring_place place;
	struct slot_past *past;
	uint32_t changed_s;
};

struct extent {
	uint32_t first, lines;
};

struct ring_store {
	struct ring_line *lines;
	uint32_t line_count;
	bool taken[RING_LINES_MAX];
	struct ring rings[RINGS_MAX];
	struct extent *retired;
	uint32_t retired_count, retired_room;
};

static uint32_t lines_of(uint32_t slots)
{
	return (slots + RING_LINE - 1) / RING_LINE;
}

static uint16_t *slot_at(struct ring_store *store, uint32_t first, uint32_t slot)
{
	return &store->lines[first + slot / RING_LINE].slots[slot % RING_LINE];
}

/* Programs read it at the same time. */
static void write_slot(struct ring_store *store, uint32_t first, uint32_t slot, uint32_t value)
{
	__atomic_store_n(slot_at(store, first, slot), (uint16_t)value, __ATOMIC_RELAXED);
}

struct ring_store *ring_store_create(struct ring_line *lines, uint32_t count)
{
	struct ring_store *store = must_alloc(sizeof(*store));

	store->lines = lines;
	store->line_count = count < RING_LINES_MAX ? count : (uint32_t)RING_LINES_MAX;
	return store;
}

void ring_store_destroy(struct ring_store *store)
{
	if (!store)
		return;
	for (uint32_t i = 0; i < RINGS_MAX; i++)
		free(store->rings[i].past);
	free(store->retired);
	free(store);
}

static void take(struct ring_store *store, uint32_t first, uint32_t slots, bool taken)
{
	memset(store->taken + first, taken, lines_of(slots) * sizeof(store->taken[0]));
}

/* First fit; UINT32_MAX: none. */
static uint32_t take_lines(struct ring_store *store, uint32_t slots)
{
	uint32_t need = lines_of(slots), run = 0;

	for (uint32_t i = 0; i < store->line_count; i++) {
		run = store->taken[i] ? 0 : run + 1;
		if (run == need) {
			take(store, i + 1 - need, slots, true);
			return i + 1 - need;
		}
	}
	return UINT32_MAX;
}

static void retire(struct ring_store *store, uint32_t first, uint32_t slots)
{
	if (store->retired_count == store->retired_room) {
		store->retired_room = 2 * store->retired_room + 16;
		store->retired =
			realloc(store->retired, store->retired_room * sizeof(*store->retired));
		MUST(store->retired);
	}
	store->retired[store->retired_count++] = (struct extent){ first, lines_of(slots) };
}

void ring_store_retire(struct ring_store *store)
{
	for (uint32_t i = 0; i < store->retired_count; i++)
		memset(store->taken + store->retired[i].first, false,
		       store->retired[i].lines * sizeof(store->taken[0]));
	store->retired_count = 0;
}

static bool is_inside(const struct ring_store *store, const struct ring_place *place)
{
	uint32_t lines = lines_of(place->slots);

	return place->slots > 0 && place->slots <= RING_SLOTS_MAX && lines <= store->line_count &&
	       place->ring <= store->line_count - lines &&
	       place->before <= store->line_count - lines;
}

void ring_store_adopt(struct ring_store *store, uint32_t index, const struct ring_place *place,
		      uint32_t now_s)
{
	struct ring *r = &store->rings[index];

	if (r->used || !is_inside(store, place)) /* each address of a listener has the same */
		return;
	r->used = true;
	r->place = *place;
	r->past = must_alloc(place->slots * sizeof(*r->past));
	take(store, place->ring, place->slots, true);
	take(store, place->before, place->slots, true);
	for (uint32_t i = 0; i < place->slots; i++)
		if (*slot_at(store, place->ring, i) & RING_CHANGED)
			r->past[i].changed_s = r->changed_s = now_s;
}

/* From the ring that is in use, if it has as many slots. */
static void write_slots(struct ring_store *store, struct ring *r, const struct ring_place *to,
			const uint32_t *ids, uint32_t now_s)
{
	for (uint32_t i = 0; i < to->slots; i++) {
		uint32_t was = r->used ? *slot_at(store, r->place.ring, i) : ids[i];
		uint32_t old = r->used ? *slot_at(store, r->place.before, i) : ids[i];
		struct slot_past *past = &r->past[i];

		if ((was & RING_ID) == ids[i]) {
			write_slot(store, to->ring, i, was);
			write_slot(store, to->before, i, old);
			continue;
		}
		/* Who came after the last change is known by name; who came before it is not. */
		if (!(was & RING_CHANGED) || past->merged)
			old = was & RING_ID;
		*past = (struct slot_past){ .changed_s = now_s };
		r->changed_s = now_s;
		write_slot(store, to->ring, i, ids[i] | RING_CHANGED);
		write_slot(store, to->before, i, old);
	}
}

static bool is_same(struct ring_store *store, const struct ring *r, const uint32_t *ids,
		    uint32_t slots)
{
	if (!r->used || r->place.slots != slots)
		return false;
	for (uint32_t i = 0; i < slots; i++)
		if ((*slot_at(store, r->place.ring, i) & RING_ID) != ids[i])
			return false;
	return true;
}

bool ring_store_set(struct ring_store *store, uint32_t index, const uint32_t *ids, uint32_t slots,
		    uint32_t now_s, struct ring_place *out_place, struct err *err)
{
	struct ring *r = &store->rings[index];
	struct ring_place to = { .slots = slots };

	if (is_same(store, r, ids, slots)) {
		*out_place = r->place;
		return true;
	}
	to.ring = take_lines(store, slots);
	to.before = to.ring == UINT32_MAX ? UINT32_MAX : take_lines(store, slots);
	if (to.before == UINT32_MAX) {
		if (to.ring != UINT32_MAX)
			take(store, to.ring, slots, false);
		return err_set(err, "the rings of all L4 listeners need more than %u slots%s",
			       store->line_count * RING_LINE / 2,
			       store->line_count < RING_LINES_MAX
				       ? MAPS_GROW
				       : "; give fewer slots to some of them");
	}
	if (r->used && r->place.slots != slots)
		ring_store_drop(store, index);
	if (!r->past)
		r->past = must_alloc(slots * sizeof(*r->past));
	write_slots(store, r, &to, ids, now_s);
	if (r->used) {
		retire(store, r->place.ring, slots);
		retire(store, r->place.before, slots);
	}
	r->used = true;
	r->place = *out_place = to;
	return true;
}

void ring_store_drop(struct ring_store *store, uint32_t index)
{
	struct ring *r = &store->rings[index];

	if (!r->used)
		return;
	retire(store, r->place.ring, r->place.slots);
	retire(store, r->place.before, r->place.slots);
	free(r->past);
	*r = (struct ring){ 0 };
}

void ring_store_mark(struct ring_store *store, bool *marks)
{
	for (uint32_t k = 0; k < RINGS_MAX; k++) {
		const struct ring *r = &store->rings[k];

		for (uint32_t i = 0; r->used && i < r->place.slots; i++) {
			uint32_t now = *slot_at(store, r->place.ring, i) & RING_ID;
			uint32_t old = *slot_at(store, r->place.before, i) & RING_ID;

			if (now < ENDPOINTS_MAX)
				marks[now] = true;
			if (old < ENDPOINTS_MAX)
				marks[old] = true;
		}
	}
}

/*
 * Takes no mark off before the table has been looked through anew: the pass that is under way may
 * have missed who was entered lately. Whose past is not merged has two passes before it.
 */
static void recheck_slot(struct ring_store *store, struct ring *r, uint32_t i, uint32_t id,
			 uint32_t now_s)
{
	uint32_t now = *slot_at(store, r->place.ring, i);

	if ((now & RING_ID) != id || (now & RING_CHANGED && !r->past[i].merged))
		return;
	r->past[i].changed_s = now_s;
	if (now & RING_CHANGED)
		return;
	r->past[i] = (struct slot_past){ .changed_s = now_s, .merged = true };
	write_slot(store, r->place.before, i, id);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write_slot(store, r->place.ring, i, id | RING_CHANGED);
}

void ring_store_recheck(struct ring_store *store, uint32_t id, uint32_t now_s)
{
	for (uint32_t k = 0; k < RINGS_MAX; k++) {
		struct ring *r = &store->rings[k];

		for (uint32_t i = 0; r->used && i < r->place.slots; i++)
			recheck_slot(store, r, i, id, now_s);
	}
}

bool ring_store_keeps(struct ring_store *store, uint32_t index, uint64_t hash, uint32_t id)
{
	struct ring *r = &store->rings[index];
	uint32_t slot, now;

	if (!r->used)
		return false;
	slot = (uint32_t)(((hash >> 32) * r->place.slots) >> 32);
	now = *slot_at(store, r->place.ring, slot);
	if ((now & RING_ID) == id) /* as the ring itself would say, once it has settled */
		return now & RING_CHANGED && !r->past[slot].merged;
	r->past[slot].disagrees = true;
	return true;
}

static void settle_slot(struct ring_store *store, struct ring *r, uint32_t i, uint32_t now_s)
{
	uint32_t now = *slot_at(store, r->place.ring, i);
	struct slot_past *past = &r->past[i];

	if (!(now & RING_CHANGED) || now_s - past->changed_s < RING_SETTLE_S)
		return;
	if (!past->merged) {
		write_slot(store, r->place.before, i, now & RING_ID);
		past->merged = true;
	} else if (!past->disagrees) {
		write_slot(store, r->place.ring, i, now & RING_ID);
		*past = (struct slot_past){ 0 };
	}
	past->disagrees = false;
}

void ring_store_settle(struct ring_store *store, uint32_t now_s)
{
	for (uint32_t k = 0; k < RINGS_MAX; k++)
		for (uint32_t i = 0; store->rings[k].used && i < store->rings[k].place.slots; i++)
			settle_slot(store, &store->rings[k], i, now_s);
}

uint32_t ring_store_changed_s(const struct ring_store *store, uint32_t index)
{
	return store->rings[index].changed_s;
}

uint32_t ring_store_unsettled(const struct ring_store *store, uint32_t index)
{
	const struct ring *r = &store->rings[index];
	uint32_t count = 0;

	for (uint32_t i = 0; r->used && i < r->place.slots; i++)
		count += !!(store->lines[r->place.ring + i / RING_LINE].slots[i % RING_LINE] &
			    RING_CHANGED);
	return count;
}
