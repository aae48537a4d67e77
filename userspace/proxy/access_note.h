/*
 * access_note.h - what is remembered of a request once its head is gone, for its line in the log.
 *
 * Taken while an exchange lasts and given back, so that idle sessions hold none; the pool grows to
 * what is used at once and allocates nothing more. What does not fit is cut. Belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"
#include "userspace/model/model.h"
#include "userspace/proxy/deed_ring.h"
#include "userspace/route/router.h"
#include "userspace/upstream/roster.h"

enum { ACCESS_NOTE_BYTES = 1792 };

enum access_piece {
	PIECE_ID,
	PIECE_METHOD,
	PIECE_HOST,
	PIECE_PATH,
	PIECE_QUERY,
	PIECE_HEADERS, /* the first of those that are configured */
	PIECES = PIECE_HEADERS + LOG_HEADERS_MAX
};

/* What is noted of an exchange on its way, for its deed; exchange_deed.c's. */
struct deed_story {
	const struct upstream *wanted; /* before another one stood in for it */
	const struct sni_route *entry; /* of tls-passthrough; NULL: none was taken */
	struct route_trace losers;
	struct roster_unfit unfit; /* when an endpoint was chosen the last time */
	uint8_t split_by;          /* enum sticky */
	uint8_t refused;           /* enum retry_refusal */
	struct route_try tries[DEED_LOSERS_MAX];
	struct deed_attempt attempts[DEED_ATTEMPTS_MAX]; /* more: the last is the last */
};

struct access_note {
	struct access_note *next;
	uint16_t used;
	bool cut;
	bool has_query; /* also where it is empty or hidden */
	struct {
		uint16_t at, len;
	} pieces[PIECES];
	char text[ACCESS_NOTE_BYTES];
	struct deed_story story;
};

struct access_notes {
	struct access_note *free;
};

/* Empty, or NULL without memory. */
struct access_note *access_note_take(struct access_notes *notes);
void access_note_give(struct access_notes *notes, struct access_note *note); /* accepts NULL */
void access_notes_fini(struct access_notes *notes);

/* As much as there is room for, and as that piece may have. Accepts NULL. */
void access_note_put(struct access_note *note, enum access_piece piece, struct span text);
struct span access_note_piece(const struct access_note *note, enum access_piece piece);
