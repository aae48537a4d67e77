#include "tests/harness/test.h"
#include "userspace/base/buf.h"

static char *room(struct buf *b, struct block_pool *pool)
{
	uint32_t len;

	return buf_room(b, pool, &len);
}

TEST(an_empty_buf_holds_no_block)
{
	struct block_pool pool;
	struct buf b = { 0 };

	block_pool_init(&pool, 4);
	CHECK(buf_append(&b, &pool, SPAN("hello")));
	CHECK_INT(pool.taken, 1);
	buf_consume(&b, &pool, 5);
	CHECK_INT(pool.taken, 0);
	block_pool_fini(&pool);
}

TEST(a_full_block_moves_its_data_to_the_front_for_more_room)
{
	struct block_pool pool;
	struct buf b = { 0 };
	uint32_t len;

	block_pool_init(&pool, 1);
	CHECK(buf_room(&b, &pool, &len));
	buf_added(&b, len);
	CHECK(!room(&b, &pool));
	buf_consume(&b, &pool, 100);
	CHECK(buf_room(&b, &pool, &len));
	CHECK_INT(len, 100);
	buf_clear(&b, &pool);
	block_pool_fini(&pool);
}

TEST(a_pool_at_its_ceiling_gives_no_room)
{
	struct block_pool pool;
	struct buf a = { 0 }, b = { 0 };

	block_pool_init(&pool, 1);
	CHECK(buf_append(&a, &pool, SPAN("x")));
	CHECK(!buf_append(&b, &pool, SPAN("y")));
	CHECK_INT(buf_len(&b), 0);
	buf_clear(&a, &pool);
	CHECK(buf_append(&b, &pool, SPAN("y")));
	buf_clear(&b, &pool);
	block_pool_fini(&pool);
}

TEST(what_was_pinned_can_be_had_again)
{
	struct block_pool pool;
	struct buf b = { 0 };

	block_pool_init(&pool, 1);
	CHECK(buf_append(&b, &pool, SPAN("GET / HTTP/1.1")));
	buf_pin(&b);
	buf_consume(&b, &pool, 14);
	CHECK_INT(buf_len(&b), 0);
	CHECK_INT(pool.taken, 1);
	buf_rewind(&b);
	CHECK_INT(buf_len(&b), 14);
	buf_consume(&b, &pool, 14);
	buf_unpin(&b, &pool);
	CHECK_INT(pool.taken, 0);
	block_pool_fini(&pool);
}

TEST(an_append_that_does_not_fit_changes_nothing)
{
	static char much[BLOCK_BYTES];
	struct block_pool pool;
	struct buf b = { 0 };

	block_pool_init(&pool, 1);
	CHECK(buf_append(&b, &pool, SPAN("x")));
	CHECK(!buf_append(&b, &pool, span_make(much, sizeof(much))));
	CHECK_INT(buf_len(&b), 1);
	buf_clear(&b, &pool);
	block_pool_fini(&pool);
}
