/*
 * line_ring.h - whole lines on their way from one thread to another, without a lock.
 *
 * One thread writes, one reads; both may change while nobody does either. Lines are never split:
 * one that would cross the end begins at the front. A full ring takes no more, and counts that.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

enum { LINE_BYTES_MAX = 4096, LINE_RING_BYTES = 256 * 1024 };

struct line_ring {
	_Atomic uint32_t head; /* the writer's */
	_Atomic uint32_t tail; /* the reader's */
	uint32_t wrap;         /* where the lines of this round end; the writer's, under head */
	uint32_t begun;        /* where the line that is being written begins */
	_Atomic uint64_t lost; /* lines; the writer's */
	char bytes[LINE_RING_BYTES];
};

/* The writer: LINE_BYTES_MAX of room, or NULL, and a line more is lost. */
char *line_ring_begin(struct line_ring *ring);
void line_ring_end(struct line_ring *ring, uint32_t len); /* of what was begun */
bool line_ring_is_half_full(struct line_ring *ring);

/* The reader: lines that lie together, none where there are none; then how much is done with. */
struct span line_ring_peek(struct line_ring *ring);
void line_ring_drop(struct line_ring *ring, uint32_t len);
