#include "userspace/proxy/deed_ring.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/proxy/request_id.h"

_Static_assert(sizeof(struct deed) == 576, "nine lines of the cache");
_Static_assert((int)REQUEST_ID_MAX < (int)DEED_TEXT_BYTES, "ids fit whole");

void deed_ring_init(struct deed_ring *ring)
{
	/* Zeroed by the kernel, and only what is used takes memory. */
	ring->deeds = must_alloc(DEEDS_MAX * sizeof(ring->deeds[0]));
	ring->wrong = must_alloc(DEEDS_WRONG_MAX * sizeof(ring->wrong[0]));
	ring->next = ring->next_wrong = 0;
}

void deed_ring_fini(struct deed_ring *ring)
{
	free(ring->deeds);
	free(ring->wrong);
}

struct deed *deed_ring_next(struct deed_ring *ring, bool wrong)
{
	struct deed *deed = wrong ? &ring->wrong[ring->next_wrong++ % DEEDS_WRONG_MAX]
				  : &ring->deeds[ring->next++ % DEEDS_MAX];

	memset(deed->lengths, 0, sizeof(deed->lengths));
	deed->cut = false;
	return deed;
}

static size_t begin_of(const struct deed *deed, enum deed_piece piece)
{
	size_t at = 0;

	for (int i = 0; i < (int)piece; i++)
		at += deed->lengths[i];
	return at;
}

void deed_put(struct deed *deed, enum deed_piece piece, struct span text)
{
	size_t at = begin_of(deed, piece), room = DEED_TEXT_BYTES - at, len = text.len;
	size_t most = DEED_PIECE_MAX;

	if (piece == DEED_DETAIL)
		most = DEED_DETAIL_MAX;
	if (piece != DEED_PATH && piece != DEED_ID && len > most)
		len = most;
	if (len > room)
		len = room;
	deed->cut |= len < text.len;
	if (len > 0)
		memcpy(deed->text + at, text.at, len);
	deed->lengths[piece] = (uint8_t)len;
}

struct span deed_piece(const struct deed *deed, enum deed_piece piece)
{
	return span_make(deed->text + begin_of(deed, piece), deed->lengths[piece]);
}

/* Of those from the last one back. */
static const struct deed *find(const struct deed *deeds, uint32_t next, uint32_t max,
			       struct span id)
{
	for (uint32_t i = 1; i <= max; i++) {
		const struct deed *deed = &deeds[(next - i) % max];

		if (deed->ended_ms == 0)
			return NULL; /* never used: so are all before it */
		if (span_is(deed_piece(deed, DEED_ID), id))
			return deed;
	}
	return NULL;
}

const struct deed *deed_ring_find(const struct deed_ring *ring, struct span id)
{
	const struct deed *good = find(ring->deeds, ring->next, DEEDS_MAX, id);
	const struct deed *wrong = find(ring->wrong, ring->next_wrong, DEEDS_WRONG_MAX, id);

	if (id.len == 0)
		return NULL;
	if (!good || !wrong)
		return good ? good : wrong;
	return good->ended_ms > wrong->ended_ms ? good : wrong;
}

uint64_t deed_ring_since(const struct deed_ring *ring, bool wrong)
{
	const struct deed *deeds = wrong ? ring->wrong : ring->deeds;
	uint32_t next = wrong ? ring->next_wrong : ring->next;

	/* Where nothing was written over, all are there. */
	return deeds[next % (wrong ? DEEDS_WRONG_MAX : DEEDS_MAX)].ended_ms;
}
