#include "userspace/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "userspace/base/must.h"

enum {
	CHUNK_BYTES = 16384,
	ALIGN = 16,
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	LARGE = HUGE_PAGE / 2, /* chunks of so many bytes are on large pages */
	GROWTH = 8,            /* a chunk has a part like this of all before it, at least */
};

struct chunk {
	struct chunk *next;
	size_t used, cap;
	size_t mapped; /* bytes that are not the heap's; 0: all are */
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
	size_t bytes; /* of all chunks */
	size_t taken; /* of these, also what lies between */
};

/*
 * What is large is read at random (tables of routes, their texts): on large pages that waits less
 * for memory. Where the system has none to give, nothing is lost. What is not used is not there
 * either, and what ends is the system's again at once. NULL: there is no memory.
 */
static struct chunk *chunk_map(size_t bytes)
{
	char *at = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = -(uintptr_t)at & (HUGE_PAGE - 1);

	if (at == MAP_FAILED)
		return NULL;
	if (before > 0)
		munmap(at, before);
	munmap(at + before + bytes, HUGE_PAGE - before);
	madvise(at + before, bytes, MADV_HUGEPAGE);
	return (void *)(at + before);
}

static struct chunk *chunk_create(size_t cap)
{
	size_t bytes = (sizeof(struct chunk) + cap + PAGE - 1) & ~(size_t)(PAGE - 1);
	struct chunk *chunk;

	if (sizeof(struct chunk) + cap < LARGE) {
		chunk = must_alloc(sizeof(*chunk) + cap);
	} else {
		chunk = chunk_map(bytes);
		MUST(chunk);
		chunk->mapped = bytes;
	}
	chunk->cap = cap;
	return chunk;
}

static void chunk_destroy(struct chunk *chunk)
{
	if (chunk->mapped > 0)
		munmap(chunk, chunk->mapped);
	else
		free(chunk);
}

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

		chunk_destroy(arena->first);
		arena->first = next;
	}
	free(arena);
}

/* How many bytes the next chunk has, for at least that many. */
static size_t chunk_bytes(const struct arena *arena, size_t least)
{
	size_t grown = arena->bytes / GROWTH;

	grown = grown < CHUNK_BYTES ? CHUNK_BYTES : grown;
	grown = grown > HUGE_PAGE - sizeof(struct chunk) ? HUGE_PAGE - sizeof(struct chunk) : grown;
	return least > grown ? least : grown;
}

/* align: a power of two, ALIGN at most. */
static void *take(struct arena *arena, size_t bytes, size_t align)
{
	struct chunk *chunk = arena->first;
	size_t at = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;

	if (!chunk || at > chunk->cap || chunk->cap - at < bytes) {
		size_t cap = chunk_bytes(arena, bytes);

		chunk = chunk_create(cap);
		arena->bytes += cap;
		chunk->next = arena->first;
		arena->first = chunk;
		at = 0;
	}
	arena->taken += at + bytes - chunk->used;
	chunk->used = at + bytes;
	return chunk->bytes + at;
}

void *arena_take(struct arena *arena, size_t bytes)
{
	return take(arena, bytes, ALIGN);
}

size_t arena_bytes(const struct arena *arena)
{
	return arena->taken;
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
