/*
 * arena.h - memory that ends whole. Zeroed, aligned for any type but texts, which are packed;
 * running out is fatal (arena holders are configuration and start). One thread at a time.
 */
#pragma once
#include <stddef.h>

#include "userspace/base/span.h"

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *arena); /* accepts NULL */
void *arena_take(struct arena *arena, size_t bytes);
char *arena_text(struct arena *arena, struct span text); /* a copy, ended by NUL */
size_t arena_bytes(const struct arena *arena); /* that were taken, with what lies between */
/* Called with object when the arena ends, before its memory does; the last told, first. */
void arena_at_end(struct arena *arena, void (*end)(void *object), void *object);
