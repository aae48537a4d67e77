/*
 * roster_parts.h - what rosters are made of (upstream/ only).
 */
#pragma once
#include "userspace/upstream/breaker.h"
#include "userspace/upstream/roster.h"
#include "userspace/upstream/tally.h"

enum { RAMP = 64 /* steps of a slow start, and the least of a weight in it */ };

/* What came of exchanges with an endpoint in one window. */
struct sample {
	uint32_t tried, failed;
	uint32_t answered;
	uint64_t answered_ms; /* took all of these together */
};

/* An endpoint. Rosters of several snapshots may have the same one. */
struct member {
	struct member *next;
	uint64_t name; /* 64 bits of a hash: the identity itself */
	uint32_t refs;
	uint32_t active; /* of this worker */
	struct tally *tally;
	int64_t credit;
	uint64_t fit_since_ms; /* 0: always was, as far as anybody knows */
	bool was_away;         /* down, or not to serve */
	uint32_t failures;     /* in a row */
	uint32_t ejections;    /* that each lasted longer than the one before */
	uint64_t ejected_until_ms;
	struct sample sample;
};

/* An upstream; again of several snapshots. */
struct crowd {
	struct crowd *next;
	uint64_t name;
	uint32_t refs;
	struct tally *tally;
	struct breaker breaker;
	uint64_t window_ms; /* since when its members' samples are taken */
	uint32_t looked;    /* members that were compared since they are complete */
};

struct roster {
	const struct upstream *upstream;
	const struct snapshot *snapshot; /* borrowed, like upstream */
	uint32_t refs;
	uint32_t active, retrying; /* exchanges, of all endpoints */
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

/* Notices who has come back. */
bool roster_is_down(const struct roster *r, uint32_t place, uint64_t now_ms);
uint32_t roster_whole_weight(const struct roster *r, uint32_t place);
/* Its share of what is new, while it warms up. */
uint32_t roster_weight_now(const struct roster *r, uint32_t place, uint64_t now_ms);
/* One that has a weight. */
void roster_spill_count(const struct roster *r, uint32_t place, bool fit, struct census *census);
/* Of the list as it is filled, only one side of the zone's border stays. */
void roster_spill(struct roster *r, const struct roster_ask *ask, const struct census *census);
