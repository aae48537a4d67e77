/*
 * buf.h - bytes on their way: a queue in one block of fixed size, taken only while there are any.
 *
 * A pool of blocks belongs to one worker. An empty buf holds no block, so an idle connection costs
 * none. Bytes are appended behind and consumed in front.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

enum {
	BLOCK_BYTES = 65536,
	BUF_LOST_MAX = 4096, /* consumed bytes that are not worth moving the others for */
};

struct block;

struct block_pool {
	struct block *free;
	uint32_t kept;     /* free ones */
	uint32_t kept_max; /* more are given back to the allocator */
	uint32_t taken;
	uint32_t taken_max; /* then buf_room fails: the ceiling of memory for bytes in flight */
};

struct buf {
	struct block *block;
	uint32_t start, end;
	bool pinned; /* what is consumed stays, for buf_rewind */
};

void block_pool_init(struct block_pool *pool, uint32_t taken_max);
void block_pool_fini(struct block_pool *pool);

static inline uint32_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

struct span buf_data(const struct buf *b);
/*
 * Room behind the data: all that is free but for BUF_LOST_MAX bytes at most; NULL where the
 * block is full or the pool is empty (then *out_len is 0). The pointer holds until the next call.
 */
char *buf_room(struct buf *b, struct block_pool *pool, uint32_t *out_len);
void buf_added(struct buf *b, uint32_t n); /* n bytes were written into the room */
bool buf_append(struct buf *b, struct block_pool *pool, struct span bytes); /* all or nothing */
void buf_consume(struct buf *b, struct block_pool *pool, uint32_t n);
void buf_clear(struct buf *b, struct block_pool *pool); /* unpins too */

/* From now on consumed bytes can be had again; the buf must begin at its block's front. */
void buf_pin(struct buf *b);
void buf_rewind(struct buf *b);
void buf_unpin(struct buf *b, struct block_pool *pool);
