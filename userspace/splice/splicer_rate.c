/*
 * Rates that splices share: elements of the table as buckets, one for each owner and source.
 */
#include <string.h>
#include <xxhash.h>

#include "userspace/base/clock.h"
#include "userspace/splice/splicer_slots.h"

enum {
	/*
	 * Where a round trip takes less than a segment does at the rate, TCP loses all that it has
	 * under way and tries again after its timer, 200 ms at least: what it could have sent
	 * meanwhile must not be lost to it. With 100 ms here one connection got half its rate.
	 */
	AT_ONCE_MS = 500,
	AT_ONCE_BYTES = 131072 /* two super-packets */
};

static uint32_t *chain_of(struct splicer *splicer, const struct bucket *b)
{
	return &splicer->rates[(XXH3_64bits(b->source, sizeof(b->source)) ^ b->owner) %
			       RATE_CHAINS];
}

static uint32_t find(struct splicer *splicer, const struct bucket *b)
{
	uint32_t i = *chain_of(splicer, b);

	for (; i != SLOT_NONE; i = splicer->slots[i].next_free) {
		const struct bucket *at = &splicer->maps.splices[i].bucket;

		if (at->owner == b->owner && !memcmp(at->source, b->source, sizeof(b->source)))
			return i;
	}
	return SLOT_NONE;
}

static void link_in(struct splicer *splicer, uint32_t i)
{
	uint32_t *chain = chain_of(splicer, &splicer->maps.splices[i].bucket);

	splicer->slots[i].next_free = *chain;
	splicer->slots[i].refs = 0;
	*chain = i;
}

/* What has gone at a lower rate is owed for longer than may be now: nothing would go meanwhile. */
static void forgive(struct bucket *b)
{
	uint64_t most = clock_ns(CLOCK_MONOTONIC) + b->ahead_ns;

	for (int dir = 0; dir < 2; dir++)
		if (__atomic_load_n(&b->due[dir], __ATOMIC_RELAXED) > most)
			__atomic_store_n(&b->due[dir], most, __ATOMIC_RELAXED);
}

/* It may have been configured anew. */
static void set_rate(struct bucket *b, uint64_t rate)
{
	uint64_t at_once = rate * AT_ONCE_MS / 1000;
	uint64_t kib_ns = 1024 * 1000000000ull / rate;

	if (b->kib_ns == kib_ns)
		return;
	b->kib_ns = kib_ns;
	if (at_once < AT_ONCE_BYTES)
		at_once = AT_ONCE_BYTES;
	b->ahead_ns = at_once * b->kib_ns >> 10;
	forgive(b);
}

/* Element + 1; 0 where there is no rate, or no element for it: then nothing is held back. */
static uint32_t take(struct splicer *splicer, struct bucket *b, uint64_t rate)
{
	uint32_t i = find(splicer, b);
	struct splice *sp;

	if (i == SLOT_NONE) {
		i = slot_take(splicer);
		if (i == SLOT_NONE)
			return 0;
		atomic_store(&splicer->slots[i].owner, SLOT_BUCKET);
		sp = &splicer->maps.splices[i];
		sp->bucket = *b;
		sp->source_port = 0;
		set_rate(&sp->bucket, rate);
		sp->generation++;
		__atomic_store_n(&sp->state, SPLICE_BUCKET, __ATOMIC_RELEASE);
		link_in(splicer, i);
	} else {
		set_rate(&splicer->maps.splices[i].bucket, rate);
	}
	splicer->slots[i].refs++;
	return i + 1;
}

void rate_take(struct splicer *splicer, uint32_t i, const struct splice_rate *rate,
	       const struct addr *client)
{
	struct slot *slot = &splicer->slots[i];
	struct bucket b = { .owner = rate->owner };

	slot->pays[0] = slot->pays[1] = 0;
	if ((!rate->all && !rate->source) || atomic_load(&splicer->closed))
		return;
	pthread_mutex_lock(&splicer->rates_lock);
	if (rate->all)
		slot->pays[0] = take(splicer, &b, rate->all);
	memcpy(b.source, client->ip, sizeof(b.source));
	if (rate->source)
		slot->pays[1] = take(splicer, &b, rate->source);
	pthread_mutex_unlock(&splicer->rates_lock);
	memcpy(splicer->maps.splices[i].pays, slot->pays, sizeof(slot->pays));
}

static void unlink_from(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];
	uint32_t *at = chain_of(splicer, &sp->bucket);

	while (*at != i)
		at = &splicer->slots[*at].next_free;
	*at = splicer->slots[i].next_free;
	__atomic_store_n(&sp->state, SPLICE_FREE, __ATOMIC_RELEASE);
}

/* The next process counts for itself what uses them; a bucket stays until nothing is owed. */
void rate_give(struct splicer *splicer, uint32_t i)
{
	struct slot *slot = &splicer->slots[i];

	if (!slot->pays[0] && !slot->pays[1])
		return;
	memset(splicer->maps.splices[i].pays, 0, sizeof(slot->pays));
	pthread_mutex_lock(&splicer->rates_lock);
	for (int k = 0; k < 2; k++) {
		uint32_t pays = slot->pays[k];

		slot->pays[k] = 0;
		if (pays)
			splicer->slots[pays - 1].refs--;
	}
	pthread_mutex_unlock(&splicer->rates_lock);
}

void rate_sweep(struct splicer *splicer, uint32_t i)
{
	const struct bucket *b = &splicer->maps.splices[i].bucket;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	pthread_mutex_lock(&splicer->rates_lock);
	if (splicer->slots[i].refs == 0 && b->due[0] < now && b->due[1] < now) {
		unlink_from(splicer, i);
		slot_give(splicer, i);
	}
	pthread_mutex_unlock(&splicer->rates_lock);
}

void rates_adopt(struct splicer *splicer, uint32_t count)
{
	for (uint32_t i = 0; i < RATE_CHAINS; i++)
		splicer->rates[i] = SLOT_NONE;
	for (uint32_t i = 0; i < count; i++) {
		if (splicer->maps.splices[i].state != SPLICE_BUCKET)
			continue;
		atomic_store(&splicer->slots[i].owner, SLOT_BUCKET);
		link_in(splicer, i);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct splice *sp = &splicer->maps.splices[i];
		bool may_pay = sp->state != SPLICE_FREE && sp->state != SPLICE_BUCKET;

		for (int k = 0; k < 2 && may_pay; k++) {
			uint32_t pays = sp->pays[k];

			if (pays && pays <= count &&
			    splicer->maps.splices[pays - 1].state == SPLICE_BUCKET) {
				splicer->slots[i].pays[k] = pays;
				splicer->slots[pays - 1].refs++;
			}
		}
	}
}
