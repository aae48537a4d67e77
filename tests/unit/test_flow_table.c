/* The table of flows from userspace: who has a place, who gives way, and what a stale word may do.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "bpf/abi/hash.h"
#include "tests/harness/test.h"
#include "userspace/flow/flow_table.h"

enum { BUCKETS = 16, PLACES = 2 * FLOW_WAYS };

static struct flow_bucket buckets[BUCKETS];
static const __u64 seed = 7;
static const struct flow_table table = { buckets, BUCKETS, &seed };

static struct flow_key key_of(uint32_t n)
{
	return (struct flow_key){ .src = { 0, 0, htonl(0xffff), htonl(0x0a000000 + n) },
				  .dst = { 0, 0, htonl(0xffff), htonl(0xcb007135) },
				  .sport = htons((uint16_t)(1024 + n % 60000)),
				  .dport = htons(443),
				  .proto = IPPROTO_TCP };
}

static uint32_t bucket_of(const struct flow_key *key, bool second)
{
	uint64_t hash = hash_flow(key, seed);

	return (uint32_t)(second ? hash >> 32 : hash) & (BUCKETS - 1);
}

/* The first from `from` on, and not before, whose buckets are these two. */
static struct flow_key key_in(uint32_t a, uint32_t b, uint32_t *from)
{
	for (;;) {
		struct flow_key key = key_of((*from)++);

		if (bucket_of(&key, false) == a && bucket_of(&key, true) == b)
			return key;
	}
}

static void clear(void)
{
	memset(buckets, 0, sizeof(buckets));
}

/* As the programs leave it. */
static void put_l4(uint32_t bucket, uint32_t way, const struct flow_key *key, uint32_t endpoint,
		   bool confirmed)
{
	struct flow_entry *e = &buckets[bucket].ways[way];

	e->key = *key;
	e->seen = 1;
	e->confirmed = confirmed;
	e->word = FLOW_WORD(FLOW_L4, 0, endpoint, 1, FLOW_TURN(e->word) + 1);
}

static uint32_t count_of(enum flow_kind kind)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			n += FLOW_KIND(flow_table_word(&table, b, way)) == kind;
	return n;
}

TEST(a_splice_is_found_by_its_key_until_it_is_removed)
{
	struct flow_key key = key_of(1), other = key_of(2);
	uint64_t word;

	clear();
	CHECK_INT(flow_table_find(&table, &key), 0);
	CHECK(flow_table_enter_splice(&table, &key, 1, 0xabcdef, 0x12345));
	word = flow_table_find(&table, &key);
	CHECK_INT(FLOW_KIND(word), FLOW_SPLICE);
	CHECK_INT(FLOW_DIR(word), 1);
	CHECK_INT(FLOW_INDEX(word), 0xabcdef);
	CHECK_INT(FLOW_GENERATION(word), 0x2345);
	CHECK_INT(flow_table_find(&table, &other), 0);
	flow_table_remove_splice(&table, &key, 0xabcdef, 0x12345);
	CHECK_INT(flow_table_find(&table, &key), 0);
	CHECK_INT(count_of(FLOW_FREE), BUCKETS * FLOW_WAYS);
}

TEST(a_key_differs_in_each_of_its_fields)
{
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {
		{ "source", offsetof(struct flow_key, src) + 3 },
		{ "end of the source", offsetof(struct flow_key, src) + 15 },
		{ "destination", offsetof(struct flow_key, dst) },
		{ "end of the destination", offsetof(struct flow_key, dst) + 15 },
		{ "source port", offsetof(struct flow_key, sport) },
		{ "destination port", offsetof(struct flow_key, dport) + 1 },
		{ "protocol", offsetof(struct flow_key, proto) },
	};
	struct flow_key key = key_of(1);

	clear();
	CHECK(flow_table_enter_splice(&table, &key, 0, 5, 1));
	FOR_ROWS (row, rows) {
		struct flow_key other = key;

		((uint8_t *)&other)[row->at] ^= 1;
		CHECK_INT(flow_table_find(&table, &other), 0);
		CHECK(hash_flow(&other, seed) != hash_flow(&key, seed));
	}
}

TEST(only_its_own_splice_and_generation_is_removed)
{
	struct flow_key key = key_of(1);

	clear();
	CHECK(flow_table_enter_splice(&table, &key, 0, 5, 3));
	flow_table_remove_splice(&table, &key, 6, 3);
	flow_table_remove_splice(&table, &key, 5, 2);
	CHECK_INT(FLOW_INDEX(flow_table_find(&table, &key)), 5);
	flow_table_remove_splice(&table, &key, 5, 3 + 0x10000); /* 16 bits of it are kept */
	CHECK_INT(flow_table_find(&table, &key), 0);
}

TEST(a_key_that_a_splice_has_is_refused_to_another)
{
	struct flow_key key = key_of(1);

	clear();
	CHECK(flow_table_enter_splice(&table, &key, 0, 5, 1));
	CHECK(!flow_table_enter_splice(&table, &key, 0, 6, 1));
	CHECK_INT(FLOW_INDEX(flow_table_find(&table, &key)), 5);
	CHECK_INT(count_of(FLOW_SPLICE), 1);
}

TEST(two_buckets_full_of_splices_take_no_more_and_lose_none)
{
	struct flow_key keys[PLACES + 1];
	uint32_t from = 0;

	clear();
	for (uint32_t i = 0; i <= PLACES; i++)
		keys[i] = key_in(3, 9, &from);
	for (uint32_t i = 0; i < PLACES; i++)
		CHECK(flow_table_enter_splice(&table, &keys[i], 0, 100 + i, 1));
	CHECK(!flow_table_enter_splice(&table, &keys[PLACES], 0, 200, 1));
	CHECK_INT(flow_table_find(&table, &keys[PLACES]), 0);
	for (uint32_t i = 0; i < PLACES; i++)
		CHECK_INT(FLOW_INDEX(flow_table_find(&table, &keys[i])), 100 + i);
	flow_table_remove_splice(&table, &keys[4], 104, 1);
	CHECK(flow_table_enter_splice(&table, &keys[PLACES], 0, 200, 1));
	CHECK_INT(FLOW_INDEX(flow_table_find(&table, &keys[PLACES])), 200);
}

TEST(l4_connections_give_way_to_splices_those_of_one_packet_first)
{
	struct flow_key l4[PLACES], splices[PLACES];
	uint32_t from = 0;

	clear();
	for (uint32_t i = 0; i < PLACES; i++) {
		l4[i] = key_in(3, 9, &from);
		put_l4(i < FLOW_WAYS ? 3 : 9, i % FLOW_WAYS, &l4[i], i, i != 2 && i != 5);
	}
	for (uint32_t i = 0; i < PLACES; i++) {
		splices[i] = key_in(3, 9, &from);
		CHECK(flow_table_enter_splice(&table, &splices[i], 0, 100 + i, 1));
		if (i == 1) { /* the two unconfirmed ones are gone, and none else */
			CHECK_INT(flow_table_find(&table, &l4[2]), 0);
			CHECK_INT(flow_table_find(&table, &l4[5]), 0);
			CHECK_INT(count_of(FLOW_L4), PLACES - 2);
		}
	}
	CHECK_INT(count_of(FLOW_L4), 0);
	CHECK_INT(count_of(FLOW_SPLICE), PLACES);
}

/* The port of a vip may have been an L4 listener's a moment ago. */
TEST(an_l4_connection_with_the_key_of_a_splice_cannot_hide_it)
{
	for (uint32_t way = 0; way < PLACES; way++) {
		struct flow_key key;
		uint32_t from = 0;

		clear();
		key = key_in(3, 9, &from);
		put_l4(way < FLOW_WAYS ? 3 : 9, way % FLOW_WAYS, &key, 8, true);
		CHECK(flow_table_enter_splice(&table, &key, 0, 5, 1));
		CHECK_INT(FLOW_KIND(flow_table_find(&table, &key)), FLOW_SPLICE);
		CHECK_INT(count_of(FLOW_L4), 0);
		flow_table_remove_splice(&table, &key, 5, 1);
		CHECK_INT(flow_table_find(&table, &key), 0);
	}
}

TEST(what_is_being_written_is_neither_read_nor_taken)
{
	struct flow_key key;
	struct flow_entry e;
	uint32_t from = 0;

	clear();
	key = key_in(3, 9, &from);
	for (uint32_t i = 0; i < PLACES; i++)
		buckets[i < FLOW_WAYS ? 3 : 9].ways[i % FLOW_WAYS] =
			(struct flow_entry){ .word = FLOW_WORD(FLOW_BUSY, 0, 0, 0, 4), .key = key };
	CHECK(!flow_table_read(&table, 3, 0, &e));
	CHECK_INT(flow_table_find(&table, &key), 0);
	CHECK(!flow_table_enter_splice(&table, &key, 0, 5, 1));
	CHECK_INT(count_of(FLOW_BUSY), PLACES);
}

TEST(every_change_makes_another_word_so_a_stale_one_frees_nothing)
{
	struct flow_key key;
	uint32_t from = 0, bucket = 3, way = 0;
	uint64_t first, second;

	clear();
	key = key_in(3, 9, &from);
	CHECK(flow_table_enter_splice(&table, &key, 0, 5, 1));
	while (!FLOW_KIND(flow_table_word(&table, bucket, way)))
		way++;
	first = flow_table_word(&table, bucket, way);
	flow_table_remove_splice(&table, &key, 5, 1);
	CHECK(flow_table_enter_splice(&table, &key, 0, 5, 1));
	second = flow_table_word(&table, bucket, way);
	CHECK_INT(FLOW_KIND(second), FLOW_SPLICE);
	CHECK(first != second);
	CHECK(!flow_table_free(&table, bucket, way, first));
	CHECK_INT(flow_table_find(&table, &key), second);
	CHECK(flow_table_free(&table, bucket, way, second));
	CHECK_INT(flow_table_find(&table, &key), 0);
}

TEST(turns_begin_again_and_nothing_else_of_the_word_changes)
{
	struct flow_key key = key_of(1);

	clear();
	for (uint32_t i = 0; i < 70000; i++) {
		uint64_t word;

		CHECK(flow_table_enter_splice(&table, &key, 1, 0xffffff, 0xffff));
		word = flow_table_find(&table, &key);
		CHECK_INT(word & 0xffffffffffffull, FLOW_WORD(FLOW_SPLICE, 1, 0xffffff, 0xffff, 0));
		flow_table_remove_splice(&table, &key, 0xffffff, 0xffff);
	}
}
