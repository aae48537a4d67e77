#include "userspace/upstream/health_wheel.h"

#include <stdlib.h>

#include "userspace/base/must.h"

enum {
	TICK_MS = 10,
	STEP_MAX = 4, /* ticks: the longest that others are waited for */
	SLOTS = 1024, /* who waits for longer is passed by meanwhile */
};

struct health_wheel {
	uint64_t told; /* the last tick that is over, or is told just now */
	uint64_t next; /* nobody is due before; 0: nobody at all */
	struct health_turn *slots[SLOTS];
};

struct health_wheel *health_wheel_create(uint64_t now_ms)
{
	struct health_wheel *wheel = must_alloc(sizeof(*wheel));

	wheel->told = now_ms / TICK_MS;
	return wheel;
}

void health_wheel_destroy(struct health_wheel *wheel)
{
	free(wheel);
}

void health_wheel_remove(struct health_turn *turn)
{
	if (!turn->at)
		return;
	*turn->at = turn->next;
	if (turn->next)
		turn->next->at = turn->at;
	turn->at = NULL;
}

static void put_first(struct health_turn **at, struct health_turn *turn)
{
	turn->at = at;
	turn->next = *at;
	if (turn->next)
		turn->next->at = &turn->next;
	*at = turn;
}

/* A hundredth of the wait; a power of two, so that short steps meet long ones. */
static uint64_t step_of(uint64_t after_ms)
{
	uint64_t step = 1;

	while (step < STEP_MAX && step * 2 * TICK_MS * 100 <= after_ms)
		step *= 2;
	return step;
}

void health_wheel_put(struct health_wheel *wheel, struct health_turn *turn, uint64_t now_ms,
		      uint64_t after_ms)
{
	uint64_t tick = (now_ms + after_ms) / TICK_MS;

	health_wheel_remove(turn);
	tick -= tick % step_of(after_ms);
	turn->tick = tick > wheel->told ? tick : wheel->told + 1;
	put_first(&wheel->slots[turn->tick % SLOTS], turn);
	if (!wheel->next || turn->tick < wheel->next)
		wheel->next = turn->tick;
}

uint64_t health_wheel_next_ms(const struct health_wheel *wheel)
{
	return wheel->next * TICK_MS;
}

/* Nobody is in two lists, so any of them may go while others are told. */
static void tell_slot(struct health_wheel *wheel, void (*on_turn)(struct health_turn *turn))
{
	struct health_turn *due = NULL, **at = &wheel->slots[wheel->told % SLOTS];

	while (*at) {
		struct health_turn *turn = *at;

		if (turn->tick > wheel->told) {
			at = &turn->next;
			continue;
		}
		health_wheel_remove(turn);
		put_first(&due, turn);
	}
	while (due) {
		struct health_turn *turn = due;

		health_wheel_remove(turn);
		on_turn(turn);
	}
}

/* The first slot with somebody in it, even if he waits for a later round. */
static uint64_t find_next(const struct health_wheel *wheel)
{
	for (uint64_t i = 1; i <= SLOTS; i++)
		if (wheel->slots[(wheel->told + i) % SLOTS])
			return wheel->told + i;
	return 0;
}

void health_wheel_turn(struct health_wheel *wheel, uint64_t now_ms,
		       void (*on_turn)(struct health_turn *turn))
{
	uint64_t now = now_ms / TICK_MS;

	/* One round finds everybody, however late it is. */
	if (now > wheel->told + SLOTS)
		wheel->told = now - SLOTS;
	while (wheel->told < now) {
		wheel->told++;
		tell_slot(wheel, on_turn);
	}
	wheel->next = find_next(wheel);
}
