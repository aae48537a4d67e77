/*
 * deed_ring.h - what was decided for requests that have ended, for who asks later by their names.
 *
 * The last ones of a worker, and beside them the last of those that went wrong and of those that
 * were turned away, so that a flood of good ones, or one that limits keep out, washes none away.
 * Names are copied, cut where they are long: a deed outlives the snapshot by which it was done.
 * Belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/span.h"

enum {
	DEEDS_MAX = 8192, /* powers of two */
	DEEDS_AWAY_MAX = 1024,
	DEEDS_WRONG_MAX = 2048,
	DEED_TEXT_BYTES = 172,
	DEED_PIECE_MAX = 48, /* but of the path, which comes last and has what is left, */
	DEED_DETAIL_MAX = 80,
	DEED_LOSERS_MAX = 8,
	DEED_ATTEMPTS_MAX = 4,
	DEED_UNFIT_MAX = 4,
	DEED_NO_SHARE = 255,
};

enum deed_piece {
	DEED_ID,
	DEED_METHOD,
	DEED_ROUTE,
	DEED_UPSTREAM,
	DEED_HOST,
	DEED_SNI,    /* where it is another one than the host */
	DEED_DETAIL, /* of its end */
	DEED_PATH,
	DEED_PIECES
};

/* What an exchange is at. */
enum exchange_phase {
	PHASE_OVER,
	PHASE_HELLO,    /* it waits for a ClientHello */
	PHASE_QUEUED,   /* for room at an endpoint */
	PHASE_PAUSES,   /* for the time of a retry */
	PHASE_CONNECTS, /* with an endpoint */
	PHASE_REQUEST,  /* the request comes */
	PHASE_ASKED,    /* the endpoint is to answer */
	PHASE_RESPONSE, /* the response comes */
	PHASE_TUNNEL,
	EXCHANGE_PHASES
};

/* Why it was not asked of another endpoint, or of a further one, though its route has retries. */
enum retry_refusal {
	RETRY_NOT_REFUSED,
	RETRY_NO_ATTEMPTS, /* left */
	RETRY_NO_METHOD,
	RETRY_NO_BODY,
	RETRY_NO_BUDGET,
	RETRY_NOBODY,
	RETRY_REFUSALS
};

/* One of its listener's routes that lost, by its place in the table; see struct route_try. */
struct deed_loser {
	uint32_t route;
	uint16_t which;
	uint8_t miss;
};

/* An endpoint that was asked, and what came of it. */
struct deed_attempt {
	struct addr to;
	uint32_t at_ms;  /* since the exchange began */
	uint16_t status; /* 0: it gave no answer */
	uint8_t end;     /* enum end_reason */
	uint8_t error;   /* of errno, why no connection stood; 0: not known */
};

struct deed_unfit {
	struct addr to;
	uint8_t cause; /* enum unfit_cause */
};

/* 576 bytes, of which a request that goes straight touches the first 300. */
struct deed {
	uint64_t ended_ms; /* of the day's clock; of one that is under way: now */
	uint64_t session;
	uint32_t snapshot; /* its number */
	uint32_t listener; /* its index there, */
	uint16_t port;     /* and for who has another one by now */
	uint16_t status;
	struct addr client, endpoint; /* endpoint all zero: none */
	uint32_t route, route_line;   /* its place in the table, or in sni; DEED_NO_ROUTE */
	uint8_t end;                  /* enum end_reason */
	uint8_t balance;              /* of the upstream */
	uint8_t tries, asked;         /* connections, and endpoints */
	uint8_t splice_reason;        /* enum splice_reason, of bodies */
	uint8_t split_by;             /* enum sticky, where its route splits */
	uint8_t share;                /* of the split; DEED_NO_SHARE: none, or beyond that */
	uint8_t phase;                /* enum exchange_phase; PHASE_OVER: it has ended */
	uint8_t refused;              /* enum retry_refusal, the last */
	uint8_t loser_count, losers_more, attempt_count, unfit_count;
	bool keyed : 1, keyless : 1, keeps : 1, kept : 1, reused : 1, spliced : 1, cut : 1;
	bool foreign : 1, failed_over : 1, unfit_more : 1, unfit_any : 1, sni_is_host : 1;
	bool kept_unfit : 1; /* the first of unfit is whom the client's cookie names */
	bool secure : 1;     /* by TLS */
	bool tunnel : 1;     /* became one */
	bool timed : 1;      /* by the microsecond, not by turns of the loop */
	uint32_t head_us, queued_us, connected_us, answered_us; /* see struct access_times */
	uint64_t total_us;
	uint8_t lengths[DEED_PIECES];
	char text[DEED_TEXT_BYTES];
	struct deed_attempt attempts[DEED_ATTEMPTS_MAX]; /* more than that: the last is the last */
	struct deed_loser losers[DEED_LOSERS_MAX];
	struct deed_unfit unfit[DEED_UNFIT_MAX];
};

#define DEED_NO_ROUTE UINT32_MAX

enum deed_kind {
	DEED_GOOD,
	DEED_AWAY, /* nobody was asked, and it was not our fault */
	DEED_WRONG,
	DEED_KINDS
};

struct deed_ring {
	struct {
		struct deed *deeds;
		uint32_t next, max; /* of deeds; max is a power of two */
	} kinds[DEED_KINDS];
};

void deed_ring_init(struct deed_ring *ring);
void deed_ring_fini(struct deed_ring *ring);
/* Where the next one is written, with no pieces. */
struct deed *deed_ring_next(struct deed_ring *ring, enum deed_kind kind);
/* In the order of enum deed_piece. */
void deed_put(struct deed *deed, enum deed_piece piece, struct span text);
struct span deed_piece(const struct deed *deed, enum deed_piece piece);
/* When the oldest one ended that is remembered, if any was forgotten; else 0. */
uint64_t deed_ring_since(const struct deed_ring *ring, enum deed_kind kind);
/* The last of that name; NULL: it is not known any more. */
const struct deed *deed_ring_find(const struct deed_ring *ring, struct span id);
