#include "userspace/base/arena.h"

#include <stdint.h>

#include "userspace/base/must.h"

enum { CHUNK_BYTES = 16384, ALIGN = 16 };

struct chunk {
	struct chunk *next;
	size_t used, cap;
	_Alignas(ALIGN) char bytes[];
};

struct ending {
	struct ending *next;
	void (*end)(void *object);
	void *object;
};

struct arena {
	struct chunk *first;
	struct ending *endings;
};

struct arena *arena_create(void)
{
	return must_alloc(sizeof(struct arena));
}

void arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	for (struct ending *e = arena->endings; e; e = e->next)
		e->end(e->object);
	while (arena->first) {
		struct chunk *next = arena->first->next;

		free(arena->first);
		arena->first = next;
	}
	free(arena);
}

/* align: a power of two, ALIGN at most. */
static void *take(struct arena *arena, size_t bytes, size_t align)
{
	struct chunk *chunk = arena->first;
	size_t at = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;

	if (!chunk || at > chunk->cap || chunk->cap - at < bytes) {
		size_t cap = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

		chunk = must_alloc(sizeof(*chunk) + cap);
		chunk->cap = cap;
		chunk->next = arena->first;
		arena->first = chunk;
		at = 0;
	}
	chunk->used = at + bytes;
	return chunk->bytes + at;
}

void *arena_take(struct arena *arena, size_t bytes)
{
	return take(arena, bytes, ALIGN);
}

char *arena_text(struct arena *arena, struct span text)
{
	char *copy = take(arena, text.len + 1, 1); /* there are many, and most are short */

	if (text.len > 0)
		memcpy(copy, text.at, text.len);
	return copy;
}

void arena_at_end(struct arena *arena, void (*end)(void *object), void *object)
{
	struct ending *ending = arena_take(arena, sizeof(*ending));

	*ending = (struct ending){ arena->endings, end, object };
	arena->endings = ending;
}
