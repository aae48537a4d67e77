#include "userspace/base/buf.h"

#include <stdlib.h>

#include "userspace/base/must.h"

struct block {
	struct block *next;
	char bytes[BLOCK_BYTES];
};

enum { BLOCKS_KEPT = 256 };

void block_pool_init(struct block_pool *pool, uint32_t taken_max)
{
	*pool = (struct block_pool){ .kept_max = BLOCKS_KEPT, .taken_max = taken_max };
}

void block_pool_fini(struct block_pool *pool)
{
	MUST(pool->taken == 0);
	while (pool->free) {
		struct block *next = pool->free->next;

		free(pool->free);
		pool->free = next;
	}
}

static struct block *block_take(struct block_pool *pool)
{
	struct block *block = pool->free;

	if (pool->taken >= pool->taken_max)
		return NULL;
	if (block) {
		pool->free = block->next;
		pool->kept--;
	} else {
		block = malloc(sizeof(*block));
		if (!block)
			return NULL;
	}
	pool->taken++;
	return block;
}

static void block_give(struct block_pool *pool, struct block *block)
{
	pool->taken--;
	if (pool->kept >= pool->kept_max) {
		free(block);
		return;
	}
	block->next = pool->free;
	pool->free = block;
	pool->kept++;
}

struct span buf_data(const struct buf *b)
{
	if (!b->block)
		return (struct span){ "", 0 };
	return span_make(b->block->bytes + b->start, b->end - b->start);
}

char *buf_room(struct buf *b, struct block_pool *pool, uint32_t *out_len)
{
	*out_len = 0;
	if (!b->block) {
		b->block = block_take(pool);
		if (!b->block)
			return NULL;
		b->start = b->end = 0;
	}
	if (b->start > 0 && !b->pinned && (b->end == BLOCK_BYTES || b->start >= BUF_LOST_MAX)) {
		memmove(b->block->bytes, b->block->bytes + b->start, buf_len(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->end == BLOCK_BYTES)
		return NULL;
	*out_len = BLOCK_BYTES - b->end;
	return b->block->bytes + b->end;
}

void buf_added(struct buf *b, uint32_t n)
{
	MUST(n <= BLOCK_BYTES - b->end);
	b->end += n;
}

bool buf_append(struct buf *b, struct block_pool *pool, struct span bytes)
{
	uint32_t room;
	char *to;

	if (bytes.len == 0)
		return true;
	to = buf_room(b, pool, &room);
	if (!to || room < bytes.len)
		return false;
	memcpy(to, bytes.at, bytes.len);
	b->end += (uint32_t)bytes.len;
	return true;
}

static void drop_if_empty(struct buf *b, struct block_pool *pool)
{
	if (!b->block || b->start != b->end || b->pinned)
		return;
	block_give(pool, b->block);
	*b = (struct buf){ 0 };
}

void buf_consume(struct buf *b, struct block_pool *pool, uint32_t n)
{
	MUST(n <= buf_len(b));
	b->start += n;
	drop_if_empty(b, pool);
}

void buf_clear(struct buf *b, struct block_pool *pool)
{
	b->start = b->end;
	b->pinned = false;
	drop_if_empty(b, pool);
}

void buf_pin(struct buf *b)
{
	MUST(b->block && b->start == 0);
	b->pinned = true;
}

void buf_rewind(struct buf *b)
{
	MUST(b->pinned);
	b->start = 0;
}

void buf_unpin(struct buf *b, struct block_pool *pool)
{
	b->pinned = false;
	drop_if_empty(b, pool);
}
