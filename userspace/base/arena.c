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

void *arena_take(struct arena *arena, size_t bytes)
{
	size_t want = (bytes + ALIGN - 1) / ALIGN * ALIGN;
	struct chunk *chunk = arena->first;
	void *out;

	if (!chunk || chunk->cap - chunk->used < want) {
		size_t cap = want > CHUNK_BYTES ? want : CHUNK_BYTES;

		chunk = must_alloc(sizeof(*chunk) + cap);
		chunk->cap = cap;
		chunk->next = arena->first;
		arena->first = chunk;
	}
	out = chunk->bytes + chunk->used;
	chunk->used += want;
	return out;
}

char *arena_text(struct arena *arena, struct span text)
{
	char *copy = arena_take(arena, text.len + 1);

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
