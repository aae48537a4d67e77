/* Flows age by the epoch, part of the table each second; splices and the living stay. */
#include <netinet/in.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/flow/flow_sweep.h"

enum { BUCKETS = 64, NOW = 100000 };

static struct flow_bucket buckets[BUCKETS];
static const __u64 seed = 7;
static const struct flow_table table = { buckets, BUCKETS, &seed };
static bool keep_all;
static uint32_t asked;

static bool keep(__attribute__((unused)) void *context, const struct flow_entry *entry)
{
	CHECK_INT(FLOW_KIND(entry->word), FLOW_L4);
	asked++;
	return keep_all;
}

static struct flow_sweep *fresh(void)
{
	memset(buckets, 0, sizeof(buckets));
	keep_all = true;
	asked = 0;
	return flow_sweep_create(&table, keep, NULL);
}

static void put(uint32_t bucket, uint32_t way, uint32_t kind, uint8_t proto, uint32_t seen,
		bool confirmed)
{
	buckets[bucket].ways[way] = (struct flow_entry){
		.word = FLOW_WORD(kind, 0, 5, 1, 3),
		.key = { .proto = proto },
		.seen = seen,
		.confirmed = confirmed,
	};
}

static void pass(struct flow_sweep *sweep, uint32_t epoch)
{
	uint32_t ticks = 1;

	while (!flow_sweep_tick(sweep, epoch))
		CHECK(++ticks <= FLOW_PASS_S);
}

TEST(entries_age_by_what_they_are_and_no_sooner)
{
	static const struct {
		const char *name;
		uint32_t kind;
		uint8_t proto;
		bool confirmed;
		uint32_t age;
		bool stays;
	} rows[] = {
		{ "used now", FLOW_L4, IPPROTO_TCP, true, 0, true },
		{ "used since the epoch was read", FLOW_L4, IPPROTO_TCP, true, (uint32_t)-1, true },
		{ "entered by a clock of before", FLOW_L4, IPPROTO_TCP, true, (uint32_t)-50000,
		  true },
		{ "TCP, silent for long", FLOW_L4, IPPROTO_TCP, true, FLOW_TCP_IDLE_S, true },
		{ "TCP, too long", FLOW_L4, IPPROTO_TCP, true, FLOW_TCP_IDLE_S + 1, false },
		{ "UDP, silent", FLOW_L4, IPPROTO_UDP, true, FLOW_UDP_IDLE_MAX_S, true },
		{ "UDP, too long", FLOW_L4, IPPROTO_UDP, true, FLOW_UDP_IDLE_MAX_S + 1, false },
		{ "a first packet", FLOW_L4, IPPROTO_TCP, false, FLOW_UNCONFIRMED_S, true },
		{ "a first packet without a second", FLOW_L4, IPPROTO_TCP, false,
		  FLOW_UNCONFIRMED_S + 1, false },
		{ "one of UDP", FLOW_L4, IPPROTO_UDP, false, FLOW_UNCONFIRMED_S + 1, false },
		{ "a splice, however silent", FLOW_SPLICE, IPPROTO_TCP, true, NOW, true },
	};

	FOR_ROWS (row, rows) {
		struct flow_sweep *sweep = fresh();
		struct flow_sweep_stats stats;

		put(BUCKETS - 1, 3, row->kind, row->proto, NOW - row->age, row->confirmed);
		pass(sweep, NOW);
		CHECK_INT(FLOW_KIND(flow_table_word(&table, BUCKETS - 1, 3)),
			  row->stays ? row->kind : FLOW_FREE);
		flow_sweep_stats(sweep, &stats);
		CHECK_INT(stats.aged, !row->stays);
		CHECK_INT(stats.l4, row->stays && row->kind == FLOW_L4);
		CHECK_INT(stats.splices, row->kind == FLOW_SPLICE);
		flow_sweep_destroy(sweep);
	}
}

TEST(a_pass_comes_by_every_entry_once_and_its_last_tick_says_so)
{
	struct flow_sweep *sweep = fresh();
	struct flow_sweep_stats stats;

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			put(b, way, way ? FLOW_L4 : FLOW_SPLICE, IPPROTO_TCP, NOW, true);
	for (uint32_t turn = 1; turn <= 3; turn++) {
		pass(sweep, NOW);
		CHECK_INT(asked, turn * BUCKETS * (FLOW_WAYS - 1));
		flow_sweep_stats(sweep, &stats);
		CHECK_INT(stats.l4, BUCKETS * (FLOW_WAYS - 1));
		CHECK_INT(stats.splices, BUCKETS);
		CHECK_INT(stats.aged, 0);
	}
	flow_sweep_destroy(sweep);
}

TEST(what_nobody_needs_to_know_is_forgotten_but_never_a_splice)
{
	struct flow_sweep *sweep = fresh();
	struct flow_sweep_stats stats;

	keep_all = false;
	put(0, 0, FLOW_L4, IPPROTO_TCP, NOW, true);
	put(1, 1, FLOW_L4, IPPROTO_UDP, NOW, true);
	put(2, 2, FLOW_SPLICE, IPPROTO_TCP, 0, true);
	pass(sweep, NOW);
	flow_sweep_stats(sweep, &stats);
	CHECK_INT(stats.aged, 2);
	CHECK_INT(asked, 2);
	CHECK_INT(FLOW_KIND(flow_table_word(&table, 2, 2)), FLOW_SPLICE);
	flow_sweep_destroy(sweep);
}

TEST(an_entry_that_a_dead_writer_left_is_freed_a_living_one_is_let_alone)
{
	struct flow_sweep *sweep = fresh();
	struct flow_entry *dead = &buckets[0].ways[1], *living = &buckets[0].ways[2];

	dead->word = FLOW_WORD(FLOW_BUSY, 0, 0, 0, 9);
	living->word = FLOW_WORD(FLOW_BUSY, 0, 0, 0, 9);
	flow_sweep_tick(sweep, NOW);
	CHECK_INT(FLOW_KIND(dead->word), FLOW_BUSY);      /* it may be written just now */
	living->word = FLOW_WORD(FLOW_BUSY, 0, 0, 0, 11); /* done, and begun again by another */
	flow_sweep_tick(sweep, NOW + 1);
	CHECK_INT(dead->word, FLOW_WORD(FLOW_FREE, 0, 0, 0, 10));
	CHECK_INT(living->word, FLOW_WORD(FLOW_BUSY, 0, 0, 0, 11));
	flow_sweep_destroy(sweep);
}

TEST(however_many_dead_writers_there_were_all_entries_are_free_in_the_end)
{
	struct flow_sweep *sweep = fresh();
	uint32_t left = BUCKETS * FLOW_WAYS;

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			put(b, way, FLOW_BUSY, IPPROTO_TCP, 0, false);
	for (uint32_t i = 0; i < 4 * FLOW_PASS_S && left; i++) {
		flow_sweep_tick(sweep, NOW + i);
		left = 0;
		for (uint32_t b = 0; b < BUCKETS; b++)
			for (uint32_t way = 0; way < FLOW_WAYS; way++)
				left += FLOW_KIND(flow_table_word(&table, b, way)) != FLOW_FREE;
	}
	CHECK_INT(left, 0);
	flow_sweep_destroy(sweep);
}

TEST(a_nated_pair_goes_as_one_and_when_its_time_has_come)
{
	static const struct {
		const char *name;
		uint32_t nat, age;
		bool stays;
	} rows[] = {
		{ "half open", 0, FLOW_UNCONFIRMED_S, true },
		{ "half open for too long", NAT_ANSWERED, FLOW_UNCONFIRMED_S + 1, false },
		{ "both talk", NAT_KEPT, FLOW_TCP_IDLE_S, true },
		{ "both are silent", NAT_KEPT, FLOW_TCP_IDLE_S + 1, false },
		{ "one has closed", NAT_KEPT | NAT_FIN_CLIENT, FLOW_TCP_IDLE_S, true },
		{ "both have, and rest", NAT_KEPT | NAT_FINS, NAT_REST_S, true },
		{ "both have for long", NAT_KEPT | NAT_FINS, NAT_REST_S + 1, false },
		{ "reset", NAT_KEPT | NAT_RESET, NAT_REST_S + 1, false },
	};

	FOR_ROWS (row, rows) {
		struct flow_sweep *sweep = fresh();

		put(1, 0, FLOW_NAT, IPPROTO_TCP, NOW - row->age, false);
		buckets[1].ways[0].nat = row->nat | FLOW_PLACE(2, 1) << 8;
		put(2, 1, FLOW_NAT, IPPROTO_TCP, NOW - row->age, false);
		buckets[2].ways[1].word = FLOW_WORD(FLOW_NAT, 1, FLOW_PLACE(1, 0), 3, 9);
		pass(sweep, NOW);
		CHECK_INT(FLOW_KIND(flow_table_word(&table, 1, 0)),
			  row->stays ? FLOW_NAT : FLOW_FREE);
		CHECK_INT(FLOW_KIND(flow_table_word(&table, 2, 1)),
			  row->stays ? FLOW_NAT : FLOW_FREE);
		flow_sweep_destroy(sweep);
	}
}
