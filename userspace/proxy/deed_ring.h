/*
 * deed_ring.h - what was decided for requests that have ended, for who asks later by their names.
 *
 * The last ones of a worker, and beside them the last of those that went wrong, so that a flood of
 * good ones does not wash them away. Names are copied, cut where they are long: a deed outlives the
 * snapshot by which it was done. Belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/span.h"

enum {
	DEEDS_MAX = 8192, /* powers of two */
	DEEDS_WRONG_MAX = 2048,
	DEED_TEXT_BYTES = 172,
	DEED_PIECE_MAX = 48, /* but of the path, which comes last and has what is left */
};

enum deed_piece {
	DEED_ID,
	DEED_METHOD,
	DEED_ROUTE,
	DEED_UPSTREAM,
	DEED_HOST,
	DEED_PATH,
	DEED_PIECES
};

/* 256 bytes, so that one costs four lines of the cache. */
struct deed {
	uint64_t ended_ms; /* of the day's clock */
	uint64_t session;
	uint32_t snapshot;
	uint32_t listener; /* its index there, */
	uint16_t port;     /* and for who has another one by now */
	uint16_t status;
	struct addr client, endpoint; /* endpoint all zero: none */
	uint32_t route_line;
	uint8_t end;           /* enum end_reason */
	uint8_t balance;       /* of the upstream */
	uint8_t tries, asked;  /* connections, and endpoints */
	uint8_t splice_reason; /* enum splice_reason, of bodies */
	bool keyed : 1, keeps : 1, kept : 1, reused : 1, spliced : 1, cut : 1;
	uint8_t lengths[DEED_PIECES];
	char text[DEED_TEXT_BYTES];
};

struct deed_ring {
	uint32_t next, next_wrong;
	struct deed *deeds, *wrong; /* of DEEDS_MAX, DEEDS_WRONG_MAX */
};

void deed_ring_init(struct deed_ring *ring);
void deed_ring_fini(struct deed_ring *ring);
/* Where the next one is written, with no pieces; wrong: it went wrong. */
struct deed *deed_ring_next(struct deed_ring *ring, bool wrong);
/* In the order of enum deed_piece. */
void deed_put(struct deed *deed, enum deed_piece piece, struct span text);
struct span deed_piece(const struct deed *deed, enum deed_piece piece);
/* The last of that name; NULL: it is not known any more. */
const struct deed *deed_ring_find(const struct deed_ring *ring, struct span id);
