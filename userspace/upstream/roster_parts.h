/*
 * roster_parts.h - what rosters are made of (upstream/ only).
 */
#pragma once
#include "userspace/upstream/breaker.h"
#include "userspace/upstream/roster.h"
#include "userspace/upstream/tally.h"

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
