#include "userspace/proxy/deed_ring.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/proxy/request_id.h"

_Static_assert(sizeof(struct deed) == 576, "nine lines of the cache");
_Static_assert((int)REQUEST_ID_MAX < (int)DEED_TEXT_BYTES, "ids fit whole");

void deed_ring_init(struct deed_ring *ring)
{
	static const uint32_t max[DEED_KINDS] = { DEEDS_MAX, DEEDS_AWAY_MAX, DEEDS_WRONG_MAX };

	for (int i = 0; i < DEED_KINDS; i++) {
		ring->kinds[i].max = max[i];
		ring->kinds[i].next = 0;
		/* Zeroed by the kernel, and only what is used takes memory. */
		ring->kinds[i].deeds = must_alloc(max[i] * sizeof(struct deed));
	}
}

void deed_ring_fini(struct deed_ring *ring)
{
	for (int i = 0; i < DEED_KINDS; i++)
		free(ring->kinds[i].deeds);
}

static struct deed *slot_of(const struct deed_ring *ring, enum deed_kind kind, uint32_t number)
{
	return &ring->kinds[kind].deeds[number % ring->kinds[kind].max];
}

struct deed *deed_ring_next(struct deed_ring *ring, enum deed_kind kind)
{
	struct deed *deed = slot_of(ring, kind, ring->kinds[kind].next++);

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
static const struct deed *find(const struct deed_ring *ring, enum deed_kind kind, struct span id)
{
	for (uint32_t i = 1; i <= ring->kinds[kind].max; i++) {
		const struct deed *deed = slot_of(ring, kind, ring->kinds[kind].next - i);

		if (deed->ended_ms == 0)
			return NULL; /* never used: so are all before it */
		if (span_is(deed_piece(deed, DEED_ID), id))
			return deed;
	}
	return NULL;
}

const struct deed *deed_ring_find(const struct deed_ring *ring, struct span id)
{
	const struct deed *last = NULL;

	for (int i = 0; i < DEED_KINDS && id.len > 0; i++) {
		const struct deed *deed = find(ring, (enum deed_kind)i, id);

		if (deed && !(last && last->ended_ms > deed->ended_ms))
			last = deed;
	}
	return last;
}

uint64_t deed_ring_since(const struct deed_ring *ring, enum deed_kind kind)
{
	/* Where nothing was written over, all are there. */
	return slot_of(ring, kind, ring->kinds[kind].next)->ended_ms;
}
