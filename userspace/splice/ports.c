#include "userspace/splice/ports.h"

#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { TABLE_SLOTS = 16384, DESTINATIONS_MAX = TABLE_SLOTS / 2, WORD_BITS = 64 };

struct destination {
	struct addr to;
	uint32_t used;
	uint32_t next; /* where the search goes on, so that a port rests before it is used again */
	uint64_t words[];
};

struct ports {
	pthread_mutex_t lock;
	uint16_t first;
	uint32_t count;
	uint32_t words;
	uint32_t destinations;
	struct destination *table[TABLE_SLOTS]; /* open addressing; entries stay */
};

struct ports *ports_create(uint16_t first, uint16_t last)
{
	struct ports *ports = must_alloc(sizeof(*ports));

	MUST(first > 0 && first <= last);
	pthread_mutex_init(&ports->lock, NULL);
	ports->first = first;
	ports->count = (uint32_t)last - first + 1;
	ports->words = (ports->count + WORD_BITS - 1) / WORD_BITS;
	return ports;
}

void ports_destroy(struct ports *ports)
{
	if (!ports)
		return;
	for (uint32_t i = 0; i < TABLE_SLOTS; i++)
		free(ports->table[i]);
	pthread_mutex_destroy(&ports->lock);
	free(ports);
}

/* NULL where it is not there and cannot be made. */
static struct destination *destination_of(struct ports *ports, const struct addr *to, bool make)
{
	uint32_t i = (uint32_t)(XXH3_64bits(to, sizeof(*to)) % TABLE_SLOTS);
	struct destination *made;

	for (; ports->table[i]; i = (i + 1) % TABLE_SLOTS)
		if (addr_is(&ports->table[i]->to, to))
			return ports->table[i];
	if (!make || ports->destinations == DESTINATIONS_MAX)
		return NULL;
	made = calloc(1, sizeof(*made) + ports->words * sizeof(made->words[0]));
	if (!made)
		return NULL;
	made->to = *to;
	ports->table[i] = made;
	ports->destinations++;
	return made;
}

static bool bit_is(const struct destination *d, uint32_t i)
{
	return d->words[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static void bit_set(struct destination *d, uint32_t i)
{
	d->words[i / WORD_BITS] |= 1ull << (i % WORD_BITS);
	d->used++;
}

uint16_t ports_take(struct ports *ports, const struct addr *to)
{
	struct destination *d;
	uint16_t got = 0;

	pthread_mutex_lock(&ports->lock);
	d = destination_of(ports, to, true);
	if (d && d->used < ports->count) {
		uint32_t i = d->next;

		while (bit_is(d, i))
			i = (i + 1) % ports->count;
		bit_set(d, i);
		d->next = (i + 1) % ports->count;
		got = (uint16_t)(ports->first + i);
	}
	pthread_mutex_unlock(&ports->lock);
	return got;
}

bool ports_mark(struct ports *ports, const struct addr *to, uint16_t port)
{
	uint32_t i = (uint32_t)port - ports->first;
	struct destination *d;
	bool done = false;

	if (port < ports->first || i >= ports->count)
		return false;
	pthread_mutex_lock(&ports->lock);
	d = destination_of(ports, to, true);
	if (d && !bit_is(d, i)) {
		bit_set(d, i);
		done = true;
	}
	pthread_mutex_unlock(&ports->lock);
	return done;
}

void ports_give(struct ports *ports, const struct addr *to, uint16_t port)
{
	uint32_t i = (uint32_t)port - ports->first;
	struct destination *d;

	if (port < ports->first || i >= ports->count)
		return;
	pthread_mutex_lock(&ports->lock);
	d = destination_of(ports, to, false);
	if (d && bit_is(d, i)) {
		d->words[i / WORD_BITS] &= ~(1ull << (i % WORD_BITS));
		d->used--;
	}
	pthread_mutex_unlock(&ports->lock);
}

uint32_t ports_in_use(struct ports *ports)
{
	uint32_t n = 0;

	pthread_mutex_lock(&ports->lock);
	for (uint32_t i = 0; i < TABLE_SLOTS; i++)
		n += ports->table[i] ? ports->table[i]->used : 0;
	pthread_mutex_unlock(&ports->lock);
	return n;
}
