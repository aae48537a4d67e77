/*
 * roster.h - what a worker knows of its upstreams' endpoints, and whom it gives the next exchange.
 *
 * Knows who is busy and who has just come back. Who has failed too often it knows with all other
 * workers: see standing.h. What is known of an endpoint outlives snapshots: it is found again by
 * upstream, address and vpc. Belongs to one worker; time and chance come as arguments.
 */
#pragma once
#include "userspace/snapshot/snapshot.h"
#include "userspace/upstream/balance.h"

struct rosters;
struct roster;
struct tally;
struct breaker_use;

struct rosters *rosters_create(void);
/* What workers know does not count for these; before they are renewed the first time. */
void rosters_keep_apart(struct rosters *rosters);
/* All rosters that were taken must have been given back. */
void rosters_destroy(struct rosters *rosters);
/* Once a worker goes on with that snapshot; those of before live while anybody has them. */
void rosters_renew(struct rosters *rosters, const struct snapshot *snapshot, uint64_t now_ms);

/* Valid until given back, and while the caller holds the upstream's snapshot. */
struct roster *roster_take(struct rosters *rosters, const struct snapshot *snapshot,
			   const struct upstream *upstream, uint64_t now_ms);
void roster_give(struct rosters *rosters, struct roster *roster);

/*
 * The upstream, or where nobody of it can be asked, the one that stands in for it; itself where
 * none of these can be asked either. While those who have come back warm up, a part only.
 */
const struct upstream *rosters_fail_over(struct rosters *rosters, const struct snapshot *snapshot,
					 const struct upstream *upstream, uint64_t now_ms,
					 uint64_t random);

enum { ROSTER_TRIED_MAX = 8, ROSTER_UNFIT_MAX = 4 };

/* Why an endpoint is not asked, though others are. */
enum unfit_cause { UNFIT_UNWANTED, UNFIT_DOWN, UNFIT_EJECTED, UNFIT_FULL, UNFIT_CAUSES };

/* The first of those, for who asks why. */
struct roster_unfit {
	uint8_t count;
	bool more; /* there are */
	bool any;  /* too few were fit, so that all were taken for it */
	uint8_t causes[ROSTER_UNFIT_MAX];
	uint32_t places[ROSTER_UNFIT_MAX];
};

struct roster_ask {
	uint64_t now_ms;
	uint64_t random;
	uint64_t hash;                    /* of what makes requests go together */
	bool keyed;                       /* hash decides, by whatever the upstream balances */
	bool keeps;                       /* kept is asked, if it is fit and has room, before all */
	uint32_t kept;                    /* whatever its weight and priority */
	uint32_t tried[ROSTER_TRIED_MAX]; /* places that are not asked again */
	uint32_t tried_count;
	bool look; /* only who it would be: nobody's turn is over by that */
	/* Whether a connection to that place waits here to be used; NULL: none ever does. */
	bool (*has_idle)(const void *context, uint32_t place);
	const void *context;
	struct roster_unfit *unfit; /* who is; NULL: nobody asks */
};

enum roster_answer {
	ROSTER_FOUND,
	ROSTER_EMPTY, /* none has a weight, or all were tried */
	ROSTER_UNFIT, /* all are down, and the upstream is to fail then */
	ROSTER_FULL,  /* those that are fit have as much as they may */
};

/* *out_place: of the upstream's endpoints; only where one is found. */
enum roster_answer roster_pick(struct roster *roster, const struct roster_ask *ask,
			       uint32_t *out_place);

/* An exchange begins there, and ends. False: others were faster, and it has all that it may. */
bool roster_enter(struct roster *roster, uint32_t place);
void roster_leave(struct roster *roster, uint32_t place);
/* One without a connection yet more, or less. */
void roster_pending(struct roster *roster, bool more);
/* One more is in a retry, or false: of all that all workers have there so great a share is, and no
 * fewer than may anyway. may: whether one of them may try once more. */
bool roster_retry_begin(struct roster *roster, uint32_t percent, uint32_t least);
bool roster_may_retry(const struct roster *roster, uint32_t percent, uint32_t least);
void roster_retry_end(struct roster *roster);
/* What all workers have there: of the upstream, of one endpoint. Valid as long as the roster. */
struct tally *roster_tally(const struct roster *roster);
struct tally *roster_place_tally(const struct roster *roster, uint32_t place);
struct breaker_use roster_breaker(const struct roster *roster, uint64_t now_ms);
bool roster_place_is_own(const struct roster *roster, uint32_t place); /* of the node's zone */

/* What is known of an endpoint now. */
struct roster_state {
	bool down;           /* by its checks */
	bool full;           /* of requests or connections, in all workers */
	bool lent;           /* full but for a connection that waits here to be used */
	uint32_t active;     /* in this one */
	uint32_t failures;   /* in a row, in all */
	uint32_t percent;    /* of its weight, while it warms up; else 100 */
	uint64_t ejected_ms; /* that are left; 0: it is not */
	struct endpoint_order order;
};
/* As that request would find it: of ask, time and idle connections count. */
struct roster_state roster_look(struct roster *roster, uint32_t place,
				const struct roster_ask *ask);

/* What came of it. sent_ms: when the endpoint was chosen; where it was ejected since, this is not
 * held against it. True where it has just been ejected for this: one of all workers is told. */
bool roster_failed(struct roster *roster, uint32_t place, uint64_t sent_ms, uint64_t now_ms);
/* A good answer has begun, after so long; and what became of it: it broke off, or was whole. */
void roster_answered(struct roster *roster, uint32_t place, uint64_t sent_ms, uint64_t took_ms);
bool roster_cut(struct roster *roster, uint32_t place, uint64_t sent_ms, uint64_t now_ms);
void roster_served(struct roster *roster, uint32_t place);
/* Or nobody sees what comes of it, but it could be reached. */
void roster_reached(struct roster *roster, uint32_t place, uint64_t sent_ms);

/* Why one is left alone though it has not failed so often in a row. */
enum eject_cause { EJECT_NOT, EJECT_RATE, EJECT_SLOW };

/* After each result, until it says EJECT_NOT: who has just been ejected as it did worse than the
 * others in the window that has ended, by what all workers saw. */
enum eject_cause roster_outlier(struct roster *roster, uint64_t now_ms, uint32_t *out_place);
bool roster_is_ejected(const struct roster *roster, uint32_t place, uint64_t now_ms);
