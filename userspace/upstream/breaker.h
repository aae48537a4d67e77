/*
 * breaker.h - whether an upstream as a whole is worth asking: a worker's own judgement of it.
 *
 * Pure: time comes as an argument. Closed, all may pass. Where too great a share of what was tried
 * in a window has failed, it opens, and nobody is asked for a while. Then a few are let through one
 * by one on trial: once so many have gone well in a row it closes, and one that fails opens it for
 * twice as long.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/model.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* All zero: closed. */
struct breaker {
	enum breaker_state state;
	uint64_t since_ms, until_ms; /* of a window while it is closed; until it is half open */
	uint32_t tried, failed;      /* in this window */
	uint32_t openings;           /* that each lasted longer than the one before */
	uint32_t trials, good;       /* under way; that went well, in a row */
};

enum breaker_pass { BREAKER_PASS, BREAKER_TRIAL, BREAKER_REFUSED };

/* Whether breaker_ask would let one pass now. */
bool breaker_may(const struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms);
/* One more wants to pass. BREAKER_TRIAL: breaker_note or breaker_drop says what came of it. */
enum breaker_pass breaker_ask(struct breaker *b, const struct breaker_rules *rules,
			      uint64_t now_ms);
/* True where that has changed whether it is open. */
bool breaker_note(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms, bool trial,
		  bool failed);
/* What was noted as good has broken off later. */
bool breaker_spoil(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms);
void breaker_drop(struct breaker *b); /* a trial that has ended without a result */
/* Until it may be asked again; 0: now. */
uint64_t breaker_left_ms(const struct breaker *b, uint64_t now_ms);
