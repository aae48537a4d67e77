/*
 * roster_parts.h - what rosters are made of (upstream/ only).
 */
#pragma once
#include "userspace/upstream/roster.h"
#include "userspace/upstream/tally.h"

enum { RAMP = 64 /* steps of a slow start, and the least of a weight in it */ };

/* An endpoint, to this worker. Rosters of several snapshots may have the same one. */
struct member {
	struct member *next;
	uint64_t name; /* 64 bits of a hash: the identity itself */
	uint32_t refs;
	uint32_t active; /* of this worker */
	struct tally *tally;
	struct shard *shard; /* of the tally's; NULL: its results were never compared */
	int64_t credit;
	uint64_t since_ms; /* there is such an endpoint; 0: always was */
	bool was_away;     /* down, or not to serve */
};

/* An upstream; again of several snapshots. */
struct crowd {
	struct crowd *next;
	uint64_t name;
	uint32_t refs;
	struct tally *tally;
	struct shard *shard; /* of the tally's */
};

struct roster {
	const struct upstream *upstream;
	const struct snapshot *snapshot; /* borrowed, like upstream */
	uint32_t refs;
	bool past; /* nobody tells that snapshot any more who is up: it notices nobody's return */
	struct crowd *crowd;
	struct member **members; /* ends in NULL */
	struct candidate *list;
};

/* Of those that have a weight. */
struct census {
	uint32_t all;
	uint32_t sound; /* neither down nor ejected */
	uint32_t left;  /* may be asked, and were not yet */
	uint32_t full;  /* of these, with as much as they may have */
	/* Weights of those in the node's own zone, and of them those that are fit. */
	uint64_t own, own_fit;
};

/* By these all workers find them. */
uint64_t roster_name(const struct upstream *u);
uint64_t roster_place_name(const struct upstream *u, const struct endpoint *e);
/* Notices who has come back. */
bool roster_is_down(const struct roster *r, uint32_t place, uint64_t now_ms);
uint32_t roster_whole_weight(const struct roster *r, uint32_t place);
/* Its share of what is new, while it warms up. */
uint32_t roster_weight_now(const struct roster *r, uint32_t place, uint64_t now_ms);
/* One that has a weight. */
void roster_spill_count(const struct roster *r, uint32_t place, bool fit, struct census *census);
bool roster_is_tried(const struct roster_ask *ask, uint32_t place);
/* roster_unfit.c: unfit may be NULL. The first cause of a place is kept. */
void roster_unfit_note(struct roster_unfit *unfit, uint32_t place, enum unfit_cause cause);
void roster_unfit_ask(const struct roster *r, const struct roster_ask *ask, uint32_t place);
void roster_unfit_any(struct roster_unfit *unfit);
/* Of the list as it is filled, only one side of the zone's border stays. */
void roster_spill(struct roster *r, const struct roster_ask *ask, const struct census *census);
