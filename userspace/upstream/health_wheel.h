/*
 * health_wheel.h - who is due when, in ticks: all of one tick are told at once.
 *
 * With a timer for each, thousands of endpoints would wake the loop for each probe, and for each
 * answer once more. Pure: the caller's clock, in milliseconds.
 */
#pragma once
#include <stdint.h>

struct health_wheel;

/* Of the caller; all zero: it does not wait. */
struct health_turn {
	struct health_turn *next, **at;
	uint64_t tick;
};

struct health_wheel *health_wheel_create(uint64_t now_ms);
void health_wheel_destroy(struct health_wheel *wheel); /* nobody waits by then; accepts NULL */
/* Not later, but earlier by up to a hundredth or 10 ms, and never in the tick that is told. One
 * that waits is put anew. */
void health_wheel_put(struct health_wheel *wheel, struct health_turn *turn, uint64_t now_ms,
		      uint64_t after_ms);
void health_wheel_remove(struct health_turn *turn); /* no effect where it does not wait */
/* When it wants to turn, perhaps for nobody; 0: not at all. */
uint64_t health_wheel_next_ms(const struct health_wheel *wheel);
/* All that are due, once each; on_turn may put and remove whom it likes. */
void health_wheel_turn(struct health_wheel *wheel, uint64_t now_ms,
		       void (*on_turn)(struct health_turn *turn));
