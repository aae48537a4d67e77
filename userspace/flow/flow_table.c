#include "userspace/flow/flow_table.h"

#include <string.h>

#include "bpf/abi/hash.h"

enum { PLACES = 2 * FLOW_WAYS };

static uint64_t load_word(const struct flow_entry *e)
{
	return __atomic_load_n(&e->word, __ATOMIC_ACQUIRE);
}

static bool swap_word(struct flow_entry *e, uint64_t from, uint64_t to)
{
	__u64 old = from;

	return __atomic_compare_exchange_n(&e->word, &old, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/* In the order in which XDP looks. */
static void places_of(const struct flow_table *table, const struct flow_key *key,
		      struct flow_entry *out_places[PLACES])
{
	uint64_t hash = hash_flow(key, *table->seed);

	for (uint32_t i = 0; i < PLACES; i++) {
		uint32_t half = (uint32_t)(i < FLOW_WAYS ? hash : hash >> 32);

		out_places[i] = &table->buckets[half & (table->count - 1)].ways[i % FLOW_WAYS];
	}
}

static uint64_t word_if(const struct flow_entry *e, const struct flow_key *key)
{
	uint64_t word = load_word(e);

	if (FLOW_KIND(word) < FLOW_L4 || memcmp(&e->key, key, sizeof(*key)) != 0)
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_word(e) == word ? word : 0;
}

/* How gladly an entry gives way to a splice, a free one the more the emptier its bucket is; 0: not
 * at all. */
static int gives_way(const struct flow_entry *e, uint64_t word, int room)
{
	if (FLOW_KIND(word) == FLOW_FREE)
		return 2 + room;
	if (FLOW_KIND(word) == FLOW_NAT)
		return NAT_IS_KEPT(e->nat, 0) ? 0 : 2;
	if (FLOW_KIND(word) != FLOW_L4)
		return 0;
	return e->confirmed == FLOW_CONFIRMED ? 1 : 2;
}

static int room_in(struct flow_entry *const places[FLOW_WAYS])
{
	int room = 0;

	for (uint32_t i = 0; i < FLOW_WAYS; i++)
		room += FLOW_KIND(load_word(places[i])) == FLOW_FREE;
	return room;
}

/* The entry is ours, and its word busy; NULL: there is no place. */
static struct flow_entry *claim(struct flow_entry *const places[PLACES], uint64_t *out_busy)
{
	for (uint32_t tries = 0; tries < PLACES; tries++) {
		struct flow_entry *best = NULL;
		int rank = 0, room[2] = { room_in(places), room_in(places + FLOW_WAYS) };
		uint64_t best_word = 0;

		for (uint32_t i = 0; i < PLACES; i++) {
			uint64_t word = load_word(places[i]);
			int r = gives_way(places[i], word, 1 + room[i / FLOW_WAYS]);

			if (r <= rank)
				continue;
			rank = r;
			best = places[i];
			best_word = word;
		}
		if (!best)
			return NULL;
		*out_busy = FLOW_WORD(FLOW_BUSY, 0, 0, 0, FLOW_TURN(best_word) + 1);
		if (swap_word(best, best_word, *out_busy))
			return best;
	}
	return NULL; /* whoever is that busy here has filled the buckets */
}

/*
 * An L4 connection that had the key, when its port was another listener's, would be found before
 * the splice. false: a splice has the key.
 */
static bool clear_key(struct flow_entry *const places[PLACES], const struct flow_key *key)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		uint64_t word = word_if(places[i], key);

		if (FLOW_KIND(word) == FLOW_SPLICE)
			return false;
		if (FLOW_KIND(word) == FLOW_L4)
			swap_word(places[i], word,
				  FLOW_WORD(FLOW_FREE, 0, 0, 0, FLOW_TURN(word) + 1));
	}
	return true;
}

bool flow_table_enter_splice(const struct flow_table *table, const struct flow_key *key,
			     uint32_t dir, uint32_t splice, uint32_t generation)
{
	struct flow_entry *places[PLACES], *e;
	uint64_t busy, word;

	places_of(table, key, places);
	if (!clear_key(places, key))
		return false;
	e = claim(places, &busy);
	if (!e)
		return false;
	word = FLOW_WORD(FLOW_SPLICE, dir & 1, splice, generation, FLOW_TURN(busy));
	e->key = *key;
	e->seen = 0;
	e->confirmed = FLOW_CONFIRMED;
	/* Not ours any more where we were stopped for so long that the sweep thought us dead. */
	return swap_word(e, busy, word);
}

void flow_table_remove_splice(const struct flow_table *table, const struct flow_key *key,
			      uint32_t splice, uint32_t generation)
{
	struct flow_entry *places[PLACES];

	places_of(table, key, places);
	for (uint32_t i = 0; i < PLACES; i++) {
		uint64_t word = word_if(places[i], key);

		if (FLOW_KIND(word) == FLOW_SPLICE && FLOW_INDEX(word) == splice &&
		    FLOW_GENERATION(word) == (generation & 0xffff))
			swap_word(places[i], word,
				  FLOW_WORD(FLOW_FREE, 0, 0, 0, FLOW_TURN(word) + 1));
	}
}

uint64_t flow_table_find(const struct flow_table *table, const struct flow_key *key)
{
	struct flow_entry *places[PLACES];

	places_of(table, key, places);
	for (uint32_t i = 0; i < PLACES; i++) {
		uint64_t word = word_if(places[i], key);

		if (word)
			return word;
	}
	return 0;
}

bool flow_table_read(const struct flow_table *table, uint32_t bucket, uint32_t way,
		     struct flow_entry *out_entry)
{
	const struct flow_entry *e = &table->buckets[bucket].ways[way];
	uint64_t word = load_word(e);

	if (FLOW_KIND(word) < FLOW_L4)
		return false;
	*out_entry = *e;
	out_entry->word = word;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_word(e) == word;
}

bool flow_table_free(const struct flow_table *table, uint32_t bucket, uint32_t way, uint64_t word)
{
	return swap_word(&table->buckets[bucket].ways[way], word,
			 FLOW_WORD(FLOW_FREE, 0, 0, 0, FLOW_TURN(word) + 1));
}

uint64_t flow_table_word(const struct flow_table *table, uint32_t bucket, uint32_t way)
{
	return load_word(&table->buckets[bucket].ways[way]);
}
